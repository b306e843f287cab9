import Machine

/// Swift's own allocations trap when kernel memory is used up, so what the guest can make many of asks here first. A
/// share of `mem=` is kept back for what may not fail.
enum MemoryBound {
  /// Errors: `error`, where `count` more bytes would take memory below the reserve.
  @inline(__always) static func check(_ count: Int, or error: Errno = .noMemory) throws(Errno) {
    let usage = MemoryUsage.current
    if usage.charged &+ count > usage.total &- min(usage.total &>> 5, 16 << 20) { throw error }
  }
}

/// Runs `body`, once more where it found no room, or no host descriptor, while removed files and dropped handles waited for
/// walks that might still look at them (RCU). Sleeps then.
@inline(__always) func withReleased<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
  do throws(Errno) { return try body() } catch {
    guard error == .noSpace || error == .tooManyFiles, RCU.isHolding else { throw error }
  }
  RCU.synchronize()
  return try body()
}
