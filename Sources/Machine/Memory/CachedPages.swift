import CLinux
import CMachine
import Synchronization

/// The pages of one file in the page cache: kernel memory by file offset. A page never changes its place while it is
/// resident, so guest mappings and copies can use it directly.
///
/// A file reserves its offsets in extents: 64 KiB at first, then doubling up to 64 MiB. Reserving costs nothing; a page is
/// charged when it becomes resident and comes zeroed. An extent stays as long as the file, so reading resident pages takes no
/// lock; the caller's guards changes. Who reads a page while it is discarded sees it or zeros.
@safe public final class CachedPages {
  /// The extents of the first 64 MiB, each where its size says, 0 until it is there; those behind are sorted by first page.
  private var low = InlineArray<11, UInt>(repeating: 0)
  private var high: [Extent] = []  // read under the caller's lock
  private let count = Atomic<Int>(0)
  /// Pages that are resident; read without the lock, as they were just now.
  @inline(__always) public var residentCount: Int { count.load(ordering: .relaxed) }
  public init() {}
  deinit {
    discard(from: 0)
    forEachExtent { $0.free() }
  }

  private func forEachExtent(_ body: (Extent) -> Void) {
    for i in 0..<11 { if let extent = extent(at: i) { body(extent) } }
    for extent in high { body(extent) }
  }

  /// Which of `low` has `page`; nil: one of `high`.
  @inline(__always) private static func slot(of page: Int) -> Int? {
    if page < 16 { return 0 }
    return page < 16384 ? Int.bitWidth &- 4 &- page.leadingZeroBitCount : nil
  }
  private static func range(of page: Int) -> (first: Int, pages: Int) {
    if page < 16 { return (0, 16) }
    if page < 16384 {
      let pages = 1 << (Int.bitWidth - 1 - page.leadingZeroBitCount)
      return (pages, pages)
    }
    return (page & ~16383, 16384)
  }
  // SAFETY: a word is the address of an extent that was whole before it was stored; readers take no lock.
  @inline(__always) private func extent(at slot: Int) -> Extent? {
    guard let block = unsafe UnsafeMutablePointer<Int>(bitPattern: low[slot]) else { return nil }
    atomicMemoryFence(ordering: .acquiring)
    return unsafe Extent(block)
  }
  private func set(_ extent: Extent, at slot: Int) {
    atomicMemoryFence(ordering: .releasing)
    unsafe low[slot] = UInt(bitPattern: extent.block)
  }
  /// The position among `high` of the first extent that does not end before `page`.
  private func position(_ page: Int) -> Int {
    var low = 0, end = high.count
    while low < end {
      let middle = (low + end) / 2
      if high[middle].first + high[middle].pages <= page { low = middle + 1 } else { end = middle }
    }
    return low
  }
  /// The extent that has `page`, where it is reserved.
  @inline(__always) private func extent(of page: Int) -> Extent? {
    if let slot = Self.slot(of: page) { return extent(at: slot) }
    let at = position(page)
    return at < high.count && high[at].first <= page ? high[at] : nil
  }

  /// The resident page `page`.
  public func page(_ page: Int) -> KernelBytes? {
    guard let extent = extent(of: page), extent.isResident(page) else { return nil }
    return unsafe KernelBytes(
      UnsafeMutableRawPointer(bitPattern: extent.address(page)).unsafelyUnwrapped, count: 4096)
  }
  /// Resident bytes from `offset` on: at most `limit`, cut at the first page that is not resident and at the extent's end.
  /// Nil: the page at `offset` is not resident.
  public func bytes(at offset: Int, limit: Int) -> KernelBytes? {
    guard limit > 0, let extent = extent(of: offset &>> 12) else { return nil }
    return extent.bytes(at: offset, limit: limit)
  }
  /// The same without the caller's lock. Nil also where it takes that.
  @inline(__always) public func bytesUnlocked(at offset: Int, limit: Int) -> KernelBytes? {
    guard limit > 0, offset >= 0, let slot = Self.slot(of: offset &>> 12), let extent = extent(at: slot) else {
      return nil
    }
    return extent.bytes(at: offset, limit: limit)
  }
  /// Makes `page` resident: zeroed where it was not. Errors: ENOSPC past `mem=`.
  public func makeResident(_ page: Int) throws(Errno) -> KernelBytes {
    let extent: Extent
    if let found = self.extent(of: page) {
      extent = found
    } else {
      let (first, pages) = Self.range(of: page)
      guard let base = CacheExtents.reserve(pages) else { throw .noSpace }
      extent = Extent(first: first, pages: pages, base: base)
      if let slot = Self.slot(of: page) { set(extent, at: slot) } else { high.insert(extent, at: position(page)) }
    }
    if !extent.isResident(page) {
      guard KernelMemory.charge(4096) else { throw .noSpace }
      cacheBytes.add(4096, ordering: .relaxed)
      extent.setResident(page, true)
      self.count.store(residentCount + 1, ordering: .relaxed)
    }
    return unsafe KernelBytes(UnsafeMutableRawPointer(bitPattern: extent.address(page)).unsafelyUnwrapped, count: 4096)
  }
  /// The last page of the extent that has `page`.
  public static func lastReservedWith(_ page: Int) -> Int {
    let (first, pages) = range(of: page)
    return first &+ pages &- 1
  }
  /// Where `page` lies in the memfd, for `HostMemory.mapKernelMemory`; nil where it is not resident.
  public func memoryOffset(_ page: Int) -> UInt? {
    guard let extent = extent(of: page), extent.isResident(page) else { return nil }
    return extent.address(page) - KernelMemory.base
  }
  /// The first resident page at or after `page`, below `limit`; for SEEK_DATA.
  public func nextResident(_ page: Int, below limit: Int) -> Int? {
    var found: Int?
    forEachExtent { extent in
      var p = max(page, extent.first)
      while found == nil && p < min(extent.first + extent.pages, limit) {
        if extent.isResident(p) { found = p }
        p += 1
      }
    }
    return found
  }
  /// Gives pages back to the host. Who discards has unmapped them from every guest first.
  public func discard(from first: Int, to end: Int = .max) {
    forEachExtent { extent in
      if extent.first >= end || extent.first + extent.pages <= first { return }
      let low = max(first, extent.first), high = min(end, extent.first + extent.pages)
      var count = 0
      for page in low..<high where extent.isResident(page) {
        extent.setResident(page, false)
        count += 1
      }
      if count > 0 {
        KernelMemory.punch(extent.address(low), UInt(high - low) << 12)
        KernelMemory.uncharge(count << 12)
        cacheBytes.subtract(count << 12, ordering: .relaxed)
        self.count.store(residentCount - count, ordering: .relaxed)
      }
    }
  }
}

/// Pages `first..<first + pages` of a file, at `base`: a block that has these three, then a bit for each page that is resident.
@safe private struct Extent {
  let block: UnsafeMutablePointer<Int>

  init(first: Int, pages: Int, base: UInt) {
    let words = 3 + (pages + 63) / 64
    unsafe block = .allocate(capacity: words)
    unsafe block.initialize(repeating: 0, count: words)
    unsafe block[0] = first
    unsafe block[1] = pages
    unsafe block[2] = Int(bitPattern: base)
  }
  @inline(__always) init(_ block: UnsafeMutablePointer<Int>) { unsafe self.block = block }
  func free() {
    let (base, pages) = (base, pages)
    unsafe block.deallocate()
    CacheExtents.release(base, pages)
  }

  @inline(__always) var first: Int { unsafe block[0] }
  @inline(__always) var pages: Int { unsafe block[1] }
  @inline(__always) var base: UInt { unsafe UInt(bitPattern: block[2]) }
  // SAFETY: a page of this extent has its bit in the block; the words are read while they change.
  @inline(__always) private func word(_ i: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe UnsafeMutableRawPointer(block + 3 + i &>> 6).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
  @inline(__always) func isResident(_ page: Int) -> Bool {
    let i = page &- first
    return unsafe word(i).pointee.load(ordering: .acquiring) &>> UInt64(i & 63) & 1 != 0
  }
  func setResident(_ page: Int, _ isResident: Bool) {
    let i = page &- first, bit: UInt64 = 1 &<< UInt64(i & 63)
    let old = unsafe word(i).pointee.load(ordering: .relaxed)
    unsafe word(i).pointee.store(isResident ? old | bit : old & ~bit, ordering: .releasing)
  }
  @inline(__always) func address(_ page: Int) -> UInt { base &+ UInt(bitPattern: page &- first) &<< 12 }

  @inline(__always) func bytes(at offset: Int, limit: Int) -> KernelBytes? {
    let start = offset &>> 12
    guard isResident(start) else { return nil }
    var page = start &+ 1
    let last = min((offset &+ limit &- 1) &>> 12, first &+ pages &- 1)
    while page <= last && isResident(page) { page &+= 1 }
    let count = min(limit, page &<< 12 &- offset)
    let address = address(start) &+ UInt(bitPattern: offset & 4095)
    return unsafe KernelBytes(UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped, count: count)
  }
}
/// Extents' addresses: powers of two from 64 KiB to 64 MiB in the upper half of kernel memory, a free list for each size.
enum CacheExtents {
  static func reserve(_ pages: Int) -> UInt? {
    let order = pages.trailingZeroBitCount - 4
    guard order >= 0 && order <= 10 else { return nil }
    return unsafe cacheState.unsafelyUnwrapped.lock.withLock { state in
      if let free = state.free[order].popLast() { return free }
      let result = state.end
      let end = result + UInt(pages) << 12
      guard unsafe end <= KernelMemory.base + KernelMemory.size else { return nil }
      state.end = end
      return result
    }
  }
  static func release(_ base: UInt, _ pages: Int) {
    let order = pages.trailingZeroBitCount - 4
    unsafe cacheState.unsafelyUnwrapped.lock.withLock { $0.free[order].append(base) }
  }
}
struct CacheExtentState: ~Copyable {
  var free: [[UInt]] = [[UInt]](repeating: [], count: 11)
  var end = KernelMemory.cache
}
final class CacheExtentLock {
  let lock = SpinLock(CacheExtentState(), rank: .leaf)
}
nonisolated(unsafe) var cacheState: CacheExtentLock! = nil  // SAFETY: written at boot

extension KernelMemory {
  /// Frees the host's pages under a range of kernel memory; it reads as zeros from then on.
  static func punch(_ address: UInt, _ count: UInt) {
    unsafe _ = hostCall(
      __NR_fallocate, Int(machineDescriptor), Int(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), Int(address - base),
      Int(count))
  }
}
