import CLinux
import CMachine

/// Changes of the guest's part of the address space that the caller runs in. Each is one host call; the ranges are pages,
/// and the caller has checked that they are the guest's. Errors are the host's own: ENOMEM mostly.
public enum HostMemory {
  @inline(__always) private static func check(_ result: Int) throws(Errno) {
    if let error = HostError(result) { throw error.guest }
  }

  /// Private anonymous memory (MAP_FIXED).
  public static func mapAnonymous(_ address: UInt, _ count: UInt, protection: Int32, noReserve: Bool = false)
    throws(Errno)
  {
    precondition(isGuestRange(address, count))
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (noReserve ? MAP_NORESERVE : 0)
    try check(hostCall(__NR_mmap, Int(address), Int(count), Int(protection), Int(flags), -1, 0))
  }
  /// Pages of kernel memory (the page cache) at `offset` in the memfd, shared or copy-on-write.
  public static func mapKernelMemory(
    _ address: UInt, _ count: UInt, protection: Int32, offset: UInt, isShared: Bool
  ) throws(Errno) {
    precondition(isGuestRange(address, count))
    let flags = (isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED
    unsafe try check(
      hostCall(__NR_mmap, Int(address), Int(count), Int(protection), Int(flags), Int(machineDescriptor), Int(offset)))
  }
  /// Pages of a host file. `isData`: they are a program's data, which relocations touch all of: where it is private and only
  /// a few pages, these are copied at once, in place of a fault for each.
  public static func mapHostFile(
    _ address: UInt, _ count: UInt, protection: Int32, descriptor: borrowing HostDescriptor, offset: UInt,
    isShared: Bool, isData: Bool
  ) throws(Errno) {
    precondition(isGuestRange(address, count))
    let populates = isData && !isShared && protection == PROT_READ | PROT_WRITE && count <= 8 << 12
    let flags = (isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | (populates ? MAP_POPULATE : 0)
    try check(
      hostCall(
        __NR_mmap, Int(address), Int(count), Int(protection), Int(flags), Int(descriptor.number),
        Int(bitPattern: offset)))
  }
  public static func unmap(_ address: UInt, _ count: UInt) throws(Errno) {
    precondition(isGuestRange(address, count))
    try check(hostCall(__NR_munmap, Int(address), Int(count)))
  }
  public static func protect(_ address: UInt, _ count: UInt, _ protection: Int32) throws(Errno) {
    precondition(isGuestRange(address, count))
    try check(hostCall(__NR_mprotect, Int(address), Int(count), Int(protection)))
  }
  /// Moves and resizes a mapping to exactly `target` (MREMAP_FIXED), which it replaces.
  public static func remap(_ address: UInt, _ count: UInt, to target: UInt, _ newCount: UInt, keepOld: Bool = false)
    throws(Errno)
  {
    precondition(isGuestRange(address, count) && isGuestRange(target, newCount))
    let flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keepOld ? MREMAP_DONTUNMAP : 0)
    try check(hostCall(__NR_mremap, Int(address), Int(count), Int(newCount), Int(flags), Int(target)))
  }
  /// Resizes in place. Errors: ENOMEM where the room behind is taken.
  public static func resize(_ address: UInt, _ count: UInt, to newCount: UInt) throws(Errno) {
    precondition(isGuestRange(address, count) && isGuestRange(address, newCount))
    try check(hostCall(__NR_mremap, Int(address), Int(count), Int(newCount), 0))
  }
  public static func advise(_ address: UInt, _ count: UInt, _ advice: Int32) throws(Errno) {
    precondition(isGuestRange(address, count))
    try check(hostCall(__NR_madvise, Int(address), Int(count), Int(advice)))
  }
  public static func sync(_ address: UInt, _ count: UInt, _ flags: Int32) throws(Errno) {
    precondition(isGuestRange(address, count))
    try check(hostCall(__NR_msync, Int(address), Int(count), Int(flags)))
  }
  /// A byte for each page: mincore(2).
  public static func residency(_ address: UInt, pages: Int) throws(Errno) -> [UInt8] {
    precondition(isGuestRange(address, UInt(pages) << 12) && pages <= 65536)
    var result = [UInt8](repeating: 0, count: pages)
    let r = unsafe result.withUnsafeMutableBufferPointer { b in
      unsafe hostCall(__NR_mincore, Int(address), pages << 12, Int(bitPattern: b.baseAddress))
    }
    try check(r)
    return result
  }
  /// Unmaps everything that is the guest's but `kept`, for exec and for recycling.
  public static func wipe(keeping kept: KeptRanges = KeptRanges()) throws(Errno) {
    let vdso = HostVDSO.range
    let windows: InlineArray<4, (low: UInt, high: UInt)> = [
      (0x1_0000, 0x4000_0000_0000), (0x5000_0000_0000, 0x6800_0000_0000), (0x7000_0000_0000, vdso.lowerBound),
      (vdso.upperBound, 0x7fff_ffff_f000),
    ]
    for i in windows.indices { try unmap(from: windows[i].low, to: windows[i].high, keeping: kept) }
  }
  /// Unmaps what of `start..<end` is not `kept`.
  public static func unmap(from start: UInt, to end: UInt, keeping kept: KeptRanges) throws(Errno) {
    var at = start
    for i in 0..<kept.count where kept[i].lowerBound < end && kept[i].upperBound > at {
      if at < kept[i].lowerBound { try unmap(at, kept[i].lowerBound - at) }
      at = kept[i].upperBound
    }
    if at < end { try unmap(at, end - at) }
  }
}

/// Ranges of guest memory that stay mapped when all others go: a few, in the order of their addresses, apart.
public struct KeptRanges {
  private var ranges = InlineArray<12, Range<UInt>>(repeating: 0..<0)
  public private(set) var count = 0
  public init() {}

  /// Returns false where there is no room for one more.
  public mutating func insert(_ range: Range<UInt>) -> Bool {
    guard count < ranges.count else { return false }
    var at = count
    while at > 0, ranges[at - 1].lowerBound > range.lowerBound {
      ranges[at] = ranges[at - 1]
      at -= 1
    }
    ranges[at] = range
    count += 1
    return true
  }
  public subscript(_ i: Int) -> Range<UInt> { ranges[i] }
}

/// A descriptor of the host, with one owner; closed at the end of its life, but for those that stay for the machine's.
public struct HostDescriptor: ~Copyable {
  public let number: Int32
  private let isKept: Bool
  public init(_ number: Int32) {
    self.number = number
    isKept = false
  }
  init(keeping number: Int32) {
    self.number = number
    isKept = true
  }
  deinit { if !isKept { _ = hostCall(__NR_close, Int(number)) } }
}
