import CLinux
import Machine

/// Until when to wait, on a clock of the host. On another clock than CLOCK_MONOTONIC it is looked at anew at least every few
/// seconds, since the host may set it.
struct ClockDeadline {
  let clock: Int32
  let nanoseconds: UInt64

  static var never: ClockDeadline { ClockDeadline(clock: CLOCK_MONOTONIC, nanoseconds: .max) }
  init(clock: Int32, nanoseconds: UInt64) {
    self.clock = clock
    self.nanoseconds = nanoseconds
  }
  /// So much from now on, on CLOCK_MONOTONIC.
  init(after nanoseconds: UInt64) {
    clock = CLOCK_MONOTONIC
    self.nanoseconds = Deadline.after(nanoseconds: nanoseconds).nanoseconds
  }

  var isNever: Bool { nanoseconds == .max }
  var hasPassed: Bool { !isNever && Clock.read(clock) >= nanoseconds }
  /// Nanoseconds left; 0 once it has passed.
  var left: UInt64 {
    let now = Clock.read(clock)
    return now >= nanoseconds ? 0 : nanoseconds &- now
  }
  /// Until when to sleep before the next look.
  var next: Deadline {
    if isNever { return .never }
    if clock == CLOCK_MONOTONIC { return Deadline(nanoseconds: nanoseconds) }
    return .after(nanoseconds: min(left, Self.recheck))
  }
  static var recheck: UInt64 { 4_000_000_000 }
}
