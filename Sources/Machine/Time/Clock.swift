import CLinux
import CMachine

/// The host's clocks, which are the guest's.
public enum Clock {
  /// CLOCK_MONOTONIC in nanoseconds.
  @inline(__always) public static func monotonic() -> UInt64 { read(CLOCK_MONOTONIC) }
  /// CLOCK_REALTIME in nanoseconds since 1970.
  @inline(__always) public static func realtime() -> UInt64 { read(CLOCK_REALTIME) }
  /// The same as of the host's last tick, which costs less.
  @inline(__always) public static func coarseRealtime() -> UInt64 { read(CLOCK_REALTIME_COARSE) }

  /// Any clock that clock_gettime(2) of the host reads without privilege, in nanoseconds; 0 where it has no such clock.
  /// Through the host's vDSO: it uses no vector register, and where it has to call the host for a clock, that is caught.
  public static func read(_ clock: Int32) -> UInt64 {
    var time = linux_timespec()
    let result = unsafe withUnsafeMutablePointer(to: &time) { p in
      if let function = unsafe HostVDSO.clock { return unsafe Int(function(clock, p)) }
      return unsafe hostCall(__NR_clock_gettime, Int(clock), Int(bitPattern: p))
    }
    if result < 0 { return 0 }
    return UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
  }
}
