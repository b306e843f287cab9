import CLinux
import Machine

/// Stopping and continuing a whole process: job control, signal(7).
extension ProcessSignals {
  /// SIGCONT was sent: pending stops vanish and everyone who stopped goes on. Lock held.
  func resume(_ state: inout ProcessSignalState) {
    let stops = SignalSet(bits: Signal.stops)
    state.pending.drop(stops)
    state.tasks.forEach { signals in
      signals.pending.drop(stops)
      signals.mustStop = false
      signals.tookStop = false
      if signals.isStopped {
        signals.isStopped = false
        signals.task.with { _ = Scheduler.wake($0) }
      }
    }
    if state.job.signal == 0 { return }
    state.job.notice = state.job.isStopped ? CLD_CONTINUED : CLD_STOPPED
    state.job.continueReport = true
    state.job.stopReport = false
    state.job.signal = 0
    state.job.left = 0
    state.job.isStopped = false
    // Whoever comes by first on its way out tells the parent.
    state.tasks.first?.with { $0.task.with { $0.interrupt(Interruption.work) } }
  }

  /// One task less to wait for. Lock held.
  func leaveStop(_ state: inout ProcessSignalState) {
    if state.job.left > 0 { state.job.left &-= 1 }
    if state.job.left == 0 && state.job.signal != 0 && !state.job.isStopped {
      state.job.isStopped = true
      state.job.stopReport = true
      state.job.continueReport = false
      state.job.notice = CLD_STOPPED
      state.job.noticeStatus = state.job.signal
    }
  }

  /// `task`, the caller, took the stop signal `signal`: all tasks of the process must stop, unless SIGCONT came since.
  func beginStop(_ task: Task, _ signal: Int32) {
    let mine = task.signals
    state.withLock { state in
      guard mine.tookStop else { return }
      mine.tookStop = false
      if state.job.signal == 0 {
        state.job.signal = signal
        state.job.isStopped = false
      }
      if state.job.isStopped { state.job.isStopped = false }  // a task that was late stops again
      state.tasks.forEach { signals in
        if signals.mustStop || signals.isStopped { return }
        signals.mustStop = true
        state.job.left &+= 1
        signals.task.with { $0.interrupt(Interruption.signal) }
      }
    }
  }

  /// `task`, the caller, stops with its process until SIGCONT or its death.
  func joinStop(_ task: Task) {
    let signals = task.signals
    let mustStop = state.withLock { state -> Bool in
      guard signals.mustStop else { return false }
      signals.mustStop = false
      signals.isStopped = true
      leaveStop(&state)
      return true
    }
    guard mustStop else { return }
    tellParent(task.process)
    while true {
      Scheduler.prepareToStop()
      let stays =
        state.withLock { _ in signals.isStopped } && !task.isInterrupted(Interruption.kill | Interruption.lostSpace)
      if !stays { break }
      Scheduler.stop()
    }
    task.stopWaiting()
    state.withLock { state in
      signals.isStopped = false
      recalculate(&state, signals)
    }
  }

  /// Tells the parent of a stop or of going on, where that is due. Without locks.
  func tellParent(_ process: Process) {
    let (notice, status) = state.withLock { state -> (Int32, Int32) in
      let notice = state.job.notice
      state.job.notice = 0
      return (notice, notice == CLD_CONTINUED ? SIGCONT : state.job.noticeStatus)
    }
    if notice != 0 { process.tellParent(code: notice, status: status) }
  }

  // MARK: for wait(2)

  /// The stop signal of a stopped process that wait(2) has not reported; without `taking` (WNOWAIT) it stays to be
  /// reported again.
  func reportStop(taking: Bool) -> Int32? {
    state.withLock { state in
      guard state.job.isStopped, state.job.stopReport else { return nil }
      if taking { state.job.stopReport = false }
      return state.job.signal
    }
  }
  /// Whether it went on since, and that is not reported.
  func reportContinue(taking: Bool) -> Bool {
    state.withLock { state in
      guard state.job.continueReport else { return false }
      if taking { state.job.continueReport = false }
      return true
    }
  }
  var isStopped: Bool { state.withLock { $0.job.isStopped } }
}
