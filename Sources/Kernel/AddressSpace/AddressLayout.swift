import CLinux
import Machine

/// Where things lie in a guest's address space: docs/address-map.md. The kernel's own ranges and the host's vDSO are not
/// the guest's.
enum AddressLayout {
  static var page: UInt { 4096 }
  /// One above the highest guest address (Linux's TASK_SIZE).
  static var end: UInt { 0x7fff_ffff_f000 }
  /// vm.mmap_min_addr.
  static var start: UInt { 0x1_0000 }
  /// Where Linux puts position-independent programs (ELF_ET_DYN_BASE).
  static var programBase: UInt { 0x5555_5555_4000 }

  /// What the guest may have, without the vDSO: from the top down.
  static var windows: InlineArray<4, (low: UInt, high: UInt)> {
    let vdso = HostVDSO.range
    let low = min(max(vdso.lowerBound, 0x7000_0000_0000), end)
    return [
      (min(max(vdso.upperBound, low), end), end), (0x7000_0000_0000, low), (0x5000_0000_0000, 0x6800_0000_0000),
      (start, 0x4000_0000_0000),
    ]
  }

  /// Whether all of `address..<address + count` may be mapped.
  static func isUsable(_ address: UInt, _ count: UInt) -> Bool {
    guard address >= start, isGuestRange(address, count) else { return false }
    let vdso = HostVDSO.range
    return address &+ count <= vdso.lowerBound || address >= vdso.upperBound
  }

  /// Runs `body` on each part of `start..<end` that is the guest's: a reservation may span the kernel's ranges.
  static func forUsableParts(_ start: UInt, _ end: UInt, _ body: (UInt, UInt) throws(Errno) -> Void) throws(Errno) {
    if isUsable(start, end - start) {
      try body(start, end - start)
      return
    }
    let windows = windows
    for i in windows.indices.reversed() {
      let low = max(start, windows[i].low), high = min(end, windows[i].high)
      if low < high { try body(low, high - low) }
    }
  }

  @inline(__always) static func roundedUp(_ value: UInt) -> UInt { (value &+ 4095) & ~4095 }
  @inline(__always) static func isAligned(_ value: UInt) -> Bool { value & 4095 == 0 }
}

/// The resource limits that memory calls look at: setrlimit(2).
public struct MemoryLimits: Sendable {
  public var addressSpace: UInt = .max
  public var data: UInt = .max
  public var stack: UInt = 8 << 20
  public var locked: UInt = .max
  public init() {}
}

extension Task {
  var memoryLimits: MemoryLimits {
    var limits = MemoryLimits()
    let own = process.limits
    limits.addressSpace = UInt(own[RLIMIT_AS].soft)
    limits.data = UInt(own[RLIMIT_DATA].soft)
    limits.stack = UInt(own[RLIMIT_STACK].soft)
    let mayLock = credentials.borrowed.with { $0.has(CAP_IPC_LOCK) }
    limits.locked = mayLock ? .max : UInt(own[RLIMIT_MEMLOCK].soft)
    return limits
  }
}
