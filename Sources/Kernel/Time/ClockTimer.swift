import CLinux
import Machine

/// A timer's setting, on its clock, in nanoseconds.
struct TimerSetting {
  /// When it expires next; 0: it is not set.
  var target: UInt64 = 0
  /// 0: once.
  var interval: UInt64 = 0
}

/// What a timer of the guest counts.
enum TimerSource {
  case host(Int32)
  /// Processor time of a process, which outlives its timers.
  case process(Borrowed<Process>)
  /// Of one of its threads.
  case thread(Int, Borrowed<Process>)
}

/// A timer on any clock, once or again and again: what timer_create(2), setitimer(2) and timerfd_create(2) have in common.
/// Whoever sets it holds its owner's mutex; it fires on any vCPU, without a current thread.
class ClockTimer: Timer {
  final let source: TimerSource
  final let setting = SpinLock(TimerSetting(), rank: .leaf)

  init(_ source: TimerSource) { self.source = source }

  /// `count` expirations since the last time.
  func expired(_ count: UInt64) {}
  /// Whether it waits, once expired, until `takeLate` asks how often it did.
  var isLazy: Bool { false }

  final var now: UInt64 {
    switch source {
    case .host(let clock): return Clock.read(clock)
    case .process(let process): return process.with { $0.cpuTime }
    case .thread(let id, let process):
      guard let task = Processes.findTask(id), process == task.process else { return 0 }
      return task.cpuTime
    }
  }

  /// Sets it to expire at `target`, or so much from now; 0 stops it. Returns what was left before, and its interval.
  final func set(_ value: UInt64, isAbsolute: Bool, interval: UInt64) -> TimerSetting {
    stop()
    let now = now
    let old = setting.withLock { setting -> TimerSetting in
      let old = setting
      setting.interval = interval
      if value == 0 {
        setting.target = 0
      } else if isAbsolute {
        setting.target = value
      } else {
        let (sum, overflow) = now.addingReportingOverflow(value)
        setting.target = overflow ? .max : sum
      }
      return old
    }
    if value != 0 {
      if isAbsolute && value <= now { fire() } else { arm(now) }
    }
    return Self.left(old, now)
  }

  /// How much is left, and the interval.
  final var left: TimerSetting {
    let now = now
    return Self.left(setting.withLock { $0 }, now)
  }
  private static func left(_ setting: TimerSetting, _ now: UInt64) -> TimerSetting {
    if setting.target == 0 { return TimerSetting(target: 0, interval: setting.interval) }
    if setting.target > now { return TimerSetting(target: setting.target &- now, interval: setting.interval) }
    // Expired, though not fired yet: the next period's rest, or the least that says that it is set.
    let rest = setting.interval == 0 ? 1 : setting.interval &- (now &- setting.target) % setting.interval
    return TimerSetting(target: rest, interval: setting.interval)
  }

  final override func fire() {
    let now = now
    let lazy = isLazy
    var mustArm = false
    let count = setting.withLock { setting -> UInt64 in
      guard setting.target != 0 else { return 0 }
      if now < setting.target {
        mustArm = true
        return 0
      }
      if lazy { return 1 }
      let count = Self.advance(&setting, now)
      mustArm = setting.target != 0
      return count
    }
    if mustArm { arm(now) }
    if count > 0 { expired(count) }
  }

  /// Moves the setting past `now`. Returns the expirations passed over.
  private static func advance(_ setting: inout TimerSetting, _ now: UInt64) -> UInt64 {
    if setting.interval == 0 {
      setting.target = 0
      return 1
    }
    let late = (now &- setting.target) / setting.interval
    let (step, overflow) = setting.interval.multipliedReportingOverflow(by: late &+ 1)
    let (target, carry) = setting.target.addingReportingOverflow(step)
    setting.target = overflow || carry ? .max : target
    return late &+ 1
  }
  /// For a lazy one that has expired: how often, up to now, and it goes on. Under the owner's mutex.
  final func takeLate() -> UInt64 {
    let now = now
    var mustArm = false
    let count = setting.withLock { setting -> UInt64 in
      guard setting.target != 0, now >= setting.target else { return 0 }
      let count = Self.advance(&setting, now)
      mustArm = setting.target != 0
      return count
    }
    if mustArm { arm(now) }
    return count
  }

  private func arm(_ now: UInt64) {
    let (target, isRepeated) = setting.withLock { ($0.target, $0.interval != 0) }
    if target == 0 || target == .max { return }
    let left = target > now ? target &- now : 0
    switch source {
    case .host(let clock):
      // A period shorter than this would leave no time for anything else: expirations are counted instead.
      let least: UInt64 = isRepeated ? 20_000 : 0
      if clock == CLOCK_MONOTONIC {
        start(Deadline(nanoseconds: max(target, now &+ least)))
      } else {
        start(.after(nanoseconds: min(max(left, least), ClockDeadline.recheck)))
      }
    case .process(let process), .thread(_, let process):
      start(.after(nanoseconds: process.with { $0.leastTime(for: left) }))
    }
  }
}
