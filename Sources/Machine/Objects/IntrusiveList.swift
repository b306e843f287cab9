/// An object that can be on one list of its kind at a time.
public protocol Listed: AnyObject {
  /// The class itself; for an open class the base, whose subclasses share its lists.
  associatedtype Listee: AnyObject
  var link: Link<Listee> { get set }
}

/// The neighbours of a list's element, kept in the element.
public struct Link<Element: AnyObject> {
  var next: Borrowed<Element>?  // on the same list, which its lock keeps whole
  var previous: Borrowed<Element>?
  public init() {
    next = nil
    previous = nil
  }
}

/// A list through its elements: no allocation, no count. It owns nothing: an element leaves its list before it dies.
public struct IntrusiveList<Element: Listed>: ~Copyable where Element.Listee == Element {
  public private(set) var first: Borrowed<Element>?
  private var last: Borrowed<Element>?

  @inline(__always) public init() {
    first = nil
    last = nil
  }
  @inline(__always) public var isEmpty: Bool { first == nil }

  @inline(__always) public mutating func append(_ element: Element) {
    let new = Borrowed(element)
    element.link.previous = last
    element.link.next = nil
    if let last { last.with { $0.link.next = new } } else { first = new }
    last = new
  }

  @inline(__always) public mutating func prepend(_ element: Element) {
    let new = Borrowed(element)
    element.link.previous = nil
    element.link.next = first
    if let first { first.with { $0.link.previous = new } } else { last = new }
    first = new
  }

  @inline(__always) public mutating func remove(_ element: Element) {
    let link = element.link
    if let previous = link.previous { previous.with { $0.link.next = link.next } } else { first = link.next }
    if let next = link.next { next.with { $0.link.previous = link.previous } } else { last = link.previous }
    element.link = Link()
  }

  @inline(__always) public mutating func popFirst() -> Borrowed<Element>? {
    guard let found = first else { return nil }
    found.with { remove($0) }
    return found
  }

  /// The element after `element`, which is on this list.
  @inline(__always) public borrowing func after(_ element: Element) -> Borrowed<Element>? { element.link.next }

  /// `body` may remove the element that it is given.
  @inline(__always) public borrowing func forEach(_ body: (Element) -> Void) {
    var at = first
    while let here = at {
      at = here.with { $0.link.next }
      here.with { body($0) }
    }
  }
}
