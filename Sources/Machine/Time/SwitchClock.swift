import CMachine

/// CLOCK_MONOTONIC for accounting, in less than half the time of the vDSO: for 50 µs after a reading of that it goes by the
/// processor's cycle counter. It may then be some 0.1 % of them off, forward or back.
struct SwitchClock {
  private var time: UInt64 = 0
  private var timeCycles: UInt64 = 0
  /// The cycle counter at the last `read`.
  private(set) var cycles: UInt64 = 0

  @inline(__always) mutating func read() -> UInt64 {
    cycles = arch_cycles()
    let gone = cycles &- timeCycles
    if unsafe gone < reach { return unsafe time &+ (gone &* nanosecondsShifted) &>> 16 }
    return readHost()
  }
  @inline(never) private mutating func readHost() -> UInt64 {
    time = Clock.monotonic()
    timeCycles = cycles
    return time
  }

  static private(set) var cyclesPerMicrosecond: UInt64 {
    get { unsafe megahertz }
    set { unsafe megahertz = newValue }
  }
  /// At boot, before the second thread.
  static func calibrate() {
    let first = sample()
    while Clock.monotonic() &- first.time < 50_000 {}
    let last = sample()
    let cycles = last.cycles &- first.cycles, time = last.time &- first.time
    guard cycles > 0, cycles < 1 &<< 40 else { return }
    cyclesPerMicrosecond = max(cycles &* 1000 / time, 1)
    unsafe nanosecondsShifted = (time &<< 16) / cycles
    // Without an invariant counter: never by it.
    let isInvariant = arch_cpuid(0x8000_0000, 0).a >= 0x8000_0007 && arch_cpuid(0x8000_0007, 0).d & 0x100 != 0
    if isInvariant { unsafe reach = cyclesPerMicrosecond &* 50 }
  }
  /// Both at once: the pair of several that took least time.
  private static func sample() -> (time: UInt64, cycles: UInt64) {
    var best = (time: UInt64(0), cycles: UInt64(0)), shortest = UInt64.max
    for _ in 0..<8 {
      let before = arch_cycles(), time = Clock.monotonic(), taken = arch_cycles() &- before
      if taken < shortest {
        shortest = taken
        best = (time, before &+ taken / 2)
      }
    }
    return best
  }
}

// SAFETY of the three: written at boot.
nonisolated(unsafe) private var reach: UInt64 = 0  // cycles
nonisolated(unsafe) private var nanosecondsShifted: UInt64 = 0  // a cycle, in 1/65,536 of a nanosecond
nonisolated(unsafe) private var megahertz: UInt64 = 1000
