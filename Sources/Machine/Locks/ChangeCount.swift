import Synchronization

/// Tells readers without a lock whether what they read changed meanwhile (Linux's seqcount). Changes are made under a lock,
/// between `begin` and `end`; a reader that finds no change read all of it as it was at one moment.
@safe public struct ChangeCount: ~Copyable, Sendable {
  private let count = Atomic<UInt>(0)  // odd: a change is under way
  @inline(__always) public init() {}

  /// Before reading; nil while a change is under way.
  @inline(__always) public func read() -> UInt? {
    let now = count.load(ordering: .acquiring)
    return now & 1 == 0 ? now : nil
  }
  /// After reading: whether nothing has changed since `read` returned `before`.
  @inline(__always) public func isStill(_ before: UInt) -> Bool {
    atomicMemoryFence(ordering: .acquiring)
    return count.load(ordering: .relaxed) == before
  }

  @inline(__always) public func begin() {
    count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .releasing)
  }
  @inline(__always) public func end() {
    count.store(count.load(ordering: .relaxed) &+ 1, ordering: .releasing)
  }
}
