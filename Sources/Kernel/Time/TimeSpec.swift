import CLinux
import Machine

/// struct __kernel_timespec, as the ABI has it.
public struct TimeSpec: Equatable, Sendable, BitwiseCopyable {
  public var seconds: Int
  public var nanoseconds: Int
  public init(seconds: Int, nanoseconds: Int) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
  public init(_ total: UInt64) {
    seconds = Int(truncatingIfNeeded: total / 1_000_000_000)
    nanoseconds = Int(truncatingIfNeeded: total % 1_000_000_000)
  }
  /// The time in nanoseconds; what no clock reaches is `.max`, for ever. Errors: EINVAL.
  public func checked() throws(Errno) -> UInt64 {
    guard seconds >= 0, nanoseconds >= 0, nanoseconds < 1_000_000_000 else { throw .invalid }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return .max }
    let (sum, carry) = product.addingReportingOverflow(UInt64(nanoseconds))
    return carry ? .max : sum
  }
}

/// struct timeval.
public struct TimeValue: Equatable, Sendable, BitwiseCopyable {
  public var seconds: Int
  public var microseconds: Int
  public init(seconds: Int, microseconds: Int) {
    self.seconds = seconds
    self.microseconds = microseconds
  }
  public init(_ total: UInt64) {
    seconds = Int(truncatingIfNeeded: total / 1_000_000_000)
    microseconds = Int(truncatingIfNeeded: total % 1_000_000_000 / 1000)
  }
  /// As `TimeSpec.checked`.
  public func checked() throws(Errno) -> UInt64 {
    guard seconds >= 0, microseconds >= 0, microseconds < 1_000_000 else { throw .invalid }
    return try TimeSpec(seconds: seconds, nanoseconds: microseconds * 1000).checked()
  }
}
