import CLinux
import Machine

/// Under the mutex of `ProcessTimers`.
struct ProcessTimerState: ~Copyable {
  /// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF; made when first set.
  var intervals: InlineArray<3, IntervalTimer?> = InlineArray(repeating: nil)
  /// By id.
  var timers: [PosixTimer?] = []
  /// RLIMIT_CPU, while there is one.
  var limit: CPULimitTimer?
}

/// A process's timers: setitimer(2), timer_create(2). A child has none, exec keeps the interval timers.
public final class ProcessTimers {
  private let state = Mutex(ProcessTimerState(), rank: .file)
  init() {}

  // MARK: interval timers

  /// Sets ITIMER_… `which`. Returns what was left of the old setting.
  func setInterval(_ which: Int, _ process: Process, value: UInt64, interval: UInt64) -> TimerSetting {
    state.withLock { state in
      if state.intervals[which] == nil {
        if value == 0 { return TimerSetting() }
        let timer =
          switch which {
          case 0: IntervalTimer(.host(CLOCK_MONOTONIC), process: process, signal: SIGALRM)
          case 1: IntervalTimer(.process(Borrowed(process)), process: process, signal: SIGVTALRM)
          default: IntervalTimer(.process(Borrowed(process)), process: process, signal: SIGPROF)
          }
        state.intervals[which] = timer
      }
      return state.intervals[which].map { $0.set(value, isAbsolute: false, interval: interval) } ?? TimerSetting()
    }
  }
  func interval(_ which: Int) -> TimerSetting {
    state.withLock { state in state.intervals[which].map { $0.left } ?? TimerSetting() }
  }

  /// RLIMIT_CPU of `process` may have changed, or it is a child's.
  func followLimit(_ process: Process) {
    state.withLock { state in
      let seconds = process.limits[RLIMIT_CPU].soft
      if seconds == .max {
        if state.limit != nil { state.limit = nil }
        return
      }
      let timer = state.limit ?? CPULimitTimer(process)
      state.limit = timer
      let (target, overflow) = max(seconds, 1).multipliedReportingOverflow(by: 1_000_000_000)
      _ = timer.set(overflow ? .max : target, isAbsolute: true, interval: 1_000_000_000)
    }
  }

  // MARK: timers of timer_create(2)

  private static var maximum: Int { 1 << 16 }

  /// Errors: EAGAIN.
  func create(
    _ process: Process, _ source: TimerSource, _ limit: SignalLimit, _ notice: (Int32) -> TimerNotice
  ) throws(Errno) -> Int32 {
    try state.withLock { (state) throws(Errno) -> Int32 in
      var slot = state.timers.firstIndex { $0 == nil } ?? -1
      if slot < 0 {
        guard state.timers.count < Self.maximum else { throw .wouldBlock }
        slot = state.timers.count
      }
      guard signalQuota.with({ $0.charge(limit.user, limit: limit.limit) }) else { throw .wouldBlock }
      let id = Int32(truncatingIfNeeded: slot)
      let timer = PosixTimer(source, id: id, notice: notice(id), process: process, user: limit.user)
      if slot == state.timers.count { state.timers.append(timer) } else { state.timers[slot] = timer }
      return id
    }
  }

  /// Runs `body` on the timer `id`, under the mutex. Errors: EINVAL.
  func withTimer<R>(_ id: Int32, _ body: (PosixTimer) throws(Errno) -> R) throws(Errno) -> R {
    try state.withLock { (state) throws(Errno) -> R in
      guard id >= 0, Int(id) < state.timers.count, let timer = state.timers[Int(id)] else { throw .invalid }
      return try body(timer)
    }
  }

  /// Errors: EINVAL.
  func delete(_ id: Int32) throws(Errno) {
    let old = try state.withLock { (state) throws(Errno) -> PosixTimer in
      guard id >= 0, Int(id) < state.timers.count, let timer = state.timers[Int(id)] else { throw .invalid }
      state.timers[Int(id)] = nil
      return timer
    }
    withExtendedLifetime(old) {}
  }

  /// execve(2).
  func resetForExec() { dropTimers(andIntervals: false) }
  /// The process's last task exits.
  func stopAll() { dropTimers(andIntervals: true) }

  private func dropTimers(andIntervals: Bool) {
    state.withLock { state in
      if !state.timers.isEmpty { state.timers = [] }
      if andIntervals && state.limit != nil { state.limit = nil }
      if andIntervals { for i in 0..<3 where state.intervals[i] != nil { state.intervals[i] = nil } }
    }
  }
}
