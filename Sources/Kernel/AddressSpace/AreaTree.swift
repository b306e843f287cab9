import Machine

/// A node of the tree of areas. The tree owns its nodes.
struct AreaNode {
  var area: Area
  var left: Handle<AreaNode>?
  var right: Handle<AreaNode>?
  var height: Int32 = 1
  // Of the subtree: where it begins and ends, and the largest free stretch between two of its areas.
  var first: UInt
  var last: UInt
  var largestGap: UInt = 0

  init(_ area: Area) {
    self.area = area
    left = nil
    right = nil
    first = area.guardedStart
    last = area.end
  }
}

/// The areas of an address space by address: an AVL tree that knows its gaps. Find, insert, remove and the search for room
/// are O(log n). No two areas overlap.
///
/// A change that must not fail half-way calls `reserve` first.
public struct AreaTree: ~Copyable {
  typealias Node = Handle<AreaNode>
  private var root: Node?
  private var spare: Node?  // through `right`
  private var spareCount = 0
  public private(set) var count = 0

  public init() {
    root = nil
    spare = nil
  }
  /// A copy, for fork: `body` changes each area's copy, but not where it lies. Errors: ENOMEM.
  init(copying other: borrowing AreaTree, _ body: (inout Area) -> Void) throws(Errno) {
    root = nil
    spare = nil
    root = try Self.copy(other.root, body)
    count = other.count
  }
  private static func copy(_ node: Node?, _ body: (inout Area) -> Void) throws(Errno) -> Node? {
    guard let node else { return nil }
    let new = try Node.make(node[])
    new[].left = nil
    new[].right = nil
    do throws(Errno) {
      new[].left = try copy(node[].left, body)
      body(&new[].area)
      new[].right = try copy(node[].right, body)
      return new
    } catch {
      destroy(new)
      throw error
    }
  }
  deinit {
    Self.destroy(root)
    var at = spare
    while let node = at {
      at = node[].right
      node.destroy()
    }
  }
  private static func destroy(_ node: Node?) {
    guard let node else { return }
    destroy(node[].left)
    destroy(node[].right)
    node.destroy()
  }

  // MARK: finding

  /// The first area that ends above `address` (Linux's find_vma).
  public borrowing func find(_ address: UInt) -> Area? { node(address).map { $0[].area } }
  /// Runs `body` on the area that has `address`, without a copy of it. Nil: there is none.
  @inline(__always) borrowing func with<R>(_ address: UInt, _ body: (borrowing Area) -> R) -> R? {
    guard let node = node(address), node[].area.start <= address else { return nil }
    return body(node[].area)
  }
  /// Whether the area that has `address` is one of those that `body` tells.
  @inline(__always) borrowing func holds(_ address: UInt, _ body: (borrowing Area) -> Bool) -> Bool {
    with(address, body) ?? false
  }
  /// Where the area begins that goes on in `area`, which is not in the tree.
  borrowing func start(before area: borrowing Area) -> UInt? {
    if area.start == 0 { return nil }
    guard let node = node(area.start &- 1), node[].area.continues(in: area) else { return nil }
    return node[].area.start
  }
  /// Where the area begins in which `area`, which is not in the tree, goes on.
  borrowing func start(after area: borrowing Area) -> UInt? {
    guard let node = node(area.end), area.continues(in: node[].area) else { return nil }
    return node[].area.start
  }
  /// Where the area begins that goes on in the one that begins at `address`.
  borrowing func seam(at address: UInt) -> UInt? {
    guard let next = node(address), next[].area.start == address else { return nil }
    return start(before: next[].area)
  }
  private borrowing func node(_ address: UInt) -> Node? {
    var at = root
    var best: Node?
    while let node = at {
      if node[].area.end > address {
        best = node
        if node[].area.start <= address { break }
        at = node[].left
      } else {
        at = node[].right
      }
    }
    return best
  }
  /// The area that has `address`.
  public borrowing func area(at address: UInt) -> Area? {
    guard let found = find(address), found.start <= address else { return nil }
    return found
  }
  /// The last area that begins below `address`.
  public borrowing func before(_ address: UInt) -> Area? {
    var at = root
    var best: Node?
    while let node = at {
      if node[].area.start < address {
        best = node
        at = node[].right
      } else {
        at = node[].left
      }
    }
    return best.map { $0[].area }
  }
  /// Whether nothing of `start..<end` is mapped.
  public borrowing func isFree(_ start: UInt, _ end: UInt) -> Bool {
    guard let next = node(start) else { return true }
    return next[].area.start >= end
  }
  /// Where the first area lies that ends above `address`; without a copy of it.
  borrowing func range(_ address: UInt) -> Range<UInt>? { node(address).map { $0[].area.start..<$0[].area.end } }
  /// Whether every byte of `start..<end` is.
  public borrowing func isCovered(_ start: UInt, _ end: UInt) -> Bool {
    var at = start
    while at < end {
      guard let area = area(at: at) else { return false }
      at = area.end
    }
    return true
  }

  /// Every area that overlaps `start..<end`, in order.
  public borrowing func forEach<E: Error>(
    from start: UInt = 0, to end: UInt = .max, _ body: (borrowing Area) throws(E) -> Void
  ) throws(E) {
    try Self.walk(root, start, end, body)
  }
  private static func walk<E: Error>(
    _ node: Node?, _ start: UInt, _ end: UInt, _ body: (borrowing Area) throws(E) -> Void
  ) throws(E) {
    guard let node else { return }
    if node[].area.start > start { try walk(node[].left, start, end, body) }
    if node[].area.end > start && node[].area.start < end { try body(node[].area) }
    if node[].area.end < end { try walk(node[].right, start, end, body) }
  }

  // MARK: changing

  /// Makes sure that the next `count` insertions cannot fail. Errors: ENOMEM.
  public mutating func reserve(_ count: Int) throws(Errno) {
    while spareCount < count {
      let node = try Node.make(AreaNode(Area(start: 0, end: 0, flags: [], offset: 0)))
      node[].right = spare
      spare = node
      spareCount += 1
    }
  }

  /// Puts in an area that overlaps none. Errors: ENOMEM, never after `reserve`.
  public mutating func insert(_ area: Area) throws(Errno) {
    try reserve(1)
    guard let node = spare else { throw .noMemory }
    spare = node[].right
    spareCount -= 1
    node[] = AreaNode(area)
    root = Self.inserted(node, into: root)
    count += 1
  }
  private static func inserted(_ new: Node, into node: Node?) -> Node {
    guard let node else { return new }
    if new[].area.start < node[].area.start {
      node[].left = inserted(new, into: node[].left)
    } else {
      node[].right = inserted(new, into: node[].right)
    }
    return balanced(node)
  }

  /// Takes out the area that begins at `start`, which there is.
  @discardableResult public mutating func remove(_ start: UInt) -> Area? {
    var taken: Node?
    root = Self.removed(start, from: root, &taken)
    guard let taken else { return nil }
    count -= 1
    let area = taken[].area
    taken[] = AreaNode(Area(start: 0, end: 0, flags: [], offset: 0))
    if spareCount < 4 {
      taken[].right = spare
      spare = taken
      spareCount += 1
    } else {
      taken.destroy()
    }
    return area
  }
  private static func removed(_ start: UInt, from node: Node?, _ taken: inout Node?) -> Node? {
    guard let node else { return nil }
    if start < node[].area.start {
      node[].left = removed(start, from: node[].left, &taken)
    } else if start > node[].area.start {
      node[].right = removed(start, from: node[].right, &taken)
    } else {
      taken = node
      guard let right = node[].right else { return node[].left }
      guard let left = node[].left else { return right }
      var next: Node?
      let rest = withoutFirst(right, &next)
      guard let next else { return left }
      next[].left = left
      next[].right = rest
      return balanced(next)
    }
    return balanced(node)
  }
  private static func withoutFirst(_ node: Node, _ first: inout Node?) -> Node? {
    guard let left = node[].left else {
      first = node
      return node[].right
    }
    node[].left = withoutFirst(left, &first)
    return balanced(node)
  }

  /// Changes the area that begins at `start` in place; it must not come to overlap a neighbour. Returns whether it is there.
  @discardableResult public mutating func update(_ start: UInt, _ body: (inout Area) -> Void) -> Bool {
    Self.updated(root, start, body)
  }
  private static func updated(_ node: Node?, _ start: UInt, _ body: (inout Area) -> Void) -> Bool {
    guard let node else { return false }
    let isFound: Bool
    if start < node[].area.start {
      isFound = updated(node[].left, start, body)
    } else if start > node[].area.start {
      isFound = updated(node[].right, start, body)
    } else {
      body(&node[].area)
      isFound = true
    }
    pull(node)
    return isFound
  }

  // MARK: balance

  private static func height(_ node: Node?) -> Int32 { node.map { $0[].height } ?? 0 }

  private static func pull(_ node: Node) {
    var first = node[].area.guardedStart, last = node[].area.end, gap: UInt = 0
    if let left = node[].left {
      gap = max(left[].largestGap, distance(left[].last, first))
      first = min(left[].first, first)
    }
    if let right = node[].right {
      gap = max(gap, right[].largestGap, distance(last, right[].first))
      last = max(right[].last, last)
    }
    node[].first = first
    node[].last = last
    node[].largestGap = gap
    node[].height = max(height(node[].left), height(node[].right)) + 1
  }
  /// A guard below a stack may reach over its neighbour.
  @inline(__always) private static func distance(_ from: UInt, _ to: UInt) -> UInt { to > from ? to - from : 0 }

  private static func balanced(_ node: Node) -> Node {
    pull(node)
    let lean = height(node[].left) - height(node[].right)
    if lean > 1, let left = node[].left {
      if height(left[].left) < height(left[].right) { node[].left = rotatedLeft(left) }
      return rotatedRight(node)
    }
    if lean < -1, let right = node[].right {
      if height(right[].right) < height(right[].left) { node[].right = rotatedRight(right) }
      return rotatedLeft(node)
    }
    return node
  }
  private static func rotatedRight(_ node: Node) -> Node {
    guard let left = node[].left else { return node }
    node[].left = left[].right
    left[].right = node
    pull(node)
    pull(left)
    return left
  }
  private static func rotatedLeft(_ node: Node) -> Node {
    guard let right = node[].right else { return node }
    node[].right = right[].left
    right[].left = node
    pull(node)
    pull(right)
    return right
  }

  // MARK: room

  /// Where `count` bytes fit highest within `low..<high`.
  public borrowing func highestRoom(_ count: UInt, _ low: UInt, _ high: UInt) -> UInt? {
    guard low < high, high - low >= count else { return nil }
    return Self.highest(root, count, low, high, 0, .max)
  }
  /// Below `node` everything lies in `from..<to`, whose ends are the neighbours outside.
  private static func highest(_ node: Node?, _ count: UInt, _ low: UInt, _ high: UInt, _ from: UInt, _ to: UInt)
    -> UInt?
  {
    let bottom = max(low, from), top = min(high, to)
    guard bottom < top, top - bottom >= count else { return nil }
    guard let node else { return top - count }
    let largest = max(node[].largestGap, distance(from, node[].first), distance(node[].last, to))
    guard largest >= count else { return nil }
    return highest(node[].right, count, low, high, max(from, node[].area.end), to)
      ?? highest(node[].left, count, low, high, from, min(to, node[].area.guardedStart))
  }
  /// Where they fit lowest.
  public borrowing func lowestRoom(_ count: UInt, _ low: UInt, _ high: UInt) -> UInt? {
    guard low < high, high - low >= count else { return nil }
    return Self.lowest(root, count, low, high, 0, .max)
  }
  private static func lowest(_ node: Node?, _ count: UInt, _ low: UInt, _ high: UInt, _ from: UInt, _ to: UInt) -> UInt?
  {
    let bottom = max(low, from), top = min(high, to)
    guard bottom < top, top - bottom >= count else { return nil }
    guard let node else { return bottom }
    let largest = max(node[].largestGap, distance(from, node[].first), distance(node[].last, to))
    guard largest >= count else { return nil }
    return lowest(node[].left, count, low, high, from, min(to, node[].area.guardedStart))
      ?? lowest(node[].right, count, low, high, max(from, node[].area.end), to)
  }

  // MARK: invariants, for tests

  /// Whether order, heights, balance and gaps are right.
  public borrowing func isSound() -> Bool {
    var end: UInt = 0
    var inOrder = true
    var seen = 0
    forEach { area in
      if area.start < end || area.start >= area.end { inOrder = false }
      end = area.end
      seen += 1
    }
    return inOrder && seen == count && Self.isSound(root)
  }
  private static func isSound(_ node: Node?) -> Bool {
    guard let node else { return true }
    guard isSound(node[].left), isSound(node[].right) else { return false }
    let old = node[]
    pull(node)
    let lean = height(node[].left) - height(node[].right)
    return old.first == node[].first && old.last == node[].last && old.largestGap == node[].largestGap
      && old.height == node[].height && abs(lean) <= 1
  }
}
