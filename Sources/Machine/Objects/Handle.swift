/// A struct of its own in kernel memory: for bulk nodes (the areas of an address space), which want no reference count.
/// `h[].end += 4096` changes it in place.
///
/// It is a promise, as `Borrowed` is: whoever stores one says who destroys it, and that nobody uses it afterwards.
@safe public struct Handle<T>: @unchecked Sendable, Equatable {
  private let pointer: UnsafeMutablePointer<T>

  private init(_ pointer: UnsafeMutablePointer<T>) { unsafe self.pointer = pointer }

  /// A new one that holds `value`. Errors: ENOMEM.
  public static func make(_ value: T) throws(Errno) -> Handle {
    #if hasFeature(Embedded)
    guard let memory = unsafe slabAllocate(UInt(MemoryLayout<T>.size), 16) else { throw .noMemory }
    let pointer = unsafe memory.assumingMemoryBound(to: T.self)
    #else
    let pointer = UnsafeMutablePointer<T>.allocate(capacity: 1)
    #endif
    unsafe pointer.initialize(to: value)
    return unsafe Handle(pointer)
  }

  /// Ends the value and frees its memory; the handle and its copies are dead from then on.
  public func destroy() {
    unsafe pointer.deinitialize(count: 1)
    #if hasFeature(Embedded)
    unsafe slabFree(UnsafeMutableRawPointer(pointer))
    #else
    unsafe pointer.deallocate()
    #endif
  }

  // SAFETY: the promise above.
  @inline(__always) public subscript() -> T {
    unsafeAddress { unsafe UnsafePointer(pointer) }
    nonmutating unsafeMutableAddress { unsafe pointer }
  }

  @inline(__always) public static func == (a: Handle, b: Handle) -> Bool { unsafe a.pointer == b.pointer }
}
