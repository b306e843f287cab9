/// A row of slots that each own one page of kernel memory or none: what a pipe keeps its bytes in. A page comes as it is,
/// not zeroed: its owner remembers what it wrote. Up to two pages that were given back stay for the next use.
@safe public struct PageSlots: ~Copyable {
  private var pages: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private var spare: UnsafeMutableRawPointer?
  private var spare2: UnsafeMutableRawPointer?
  /// A power of two.
  public let capacity: Int

  /// `capacity` is a power of two. Errors: ENOMEM.
  public init(capacity: Int) throws(Errno) {
    precondition(capacity > 0 && capacity < 1 << 32 && capacity & (capacity &- 1) == 0)
    let size = UInt(capacity) &* 8
    guard let memory = unsafe slabAllocate(size, 16) else { throw .noMemory }
    unsafe pages = memory.bindMemory(to: UnsafeMutableRawPointer?.self, capacity: capacity)
    unsafe pages.initialize(repeating: nil, count: capacity)
    unsafe spare = nil
    unsafe spare2 = nil
    self.capacity = capacity
  }
  deinit {
    for i in 0..<capacity { if let page = unsafe pages[i] { unsafe slabFree(page) } }
    if let page = unsafe spare { unsafe slabFree(page) }
    if let page = unsafe spare2 { unsafe slabFree(page) }
    unsafe slabFree(pages)
  }

  /// The page in the slot that `counter` falls on (modulo the capacity).
  @inline(__always) public subscript(_ counter: Int) -> KernelBytes? {
    // SAFETY: the mask keeps the index below the capacity.
    guard let page = unsafe pages[counter & (capacity &- 1)] else { return nil }
    return unsafe KernelBytes(page, count: 4096)
  }

  /// The page in the slot, put there if need be. Errors: ENOMEM.
  @inline(__always) public mutating func fill(_ counter: Int) throws(Errno) -> KernelBytes {
    let i = counter & (capacity &- 1)
    if let page = unsafe pages[i] { return unsafe KernelBytes(page, count: 4096) }
    let page: UnsafeMutableRawPointer
    if let kept = unsafe spare {
      unsafe page = kept
      unsafe spare = spare2
      unsafe spare2 = nil
    } else {
      guard let fresh = unsafe slabAllocate(4096, 16) else { throw .noMemory }
      unsafe page = fresh
    }
    unsafe pages[i] = page
    return unsafe KernelBytes(page, count: 4096)
  }

  /// Empties the slot.
  @inline(__always) public mutating func release(_ counter: Int) {
    let i = counter & (capacity &- 1)
    guard let page = unsafe pages[i] else { return }
    unsafe pages[i] = nil
    if unsafe spare == nil {
      unsafe spare = page
    } else if unsafe spare2 == nil {
      unsafe spare2 = page
    } else {
      unsafe slabFree(page)
    }
  }

  /// Takes the pages of `other`'s slots `range` (counters) into the own slots from 0 on, which are empty.
  public mutating func adopt(_ other: inout PageSlots, _ range: Range<Int>) {
    precondition(range.count <= capacity)
    var to = 0
    for counter in range {
      let from = counter & (other.capacity &- 1)
      precondition(unsafe pages[to] == nil)
      unsafe pages[to] = other.pages[from]
      unsafe other.pages[from] = nil
      to &+= 1
    }
  }
}
