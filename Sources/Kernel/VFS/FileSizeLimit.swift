import CLinux
import Machine

/// RLIMIT_FSIZE.
enum Limits {
  /// How far a write at `offset` may go. Errors: EFBIG, with SIGXFSZ, where that is nowhere; EINVAL below 0.
  @inline(__always) static func room(at offset: Int) throws(Errno) -> Int {
    if offset < 0 { throw .invalid }
    let limit = currentLimit
    if offset >= limit { throw exceeded(limit) }
    return limit &- offset
  }
  /// Errors: EFBIG, with SIGXFSZ, where a file may not reach to `end`.
  @inline(__always) static func checkFileSize(_ end: Int) throws(Errno) {
    let limit = currentLimit
    if end > limit { throw exceeded(limit) }
  }
  @inline(__always) private static var currentLimit: Int {
    #if hasFeature(Embedded)
    Task.withCurrentTask { $0.process.limits.soft(RLIMIT_FSIZE) }
    #else
    .max
    #endif
  }
  @inline(never) private static func exceeded(_ limit: Int) -> Errno {
    if limit != .max { Task.withCurrentTask { sendKernelSignal(SIGXFSZ, to: $0) } }
    return .fileTooBig
  }
}
