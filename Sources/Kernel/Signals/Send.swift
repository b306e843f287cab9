import CLinux
import Machine

/// What became of a signal that was sent.
enum Posted {
  case dropped  // ignored, or one like it is pending already
  case pending
  case fatal  // it ends the whole process: the caller sees to that
}

extension ProcessSignals {
  /// Makes a signal pending, for `target` alone or for the process, and makes a task notice that will take it (Linux's
  /// send_signal). `entry` is the queue's node that it brings.
  fileprivate func post(
    _ info: SignalInfo, to target: TaskSignals?, entry: SignalEntry?, isForced: Bool, isInit: Bool
  ) -> Posted {
    let signal = info.signal
    let posted = state.withLock { state -> Posted in
      guard prepare(&state, signal, target, isForced: isForced, isInit: isInit) else { return .dropped }
      if let entry {
        if entry.isQueued { return .dropped }
        entry.target = target.map { Borrowed($0) }
        if let target { target.pending.append(entry) } else { state.pending.append(entry) }
      } else {
        let isNew = if let target { target.pending.insert(info) } else { state.pending.insert(info) }
        if !isNew { return .dropped }
      }
      return complete(&state, signal, target, isInit: isInit) ? .fatal : .pending
    }
    // Whoever waits looks under the lock once it is among those.
    if posted != .dropped && arrivals.isOccupied { arrivals.wakeAll() }
    return posted
  }

  /// Side effects of sending, and whether the signal is to be made pending at all: stops and SIGCONT cancel each other,
  /// what is ignored vanishes. Lock held.
  private func prepare(
    _ state: inout ProcessSignalState, _ signal: Int32, _ target: TaskSignals?, isForced: Bool, isInit: Bool
  ) -> Bool {
    if state.taskCount == 0 || target?.isListed == false { return false }
    if Signal.bit(signal) & Signal.stops != 0 {
      state.pending.drop(SignalSet(SIGCONT))
      state.tasks.forEach { $0.pending.drop(SignalSet(SIGCONT)) }
    } else if signal == SIGCONT {
      resume(&state)
    }
    // Blocked ones stay pending whatever the action is now: it may change before they are unblocked.
    let isBlocked = if let target { target.holds(signal) } else { state.tasks.first?.with { $0.holds(signal) } == true }
    if isBlocked { return true }
    return actions.with { actions in
      if isInit && actions.isDefault(signal) && !(isForced && Signal.bit(signal) & Signal.unstoppable != 0) {
        return false
      }
      return !actions.isIgnored(signal)
    }
  }

  /// Chooses who takes a signal that has just become pending, and makes it notice. Returns whether the signal ends the
  /// process: that begins at once, so that killable sleeps end too. Lock held.
  private func complete(
    _ state: inout ProcessSignalState, _ signal: Int32, _ target: TaskSignals?, isInit: Bool
  ) -> Bool {
    if signal == SIGKILL { return true }
    var chosen: Borrowed<TaskSignals>?  // on the list, which the lock keeps
    if let target {
      if target.wants(signal) { chosen = Borrowed(target) }
    } else {
      var isIdle = false
      state.tasks.forEach { candidate in
        if isIdle || !candidate.wants(signal) { return }
        isIdle = !candidate.task.with { $0.isInterrupted(Interruption.signal) }
        if isIdle || chosen == nil { chosen = Borrowed(candidate) }
      }
    }
    guard let chosen else { return false }
    return chosen.with { chosen in
      if !chosen.holds(signal), !isInit, Signal.defaultAction(signal) == .terminate,
        actions.with({ $0.isDefault(signal) })
      {
        return true
      }
      chosen.task.with { task in
        task.interrupt(Interruption.signal)
        if chosen.awaited.contains(signal) { Scheduler.wake(task) }
      }
      return false
    }
  }
}

extension TaskSignals {
  /// Whether it blocks `signal`, or waits for it in rt_sigtimedwait(2). Lock held.
  @inline(__always) fileprivate func holds(_ signal: Int32) -> Bool {
    mask.contains(signal) || awaited.contains(signal)
  }
  /// A stopped one takes nothing but SIGKILL; it looks when it goes on.
  @inline(__always) fileprivate func wants(_ signal: Int32) -> Bool {
    isListed && !isStopped && (!mask.contains(signal) || awaited.contains(signal))
  }
}

extension Process {
  /// Sends a signal to one of its tasks, or to all of it. No thread of its own is needed, so timers and terminals may
  /// call it; takes `process` and `signals`. `isForced`: from the kernel, so process 1's SIGKILL too. Returns whether it
  /// is one more: not dropped, nor pending before.
  @discardableResult
  func post(_ info: SignalInfo, to target: Task? = nil, entry: SignalEntry? = nil, isForced: Bool = false) -> Bool {
    let posted = signals.post(info, to: target?.signals, entry: entry, isForced: isForced, isInit: isInit)
    switch posted {
    case .dropped: return false
    case .pending: break
    case .fatal: beginGroupExit(WaitStatus.killed(info.signal))
    }
    return true
  }
}

// MARK: what the rest of the kernel calls

/// Sends `info` to one task. Errors: EAGAIN where a realtime signal finds its user's queue full (RLIMIT_SIGPENDING).
func sendSignal(_ info: SignalInfo, to task: Task, limit: SignalLimit? = nil) throws(Errno) {
  try queue(info, task.process, task, limit)
}
/// Sends `info` to a process: one of its tasks that does not block it takes it. Errors as above.
func sendSignal(_ info: SignalInfo, to process: Process, limit: SignalLimit? = nil) throws(Errno) {
  try queue(info, process, nil, limit)
}
/// What a task, the caller, brought on itself: SIGPIPE, SIGXFSZ. As on Linux it is its own sender.
func sendKernelSignal(_ signal: Int32, to task: Task) {
  task.process.post(task.userInfo(signal), to: task, isForced: true)
}
/// SIGXFSZ to the current task, which wrote past RLIMIT_FSIZE.
func sendFileSizeSignal() { Task.withCurrentTask { sendKernelSignal(SIGXFSZ, to: $0) } }
/// The kernel itself sends a standard signal to a process: SIGHUP, SIGINT from a terminal.
func sendKernelSignal(_ signal: Int32, to process: Process) { process.post(.kernel(signal), isForced: true) }
/// The same to all members of a group. Takes `processTree`.
func sendKernelSignal(_ signal: Int32, to group: ProcessGroup) {
  withProcessTree { group.members.forEach { sendKernelSignal(signal, to: $0) } }
}

/// Whose queue a realtime signal is counted in, and its bound.
struct SignalLimit {
  var user: UInt32
  var limit: UInt64
}

private func queue(_ info: SignalInfo, _ process: Process, _ target: Task?, _ limit: SignalLimit?) throws(Errno) {
  if info.signal < Signal.firstRealtime {
    process.post(info, to: target, isForced: info.isFromKernel)
    return
  }
  let bound = limit ?? SignalLimit(user: 0, limit: .max)
  guard signalQuota.with({ $0.charge(bound.user, limit: bound.limit) }) else {
    if info.code != SI_USER { throw .wouldBlock }
    process.post(info, to: target)  // as Linux: it comes, but only once and without a sender
    return
  }
  let entry = SignalEntry()
  entry.info = info
  entry.owner = bound.user
  if !process.post(info, to: target, entry: entry) { signalQuota.with { $0.uncharge(bound.user) } }
}
