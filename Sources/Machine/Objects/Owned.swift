/// A strong field that can be replaced, and whose uses cost nothing: `owned.borrowed.with { … }`. `borrowed` is a plain
/// copy, so no access stays open in the body, which may replace the field only if something else keeps the object.
@safe public struct Owned<Object: AnyObject>: ~Copyable {
  private var reference: Borrowed<Object>

  @inline(__always) public init(_ object: Object) {
    reference = Borrowed(object)
    reference.retain()
  }
  @inline(__always) deinit { reference.release() }
  @inline(__always) public var borrowed: Borrowed<Object> { reference }
  @inline(__always) public mutating func replace(_ object: Object) {
    let old = reference
    reference = Borrowed(object)
    reference.retain()
    old.release()
  }
}

/// `Owned` that may hold nothing.
@safe public struct OwnedOptional<Object: AnyObject>: ~Copyable {
  private var reference: Borrowed<Object>?

  @inline(__always) public init() { reference = nil }
  @inline(__always) public init(_ object: Object?) {
    if let object { reference = Borrowed(object) } else { reference = nil }
    reference?.retain()
  }
  @inline(__always) deinit { reference?.release() }
  @inline(__always) public var borrowed: Borrowed<Object>? { reference }
  @inline(__always) public mutating func replace(_ object: Object?) {
    let old = reference
    if let object { reference = Borrowed(object) } else { reference = nil }
    reference?.retain()
    old?.release()
  }
}

/// A reference held for a scope: counted only where someone else could drop the object meanwhile.
@safe public struct Hold<Object: AnyObject>: ~Copyable {
  public let borrowed: Borrowed<Object>
  private let isCounted: Bool

  /// Takes over the count that the caller made where `isCounted`.
  @inline(__always) public init(_ borrowed: Borrowed<Object>, isCounted: Bool) {
    self.borrowed = borrowed
    self.isCounted = isCounted
  }
  @inline(__always) deinit { if isCounted { borrowed.release() } }
}
