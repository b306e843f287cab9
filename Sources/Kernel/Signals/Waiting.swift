import CLinux
import Machine

extension Task {
  // MARK: a mask for the length of a call

  /// Takes `mask` for the length of the call: rt_sigsuspend(2), ppoll(2), pselect6(2), epoll_pwait(2). What it lets
  /// through is handled with it in place; the way out brings the old one back, or `restoreTemporaryMask` does.
  func setTemporaryMask(_ mask: UInt64) {
    signals.savedMask = signals.mask
    signals.hasSavedMask = true
    process.signals.setMask(self, SignalSet(bits: mask))
  }
  /// The call is over. Where a signal ended it (`wasInterrupted`), the old mask comes back after that signal's handler.
  func restoreTemporaryMask(wasInterrupted: Bool = false) {
    guard signals.hasSavedMask else { return }
    if wasInterrupted {
      interrupt(Interruption.work)
      return
    }
    signals.hasSavedMask = false
    process.signals.setMask(self, signals.savedMask)
  }

  // MARK: waiting for signals

  /// Sleeps until a signal is to be handled: pause(2). Throws `.restartUnlessHandled`.
  func waitForSignal() throws(Errno) -> Never {
    while true {
      prepareToSleep(.interruptible)
      if mustStopWaiting(.interruptible) { break }
      Scheduler.sleep(until: .never)
    }
    stopWaiting()
    throw .restartUnlessHandled
  }

  /// Takes a signal of `wanted`, for which it waits until `deadline`: rt_sigtimedwait(2). Errors: EAGAIN where none came
  /// in time, EINTR where another signal did.
  func awaitSignal(_ wanted: SignalSet, until deadline: Deadline) throws(Errno) -> SignalInfo {
    let shared = process.signals
    let wanted = wanted.blockable
    if let info = shared.take(self, of: wanted) { return info }
    if deadline.hasPassed { throw .wouldBlock }
    shared.state.withLock { _ in signals.awaited = wanted }
    var result: SignalInfo?
    while true {
      prepareToSleep(.interruptible)
      result = shared.take(self, of: wanted)
      if result != nil || mustStopWaiting(.interruptible) || deadline.hasPassed { break }
      Scheduler.sleep(until: deadline)
    }
    stopWaiting()
    shared.state.withLock { state in
      signals.awaited = .none
      shared.recalculate(&state, signals)
    }
    if let result { return result }
    throw mustStopWaiting(.interruptible) ? .interrupted : .wouldBlock
  }
}

extension ProcessSignals {
  /// Takes a pending signal of `wanted`, blocked or not, for `task`, the caller.
  func take(_ task: Task, of wanted: SignalSet) -> SignalInfo? {
    let signals = task.signals
    return state.withLock { state in
      let blocked = SignalSet(bits: ~wanted.bits)
      var info: SignalInfo?
      let own = signals.pending.next(blocked: blocked)
      if own != 0 {
        info = signals.pending.take(own)
      } else {
        let shared = state.pending.next(blocked: blocked)
        if shared != 0 { info = state.pending.take(shared) }
      }
      // An awaited signal sets the bit though it is blocked.
      recalculate(&state, signals)
      return info
    }
  }
  /// Whether one of `wanted` is pending for `task`.
  func hasPending(_ task: Task, of wanted: SignalSet) -> Bool {
    state.withLock { (task.signals.pending.set.bits | $0.pending.set.bits) & wanted.bits != 0 }
  }

  /// rt_sigaction(2). What is ignored from now on is pending no longer.
  func setAction(_ signal: Int32, _ action: SignalAction) -> SignalAction {
    let isIgnored = action.isIgnore || action.isDefault && Signal.bit(signal) & Signal.ignoredByDefault != 0
    if !isIgnored { return actions.with { $0.set(signal, action) } }
    return state.withLock { state in
      let old = actions.with { $0.set(signal, action) }
      let dropped = SignalSet(signal)
      state.pending.drop(dropped)
      state.tasks.forEach { $0.pending.drop(dropped) }
      return old
    }
  }
}
