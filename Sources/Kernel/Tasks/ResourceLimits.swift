import CLinux
import Machine

/// One limit: getrlimit(2). `.max` is RLIM_INFINITY.
public struct Limit: Equatable, Sendable {
  public var soft: UInt64
  public var hard: UInt64
  public init(soft: UInt64, hard: UInt64) {
    self.soft = soft
    self.hard = hard
  }
  public static var unlimited: Limit { Limit(soft: .max, hard: .max) }
}

/// A process's resource limits, shared by its threads. Reading one costs a load; changes are under the process's lock.
public final class ResourceLimits {
  public static var count: Int { 16 }
  private var limits: InlineArray<16, Limit>

  /// Linux's own at boot (include/asm-generic/resource.h), with the hard limit on descriptors that systemd gives.
  public init() {
    limits = InlineArray(repeating: .unlimited)
    limits[Int(RLIMIT_STACK)] = Limit(soft: 8 << 20, hard: .max)
    limits[Int(RLIMIT_CORE)] = Limit(soft: 0, hard: .max)
    limits[Int(RLIMIT_NOFILE)] = Limit(soft: 1024, hard: 524_288)
    limits[Int(RLIMIT_MEMLOCK)] = Limit(soft: 8 << 20, hard: 8 << 20)
    limits[Int(RLIMIT_SIGPENDING)] = Limit(soft: 16384, hard: 16384)
    limits[Int(RLIMIT_MSGQUEUE)] = Limit(soft: 819_200, hard: 819_200)
    limits[Int(RLIMIT_NICE)] = Limit(soft: 0, hard: 0)
    limits[Int(RLIMIT_RTPRIO)] = Limit(soft: 0, hard: 0)
  }
  /// fork(2)'s copy.
  public init(copying other: ResourceLimits) {
    limits = InlineArray(repeating: .unlimited)
    for i in 0..<Self.count { limits[i] = other.limits[i] }
  }

  /// The limit RLIMIT_… `resource`, a number below `count`.
  @inline(__always) public subscript(_ resource: Int32) -> Limit {
    get { limits[Int(resource)] }
    set { limits[Int(resource)] = newValue }
  }
  /// The soft limit, as an `Int` for comparisons with sizes.
  @inline(__always) public func soft(_ resource: Int32) -> Int {
    Int(truncatingIfNeeded: min(limits[Int(resource)].soft, UInt64(Int.max)))
  }
}
