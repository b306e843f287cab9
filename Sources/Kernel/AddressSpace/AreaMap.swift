import Machine

/// What the areas of an address space add up to, in pages: /proc/PID/statm, and the limits RLIMIT_AS and RLIMIT_DATA.
public struct AreaTotals: Sendable, Equatable {
  public var total = 0
  /// Private and writable, but no stack.
  public var data = 0
  public var stack = 0
  /// Executable and not writable.
  public var text = 0
  public var locked = 0
  public var shared = 0

  mutating func count(_ area: borrowing Area, _ sign: Int) {
    if case .stubs = area.mapping?.object { return }  // not the program's
    let pages = area.pages * sign
    total += pages
    if area.flags.contains(.growsDown) {
      stack += pages
    } else if area.flags.contains(.write) && !area.flags.contains(.shared) {
      data += pages
    } else if area.flags.contains(.execute) && !area.flags.contains(.write) {
      text += pages
    }
    if area.flags.contains(.locked) { locked += pages }
    if area.flags.contains(.shared) { shared += pages }
  }
}

/// The tree of areas with the operations that keep it as Linux does: areas are split where an operation ends within one,
/// and neighbours that go on with the same memory are one. It knows nothing of the host.
///
/// A change that must not fail half-way calls `reserve` first.
public struct AreaMap: ~Copyable {
  private(set) var tree = AreaTree()
  public private(set) var totals = AreaTotals()
  /// Mappings that lost an area: their files may close, so the owner drops them once its lock is released.
  var dropped = DroppedMappings()

  public init() {}

  /// A copy for a child: what is marked so stays behind, nothing is locked, and `mapping` says what stands for a file's
  /// mapping. Errors: ENOMEM.
  init(copying other: borrowing AreaMap, _ mapping: (FileMapping) -> FileMapping) throws(Errno) {
    var leaves: [UInt] = []
    tree = try AreaTree(copying: other.tree) { area in
      if let old = area.mapping { area.mapping = mapping(old) }
      area.flags.subtract([.locked, .lockedOnFault])
      if area.flags.contains(.dontFork) { leaves.append(area.start) }
    }
    for start in leaves { tree.remove(start) }
    var totals = AreaTotals()
    tree.forEach { area in
      area.mapping?.attach()
      totals.count(area, 1)
    }
    self.totals = totals
  }

  public var count: Int { tree.count }
  /// Room for one operation: at most two splits and a new area.
  public mutating func reserve() throws(Errno) { try tree.reserve(4) }

  // MARK: one area

  private mutating func insert(_ area: Area) throws(Errno) {
    try tree.insert(area)
    area.mapping?.attach()
    totals.count(area, 1)
  }
  @discardableResult private mutating func remove(_ start: UInt) -> Area? {
    guard let area = tree.remove(start) else { return nil }
    totals.count(area, -1)
    if let mapping = area.mapping {
      mapping.detach()
      dropped.add(mapping)
    }
    return area
  }

  /// Changes the area that begins at `start` in place, its size included; neighbours are not merged.
  mutating func change(_ start: UInt, _ body: (inout Area) -> Void) {
    var counts = totals
    tree.update(start) { area in
      counts.count(area, -1)
      body(&area)
      counts.count(area, 1)
    }
    totals = counts
  }

  /// Makes `address` a boundary between areas, where one spans it. Errors: ENOMEM, never after `reserve`.
  public mutating func split(at address: UInt) throws(Errno) {
    guard let area = tree.area(at: address), area.start < address else { return }
    var rest: Area?
    change(area.start) { rest = $0.split(at: address) }
    if let rest { try insert(rest) }
  }

  /// Merges the areas that meet at `address`, where they go on with the same memory.
  public mutating func merge(at address: UInt) {
    guard let start = tree.seam(at: address), let next = remove(address) else { return }
    change(start) { $0.append(next) }
  }

  // MARK: ranges

  /// Puts `area` where nothing is, and merges it with its neighbours. Errors: ENOMEM, never after `reserve`.
  public mutating func add(_ area: Area) throws(Errno) {
    if area.mapping == nil {
      // Most often it goes on with a neighbour's memory.
      if let start = tree.start(before: area) {
        change(start) { $0.append(area) }
        merge(at: area.end)
        return
      }
      if let start = tree.start(after: area) {
        change(start) {
          $0.start = area.start
          $0.offset = area.offset
        }
        return
      }
    }
    try insert(area)
    merge(at: area.start)
    merge(at: area.end)
  }

  /// Takes out all of `start..<end`. Errors: ENOMEM, never after `reserve`.
  public mutating func clear(_ start: UInt, _ end: UInt) throws(Errno) {
    while let area = tree.range(start), area.lowerBound < end {
      if area.lowerBound >= start && area.upperBound <= end {
        remove(area.lowerBound)
      } else if area.lowerBound >= start {
        change(area.lowerBound) {
          let rest = $0.split(at: end)
          $0 = rest
        }
      } else {
        if area.upperBound > end { try split(at: end) }
        change(area.lowerBound) { _ = $0.split(at: start) }
      }
    }
  }

  /// Takes out the areas of `start..<end`, whose ends are boundaries, for `mremap`.
  mutating func take(_ start: UInt, _ end: UInt) -> [Area] {
    var result: [Area] = []
    while let area = tree.find(start), area.start < end {
      remove(area.start)
      result.append(area)
    }
    return result
  }

  /// Changes the flags of what is mapped in `start..<end`, splitting and merging. Errors: ENOMEM, never after `reserve`.
  public mutating func setFlags(_ start: UInt, _ end: UInt, _ flags: (AreaFlags) -> AreaFlags) throws(Errno) {
    try split(at: start)
    try split(at: end)
    var at = start
    while let area = tree.find(at), area.start < end {
      let new = flags(area.flags)
      if new != area.flags { change(area.start) { $0.flags = new } }
      at = area.end
      merge(at: area.start)
    }
    merge(at: end)
  }

  /// All areas, away: for exec and exit.
  public mutating func clear() {
    while let area = tree.find(0) { remove(area.start) }
  }
}
