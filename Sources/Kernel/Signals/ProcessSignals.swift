import CLinux
import Machine

/// What wait(2) and the parent's SIGCHLD tell of a stop: the state of job control of a process.
struct JobControl {
  /// The stop signal of the group stop that is under way or done; 0: none.
  var signal: Int32 = 0
  /// Tasks that have not joined it yet.
  var left = 0
  var isStopped = false
  /// Not yet reported by wait(2).
  var stopReport = false
  var continueReport = false
  /// What the parent must be told by the next task on its way out: CLD_STOPPED, CLD_CONTINUED; 0: nothing.
  var notice: Int32 = 0
  var noticeStatus: Int32 = 0
}

/// Under the lock of `ProcessSignals`.
struct ProcessSignalState: ~Copyable {
  var pending = PendingSignals()
  /// The tasks that have not exited.
  var tasks = IntrusiveList<TaskSignals>()
  var taskCount = 0
  var job = JobControl()
}

/// The signals of a process: shared pending ones, what its tasks do for each (shared further with CLONE_SIGHAND), stops.
/// One lock (rank `signals`) guards it and its tasks' `TaskSignals`.
public final class ProcessSignals {
  let state = SpinLock(ProcessSignalState(), rank: .signals)
  /// Replaced under the lock, by the only task of the process (execve).
  private var owned: Owned<SignalActions>
  /// signalfd(2)s that watch, and others who want to know that a signal came.
  let arrivals = WaitQueue()
  /// setitimer(2), timer_create(2).
  let timers = ProcessTimers()

  public init(actions: SignalActions = SignalActions()) { owned = Owned(actions) }

  /// What each signal does. Tasks of the process use it as it is; others under the lock.
  @inline(__always) public var actions: Borrowed<SignalActions> { owned.borrowed }

  // MARK: membership

  /// A new task of the process, before anyone else knows it. It joins a stop that is under way.
  func add(_ task: Task) {
    let signals = task.signals
    signals.task = Borrowed(task)
    let mustStop = state.withLock { state -> Bool in
      state.tasks.append(signals)
      state.taskCount &+= 1
      signals.isListed = true
      guard state.job.signal != 0 else { return false }
      signals.mustStop = true
      if !state.job.isStopped { state.job.left &+= 1 }
      return true
    }
    if mustStop { task.interrupt(Interruption.signal) }
  }

  /// A task exits, or never ran: signals for the process go to others, a stop waits for it no longer.
  func remove(_ signals: TaskSignals) {
    state.withLock { state in
      guard signals.isListed else { return }
      signals.isListed = false
      state.tasks.remove(signals)
      state.taskCount &-= 1
      if signals.mustStop {
        signals.mustStop = false
        leaveStop(&state)
      }
      signals.pending.drop(SignalSet(bits: .max))
      if state.taskCount == 0 {
        state.pending.drop(SignalSet(bits: .max))
      } else {
        retarget(&state, state.pending.set.subtracting(signals.mask))
      }
    }
  }

  // MARK: fork and exec

  /// A child process's: handlers shared (CLONE_SIGHAND) or copied, or all SIG_DFL but what is ignored
  /// (CLONE_CLEAR_SIGHAND). Nothing is pending.
  func forked(sharingHandlers: Bool, clearing: Bool) -> ProcessSignals {
    if sharingHandlers { return ProcessSignals(actions: actions.object) }
    let copy = SignalActions(copying: actions.object)
    if clearing { copy.clearHandlers() }
    return ProcessSignals(actions: copy)
  }

  /// execve(2), by the only task left: handlers go, and a table shared with other processes is left to them.
  func resetForExec() {
    let old = actions.object
    let new = SignalActions(copying: old)
    new.reset()
    state.withLock { _ in owned.replace(new) }
    withExtendedLifetime(old) {}
    timers.resetForExec()
  }

  // MARK: what the parent's SIGCHLD asks of it

  /// SA_NOCLDSTOP: no signal for children that stop or go on.
  var hidesChildStops: Bool { state.withLock { _ in actions.with { $0.hidesChildStops } } }
  /// SIG_IGN or SA_NOCLDWAIT: children leave no zombies.
  var dropsChildren: Bool { state.withLock { _ in actions.with { $0.dropsChildren } } }
  /// SIG_IGN for SIGCHLD.
  var ignoresChildSignal: Bool { state.withLock { _ in actions.with { $0.ignoredSet.contains(SIGCHLD) } } }

  // MARK: masks

  /// Sets the mask of `task`, the caller; what became unblocked is delivered on the way out, what became blocked may
  /// find another task.
  func setMask(_ task: Task, _ mask: SignalSet) {
    let signals = task.signals
    let mask = mask.blockable
    if mask == signals.mask { return }
    state.withLock { state in
      let blocked = mask.subtracting(signals.mask)
      if !SignalSet(bits: blocked.bits & state.pending.set.bits).isEmpty && state.taskCount > 1 {
        retarget(&state, SignalSet(bits: blocked.bits & state.pending.set.bits), except: signals)
      }
      signals.mask = mask
      recalculate(&state, signals)
    }
  }

  /// Sets or clears the task's `signal` bit after a change of what is pending or blocked. Lock held.
  func recalculate(_ state: inout ProcessSignalState, _ signals: TaskSignals) {
    let ready = (signals.pending.set.bits | state.pending.set.bits) & ~signals.mask.bits != 0 || signals.mustStop
    signals.task.with { task in
      if ready == task.isInterrupted(Interruption.signal) { return }
      if ready { task.interrupt(Interruption.signal) } else { task.clearInterruption(Interruption.signal) }
    }
  }

  /// Tells tasks that do not block it of each of `signals`, which nobody else will take now. Lock held.
  func retarget(_ state: inout ProcessSignalState, _ signals: SignalSet, except: TaskSignals? = nil) {
    var left = signals
    state.tasks.forEach { other in
      if left.isEmpty { return }
      if let except, other === except { return }
      let taken = left.subtracting(other.mask)
      if taken.isEmpty { return }
      left = left.subtracting(taken)
      other.task.with { $0.interrupt(Interruption.signal) }
    }
  }

  /// Signals pending for the process and `task` alike, for sigpending(2) and /proc.
  public func pendingSets(_ task: Task) -> (own: SignalSet, shared: SignalSet) {
    state.withLock { (task.signals.pending.set, $0.pending.set) }
  }
}
