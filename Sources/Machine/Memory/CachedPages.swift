import CLinux
import CMachine
import Synchronization

/// The pages of one file in the page cache: kernel memory by file offset. A page never changes its place while it is
/// resident, so guest mappings and copies can use it directly.
///
/// A file reserves its offsets in extents: 64 KiB at first, then doubling up to 64 MiB. Reserving costs nothing; a page is
/// charged when it becomes resident and comes zeroed. The caller's lock guards changes; reading resident pages is safe
/// beside them as long as nobody discards.
@safe public final class CachedPages {
  private var extents: [Extent] = []  // sorted by first page
  private let count = Atomic<Int>(0)
  /// Pages that are resident; read without the lock, as they were just now.
  @inline(__always) public var residentCount: Int { count.load(ordering: .relaxed) }
  public init() {}
  deinit {
    discard(from: 0)
    for extent in extents { unsafe extent.free() }
  }

  @safe private struct Extent {
    let first: Int  // page
    let pages: Int
    let base: UInt  // address in kernel memory
    let resident: UnsafeMutablePointer<UInt64>  // a bit for each page
    func free() {
      unsafe resident.deallocate()
      CacheExtents.release(base, pages)
    }
    func isResident(_ page: Int) -> Bool {
      unsafe resident[(page - first) >> 6] >> UInt64((page - first) & 63) & 1 != 0
    }
    func address(_ page: Int) -> UInt { base + UInt(page - first) << 12 }
  }

  private static func range(of page: Int) -> (first: Int, pages: Int) {
    if page < 16 { return (0, 16) }
    if page < 16384 {
      let pages = 1 << (Int.bitWidth - 1 - page.leadingZeroBitCount)
      return (pages, pages)
    }
    return (page & ~16383, 16384)
  }
  /// The position of the extent that has `page`, or nil and where it would go.
  private func find(_ page: Int) -> (at: Int, isThere: Bool) {
    var low = 0, high = extents.count
    while low < high {
      let middle = (low + high) / 2
      let extent = extents[middle]
      if page < extent.first {
        high = middle
      } else if page >= extent.first + extent.pages {
        low = middle + 1
      } else {
        return (middle, true)
      }
    }
    return (low, false)
  }

  /// The resident page `page`.
  public func page(_ page: Int) -> KernelBytes? {
    let (at, isThere) = find(page)
    guard isThere, extents[at].isResident(page) else { return nil }
    return unsafe KernelBytes(
      UnsafeMutableRawPointer(bitPattern: extents[at].address(page)).unsafelyUnwrapped, count: 4096)
  }
  /// Resident bytes from `offset` on: at most `limit`, cut at the first page that is not resident and at the extent's end.
  /// Nil: the page at `offset` is not resident.
  public func bytes(at offset: Int, limit: Int) -> KernelBytes? {
    let first = offset >> 12
    let (at, isThere) = find(first)
    guard isThere, limit > 0 else { return nil }
    let extent = extents[at]
    guard extent.isResident(first) else { return nil }
    var page = first + 1
    let last = min((offset + limit - 1) >> 12, extent.first + extent.pages - 1)
    while page <= last && extent.isResident(page) { page += 1 }
    let count = min(limit, page << 12 - offset)
    let address = extent.address(first) + UInt(offset & 4095)
    return unsafe KernelBytes(UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped, count: count)
  }
  /// Makes `page` resident: zeroed where it was not. Errors: ENOSPC past `mem=`.
  public func makeResident(_ page: Int) throws(Errno) -> KernelBytes {
    var (at, isThere) = find(page)
    if !isThere {
      let (first, pages) = Self.range(of: page)
      guard let base = CacheExtents.reserve(pages) else { throw .noSpace }
      let bitmap = UnsafeMutablePointer<UInt64>.allocate(capacity: (pages + 63) / 64)
      unsafe bitmap.initialize(repeating: 0, count: (pages + 63) / 64)
      unsafe extents.insert(Extent(first: first, pages: pages, base: base, resident: bitmap), at: at)
      at = find(page).at
    }
    let extent = extents[at]
    if !extent.isResident(page) {
      guard KernelMemory.charge(4096) else { throw .noSpace }
      cacheBytes.add(4096, ordering: .relaxed)
      let i = page - extent.first
      unsafe extent.resident[i >> 6] |= 1 << UInt64(i & 63)
      self.count.store(residentCount + 1, ordering: .relaxed)
    }
    return unsafe KernelBytes(UnsafeMutableRawPointer(bitPattern: extent.address(page)).unsafelyUnwrapped, count: 4096)
  }
  /// Where `page` lies in the memfd, for `HostMemory.mapKernelMemory`; nil where it is not resident.
  public func memoryOffset(_ page: Int) -> UInt? {
    let (at, isThere) = find(page)
    guard isThere, extents[at].isResident(page) else { return nil }
    return extents[at].address(page) - KernelMemory.base
  }
  /// The first resident page at or after `page`, below `limit`; for SEEK_DATA.
  public func nextResident(_ page: Int, below limit: Int) -> Int? {
    var (at, _) = find(page)
    var p = page
    while at < extents.count {
      let extent = extents[at]
      p = max(p, extent.first)
      while p < extent.first + extent.pages && p < limit {
        if extent.isResident(p) { return p }
        p += 1
      }
      if p >= limit { return nil }
      at += 1
    }
    return nil
  }
  /// Gives pages back to the host. Who discards has unmapped them from every guest first.
  public func discard(from first: Int, to end: Int = .max) {
    for extent in extents where extent.first < end && extent.first + extent.pages > first {
      let low = max(first, extent.first), high = min(end, extent.first + extent.pages)
      var count = 0
      for page in low..<high where extent.isResident(page) {
        let i = page - extent.first
        unsafe extent.resident[i >> 6] &= ~(1 << UInt64(i & 63))
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
