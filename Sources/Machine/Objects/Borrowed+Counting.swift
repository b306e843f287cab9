import Synchronization

// Counts for those who know of an object that may be dying: its memory is kept by a protocol of theirs (an object whose
// deinit waits for them), its count may be zero. In hosted builds the runtime's own counts are used, without that race.
extension Borrowed {
  #if hasFeature(Embedded)
  /// SAFETY: the count is the second word of every object (docs/objects.md), and all who change it do so atomically.
  @inline(__always) private var count: UnsafePointer<Atomic<Int>> {
    unsafe UnsafePointer(bits.advanced(by: 8).assumingMemoryBound(to: Atomic<Int>.self))
  }
  /// A reference of the caller's own, unless the object is being destroyed. The caller knows its memory to be there.
  public func retainUnlessDying() -> Bool {
    var seen = unsafe count.pointee.load(ordering: .relaxed)
    while true {
      // A dying object's count is zero, then that of an immortal one.
      if seen & .max == 0 || seen & .max == .max { return false }
      let (exchanged, original) = unsafe count.pointee.weakCompareExchange(
        expected: seen, desired: seen &+ 1, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      seen = original
    }
  }
  /// Gives a reference back unless it is the last. Returns false where it is: the caller still has it, and drops it where
  /// the object may die.
  public func releaseUnlessLast() -> Bool {
    var seen = unsafe count.pointee.load(ordering: .relaxed)
    while true {
      if seen & .max == .max { return true }
      if seen & .max == 1 { return false }
      let (exchanged, original) = unsafe count.pointee.weakCompareExchange(
        expected: seen, desired: seen &- 1, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      seen = original
    }
  }
  #else
  public func retainUnlessDying() -> Bool {
    retain()
    return true
  }
  public func releaseUnlessLast() -> Bool {
    release()
    return true
  }
  #endif
}
