import Synchronization

// A hash table whose readers take no lock. Whoever changes it holds the owner's; what leaves it goes to `RCU.release`, so a
// reader that found it may go on until it sleeps, though a change meanwhile may have led it astray: see `ChangeCount`.

/// The next element of a chain, or none: read without a lock.
@safe public struct RCULink<Object: AnyObject>: ~Copyable, @unchecked Sendable {
  private let word = Atomic<UInt>(0)
  @inline(__always) public init() {}
  /// Good until the reader sleeps. Owns nothing.
  @inline(__always) public var borrowed: Borrowed<Object>? {
    // SAFETY: the word is the address of an object that stays for a grace period after it left the table.
    guard let bits = unsafe UnsafeMutableRawPointer(bitPattern: word.load(ordering: .acquiring)) else { return nil }
    return unsafe Borrowed(bits: bits)
  }
  /// What `object` has in it is seen by whoever sees the link.
  @inline(__always) public func set(_ object: Borrowed<Object>?) {
    word.store(object?.identity ?? 0, ordering: .releasing)
  }
}

/// The heads of a hash table's chains, a power of two of them.
@safe public struct RCUChains<Object: AnyObject>: ~Copyable, @unchecked Sendable {
  // The count less one, then the heads: together, so that a reader has both of the same table.
  private let block: Atomic<UInt>

  public init(count: Int) { block = Atomic(Self.make(count)) }
  deinit { unsafe Self.words(block.load(ordering: .relaxed)).deallocate() }

  private static func make(_ count: Int) -> UInt {
    precondition(count > 0 && count & (count &- 1) == 0)
    let words = UnsafeMutablePointer<UInt>.allocate(capacity: count &+ 1)
    unsafe words.initialize(repeating: 0, count: count &+ 1)
    unsafe words[0] = UInt(count &- 1)
    return UInt(bitPattern: words)
  }
  @inline(__always) private static func words(_ block: UInt) -> UnsafeMutablePointer<UInt> {
    unsafe UnsafeMutablePointer(bitPattern: block).unsafelyUnwrapped
  }
  // SAFETY: an index is masked by the count; links are words that are only read and written as such.
  @inline(__always) private func head(_ index: UInt) -> UnsafeMutablePointer<RCULink<Object>> {
    let words = unsafe Self.words(block.load(ordering: .acquiring))
    return unsafe UnsafeMutableRawPointer(words + 1 + Int(bitPattern: index & words[0]))
      .assumingMemoryBound(to: RCULink<Object>.self)
  }

  public var count: Int { unsafe Int(bitPattern: Self.words(block.load(ordering: .relaxed))[0] &+ 1) }
  /// The first element of the chain of `hash`, or of chain `hash`.
  @inline(__always) public func first(_ hash: UInt) -> Borrowed<Object>? { unsafe head(hash).pointee.borrowed }
  @inline(__always) public func setFirst(_ hash: UInt, _ object: Borrowed<Object>?) {
    unsafe head(hash).pointee.set(object)
  }
  /// Twice as many heads, all of them empty, for the caller to move the elements to: `chains` are the old heads. The old
  /// block stays, since readers may be in it: all that there ever were are no larger than the last.
  public func double(_ body: (_ chains: Int, _ first: (Int) -> Borrowed<Object>?) -> Void) {
    let old = block.load(ordering: .relaxed)
    let count = unsafe Int(bitPattern: Self.words(old)[0] &+ 1)
    block.store(Self.make(count &* 2), ordering: .releasing)
    body(count) { chain in
      unsafe UnsafeMutableRawPointer(bitPattern: Self.words(old)[1 &+ chain]).map { unsafe Borrowed(bits: $0) }
    }
  }
}
