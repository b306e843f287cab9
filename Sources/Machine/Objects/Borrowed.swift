import Builtin

/// A reference that does not own: using it costs no reference count.
///
/// It is a promise by whoever stores one; the comment at the store says what keeps the object alive.
@safe public struct Borrowed<Object: AnyObject>: @unchecked Sendable {
  @usableFromInline unowned(unsafe) var reference: Object

  @inline(__always) public init(_ object: Object) { unsafe reference = object }

  /// Runs `body` on the object, which the store keeps alive throughout.
  @_transparent public func with<R: ~Copyable, E: Error>(_ body: (Object) throws(E) -> R) throws(E) -> R {
    var copy = self
    // SAFETY: the store's promise covers the call; the guaranteed reference does not outlive it.
    let base = UnsafeRawPointer(Builtin.addressof(&copy))
    return try unsafe body(Builtin.convertUnownedUnsafeToGuaranteed(base, &copy.reference))
  }

  /// An owning reference of its own: one count.
  @inline(__always) public var object: Object { with { $0 } }

  /// SAFETY: the caller balances the count; for the containers beside this file.
  @inline(__always) public func retain() { _ = unsafe Unmanaged.passRetained(reference) }
  @inline(__always) public func release() { unsafe Unmanaged.passUnretained(reference).release() }

  @inline(__always) public static func == (a: Borrowed, b: Borrowed) -> Bool { unsafe a.reference === b.reference }
  @inline(__always) public static func == (a: Borrowed, b: Object) -> Bool { unsafe a.reference === b }

  /// Whether this is the only reference that counts: exact only where nobody can make another meanwhile.
  @inline(__always) public var isUnique: Bool {
    #if hasFeature(Embedded)
    // SAFETY: the count is the second word of every object; it is only read.
    return unsafe bits.load(fromByteOffset: 8, as: Int.self) & Int.max == 1
    #else
    return unsafe _getUnownedRetainCount(reference) >= 0 && _getRetainCount(reference) == 1
    #endif
  }

  /// SAFETY: `bits` came from `bits` of a live object of this class.
  @inline(__always) init(bits: UnsafeMutableRawPointer) { self = unsafe unsafeBitCast(bits, to: Borrowed<Object>.self) }
  @inline(__always) var bits: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(reference).toOpaque() }
  /// The object's address, as an identity for hashing and messages.
  @inline(__always) public var identity: UInt { UInt(bitPattern: bits) }
}

/// Bits of an object's reference count, for tests of leaks.
public func referenceCount(_ object: AnyObject) -> Int {
  // SAFETY: the count is the second word of every object (docs/objects.md); it is only read.
  unsafe Borrowed(object).bits.load(fromByteOffset: 8, as: Int.self)
}
