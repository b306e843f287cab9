import Synchronization

/// A strong field that is empty at first and set at most once, by whoever comes first: 8 bytes, no lock.
@safe public struct OnceReference<Object: AnyObject>: ~Copyable, @unchecked Sendable {
  private let word = Atomic<UInt>(0)
  @inline(__always) public init() {}
  @inline(__always) deinit { borrowed?.release() }

  @inline(__always) public var borrowed: Borrowed<Object>? {
    let bits = word.load(ordering: .acquiring)
    if bits == 0 { return nil }
    // SAFETY: the word is the address of an object that `set` counted; it stays until this field dies.
    return unsafe Borrowed(bits: UnsafeMutableRawPointer(bitPattern: bits).unsafelyUnwrapped)
  }
  /// Sets it to `object` where it is empty. Returns what it holds then.
  public func set(_ object: Object) -> Borrowed<Object> {
    let new = Borrowed(object)
    new.retain()
    let (exchanged, original) = word.compareExchange(
      expected: 0, desired: new.identity, ordering: .acquiringAndReleasing)
    if exchanged { return new }
    new.release()
    return unsafe Borrowed(bits: UnsafeMutableRawPointer(bitPattern: original).unsafelyUnwrapped)
  }
}
