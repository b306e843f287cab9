import Machine

/// The neighbours of an element on one of the lists that its class can be on at a time.
public struct Neighbours<Element: AnyObject> {
  var next: Borrowed<Element>?  // on the same list, whose lock keeps it whole
  var previous: Borrowed<Element>?
  public init() {
    next = nil
    previous = nil
  }
}

/// Which of its lists a `MemberList` is: where an element keeps its neighbours.
public protocol Membership {
  associatedtype Element: AnyObject
  static func neighbours(_ element: Element) -> Neighbours<Element>
  static func setNeighbours(_ element: Element, _ neighbours: Neighbours<Element>)
}

/// An intrusive list for elements that are on several lists at once, as a process is on its parent's and its group's. It
/// owns nothing: an element leaves before it dies.
public struct MemberList<M: Membership>: ~Copyable {
  public private(set) var first: Borrowed<M.Element>?
  private var last: Borrowed<M.Element>?
  public private(set) var count = 0

  @inline(__always) public init() {
    first = nil
    last = nil
  }
  @inline(__always) public var isEmpty: Bool { first == nil }

  public mutating func append(_ element: M.Element) {
    var links = Neighbours<M.Element>()
    links.previous = last
    M.setNeighbours(element, links)
    let new = Borrowed(element)
    if let last { Self.setNext(last, new) } else { first = new }
    last = new
    count &+= 1
  }

  /// Takes out `element`, which is on this list.
  public mutating func remove(_ element: M.Element) {
    let links = M.neighbours(element)
    if let previous = links.previous { Self.setNext(previous, links.next) } else { first = links.next }
    if let next = links.next { Self.setPrevious(next, links.previous) } else { last = links.previous }
    M.setNeighbours(element, Neighbours())
    count &-= 1
  }

  public mutating func popFirst() -> Borrowed<M.Element>? {
    guard let found = first else { return nil }
    found.with { remove($0) }
    return found
  }

  /// The element after `element`, which is on this list.
  @inline(__always) public borrowing func after(_ element: Borrowed<M.Element>) -> Borrowed<M.Element>? {
    element.with { M.neighbours($0).next }
  }

  /// `body` may remove the element that it is given.
  @inline(__always) public borrowing func forEach(_ body: (M.Element) -> Void) {
    var at = first
    while let here = at {
      at = here.with { M.neighbours($0).next }
      here.with { body($0) }
    }
  }

  /// Whether `body` is true of an element.
  @inline(__always) public borrowing func contains(_ body: (M.Element) -> Bool) -> Bool {
    var at = first
    while let here = at {
      if here.with({ body($0) }) { return true }
      at = here.with { M.neighbours($0).next }
    }
    return false
  }

  private static func setNext(_ element: Borrowed<M.Element>, _ next: Borrowed<M.Element>?) {
    element.with {
      var links = M.neighbours($0)
      links.next = next
      M.setNeighbours($0, links)
    }
  }
  private static func setPrevious(_ element: Borrowed<M.Element>, _ previous: Borrowed<M.Element>?) {
    element.with {
      var links = M.neighbours($0)
      links.previous = previous
      M.setNeighbours($0, links)
    }
  }
}
