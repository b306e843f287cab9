import CLinux
import Machine
import Synchronization

/// A file whose data is the page cache: tmpfs, memfd, shared anonymous memory. Pages are made when first needed.
///
/// Writes and truncation are serialised by the inode's lock, which the caller holds. The pages have a spinlock of their own, under
/// which nothing is copied to or from the guest: a fault within a copy may need a page of this very file.
public final class CachedFile {
  private let pages = SpinLock<Void>((), rank: .file)
  private let cache = CachedPages()  // under `pages`
  /// Where the host's last filling of fresh pages ended: what goes on from there is not mapped here yet. Under the inode's lock.
  private var filledEnd = -1
  private let length = Atomic<Int>(0)
  /// Who maps it: a page is unmapped everywhere before it is discarded.
  public let mappings = MappingList()
  /// What its file system allows, where it is bounded.
  public let quota: PageQuota?
  /// F_SEAL_* of a memfd, under the inode's lock; `F_SEAL_SEAL` where it cannot be sealed.
  public var seals: UInt32 = UInt32(F_SEAL_SEAL)

  public init(quota: PageQuota? = nil) { self.quota = quota }
  deinit { quota?.give(cache.residentCount) }

  /// st_size. It shrinks before pages go: who maps a page looks at it again under the lock of `mappings`.
  @inline(__always) public var size: Int { length.load(ordering: .acquiring) }
  /// Sets the size without touching pages, for those who fill it.
  public func setSize(_ size: Int) { length.store(size, ordering: .releasing) }
  /// Pages up to the file's end.
  @inline(__always) public var pageCount: Int { Self.pages(size) }
  /// Pages that `size` bytes take, for any size.
  @inline(__always) private static func pages(_ size: Int) -> Int { size >> 12 &+ (size & 4095 == 0 ? 0 : 1) }
  public var residentPages: Int { cache.residentCount }

  /// Whether a mapping may write to it: any mapping counts as one that may.
  var hasWritableMappings: Bool { mappings.hasWritable }

  // MARK: for mappings

  /// Where page `page` lies in kernel memory's descriptor, made resident. The caller has compared it with `size`.
  /// Errors: ENOSPC.
  public func makeResident(_ page: Int) throws(Errno) -> UInt {
    try withReleased { () throws(Errno) -> UInt in
      try pages.withLock { (_) throws(Errno) -> UInt in
        if let offset = cache.memoryOffset(page) { return offset }
        _ = try fresh(page)
        return cache.memoryOffset(page) ?? 0
      }
    }
  }
  /// The same where it is resident already.
  public func memoryOffset(_ page: Int) -> UInt? { pages.withLock { _ in cache.memoryOffset(page) } }
  /// The first resident page from `page` on, below `end`.
  public func nextResident(_ page: Int, below end: Int) -> Int? {
    pages.withLock { _ in cache.nextResident(page, below: end) }
  }
  /// Resident pages in a row, from `page` on and below `end`, as one range of kernel memory; nil where `page` is not resident.
  func residentRun(_ page: Int, below end: Int) -> ResidentRun? {
    pages.withLock { _ -> ResidentRun? in
      guard page < end, let offset = cache.memoryOffset(page),
        let bytes = cache.bytes(at: page << 12, limit: (end - page) << 12)
      else { return nil }
      return ResidentRun(offset: offset, pages: bytes.count >> 12)
    }
  }

  /// Where a write of `limit` bytes or less goes. Where the page at `offset` is not there it becomes resident; where half a
  /// page or more is to come, so do those right behind it that are not there either, and the host is to fill them. A new file
  /// may be a small one: it takes less.
  private func room(at offset: Int, limit: Int) throws(Errno) -> (bytes: KernelBytes, isFresh: Bool) {
    try withReleased { () throws(Errno) -> (bytes: KernelBytes, isFresh: Bool) in
      try pages.withLock { (_) throws(Errno) -> (bytes: KernelBytes, isFresh: Bool) in
        let fills = limit >= 2048 || (size == 0 && limit >= 256)
        if !fills || offset != filledEnd, let bytes = cache.bytes(at: offset, limit: limit) { return (bytes, false) }
        let first = offset >> 12, skipped = offset & 4095
        let page = try fresh(first)
        if !fills { return (page.slice(skipped, min(4096 &- skipped, limit)), false) }
        let last = min((offset &+ limit &- 1) >> 12, CachedPages.lastReservedWith(first), first &+ 63)
        var end = first &+ 1
        while end <= last, cache.page(end) == nil, (try? fresh(end)) != nil { end &+= 1 }
        return (cache.bytes(at: offset, limit: min(limit, end &<< 12 &- offset)) ?? page.slice(skipped, limit), true)
      }
    }
  }
  private func fresh(_ page: Int) throws(Errno) -> KernelBytes {
    if let bytes = cache.page(page) { return bytes }
    try MemoryBound.check(4096, or: .noSpace)
    if let quota, !quota.take(1) { throw .noSpace }
    do throws(Errno) {
      return try cache.makeResident(page)
    } catch {
      quota?.give(1)
      throw error
    }
  }

  // MARK: read and write

  /// Copies from `offset` to the buffers, up to the end; holes are zeros. Returns the bytes moved. Errors: EFAULT.
  public func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    var at = offset
    while buffers.count > 0 {
      let left = size &- at
      if left <= 0 { break }
      let limit = min(left, buffers.count)
      let moved: Int
      do throws(Errno) {
        if let bytes = cache.bytesUnlocked(at: at, limit: limit)
          ?? pages.withLock({ _ in cache.bytes(at: at, limit: limit) })
        {
          moved = try buffers.copyOut(bytes)
        } else {
          moved = try buffers.clear(min(limit, 4096 &- at & 4095))
        }
      } catch {
        if at == offset { throw error }
        break
      }
      if moved == 0 { break }
      at &+= moved
    }
    return at &- offset
  }

  /// Copies from the buffers to `offset` on; the caller has bounded offset and count, and holds the inode's lock. Returns the bytes
  /// moved. Errors: ENOSPC, EFAULT.
  public func write(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    var at = offset
    var made = 0  // the end of the pages that became resident
    var failure: Errno?
    while buffers.count > 0 {
      let moved: Int
      do throws(Errno) {
        let limit = buffers.count
        if at != filledEnd, let bytes = cache.bytesUnlocked(at: at, limit: limit) {
          moved = try buffers.copyIn(bytes)
        } else {
          let room = try room(at: at, limit: limit)
          if room.isFresh {
            made = max(made, Self.pages(at &+ room.bytes.count))
            moved = try buffers.copyInFresh(room.bytes)
            filledEnd = at &+ moved
          } else {
            moved = try buffers.copyIn(room.bytes)
          }
        }
      } catch {
        failure = error
        break
      }
      if moved == 0 { break }
      at &+= moved
      if at > size { setSize(at) }
    }
    // Where the buffers were not all there: what lies past the end is nobody's yet.
    let unused = max(pageCount, at >> 12)
    if made > unused { discard(from: unused, to: made) }
    if let failure, at == offset { throw failure }
    return at &- offset
  }

  /// Copies kernel bytes in, as `write`.
  public func write(_ bytes: KernelBytes, at offset: Int) throws(Errno) {
    var buffers = IOBuffers(kernel: bytes)
    let count = try write(&buffers, at: offset)
    if count < bytes.count { throw .noSpace }
  }

  // MARK: size; the inode's lock is held

  /// truncate(2). The size changes first; then the pages beyond leave every guest, then the cache.
  public func truncate(to size: Int) {
    let old = self.size
    setSize(size)
    if size >= old { return }
    let first = pageCount
    discard(from: first, to: .max)
    clear(size, to: first << 12)
  }
  /// Punches a hole: whole pages go, the rest is zeroed.
  public func punch(_ offset: Int, _ count: Int) {
    let end = offset + count
    let first = Self.pages(offset), last = end >> 12
    if first > last {
      clear(offset, to: end)
      return
    }
    clear(offset, to: first << 12)
    if first < last { discard(from: first, to: last) }
    clear(last << 12, to: end)
  }
  /// Makes the pages of a range resident. Errors: ENOSPC, and then those that were not stay not.
  public func allocate(_ offset: Int, _ count: Int) throws(Errno) {
    guard count > 0 else { return }
    let first = offset >> 12, last = (offset + count - 1) >> 12
    if last - first > MemoryUsage.current.total >> 12 { throw .noSpace }
    var made: [Range<Int>] = []
    for page in first...last where memoryOffset(page) == nil {
      do throws(Errno) {
        _ = try makeResident(page)
      } catch {
        for range in made { discard(from: range.lowerBound, to: range.upperBound) }
        throw error
      }
      if let run = made.last, run.upperBound == page {
        made[made.count - 1] = run.lowerBound..<page + 1
      } else {
        made.append(page..<page + 1)
      }
    }
  }

  private func clear(_ from: Int, to end: Int) {
    guard from < end else { return }
    pages.withLock { _ in
      if let bytes = cache.bytes(at: from, limit: end - from) { bytes.clear() }
    }
  }
  private func discard(from first: Int, to end: Int) {
    mappings.unmap(pages: first..<end)
    let count = pages.withLock { _ -> Int in
      let before = cache.residentCount
      if before > 0 { cache.discard(from: first, to: end) }
      return before - cache.residentCount
    }
    quota?.give(count)
  }

  // MARK: holes

  /// Implements SEEK_DATA: the first byte at or after `offset` that is in a resident page, below the size.
  public func nextData(_ offset: Int) -> Int? {
    let size = size
    guard offset < size else { return nil }
    let found = pages.withLock { _ in cache.nextResident(offset >> 12, below: Self.pages(size)) }
    return found.map { max($0 << 12, offset) }
  }
  /// Implements SEEK_HOLE: the first byte at or after `offset` in no resident page; the size is a hole.
  public func nextHole(_ offset: Int) -> Int? {
    let size = size
    guard offset < size else { return nil }
    var at = offset
    while at < size, let bytes = pages.withLock({ _ in cache.bytes(at: at, limit: size - at) }) { at += bytes.count }
    return min(at, size)
  }
}

/// A bound on pages that files share: `size=` of tmpfs.
public final class PageQuota {
  private let used = Atomic<Int>(0)
  private let bound: Atomic<Int>
  public init(limit: Int) { bound = Atomic(limit) }
  public var limit: Int {
    get { bound.load(ordering: .relaxed) }
    set { bound.store(newValue, ordering: .relaxed) }
  }
  public var count: Int { used.load(ordering: .relaxed) }
  func take(_ pages: Int) -> Bool {
    let now = used.add(pages, ordering: .relaxed).newValue
    if now <= limit { return true }
    used.subtract(pages, ordering: .relaxed)
    return false
  }
  func give(_ pages: Int) { used.subtract(pages, ordering: .relaxed) }
}
