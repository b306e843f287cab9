import Testing

@testable import Kernel

/// A small generator, so that a failure can be repeated.
private struct Numbers {
  var state: UInt64
  mutating func next(_ bound: UInt) -> UInt {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt(state >> 33) % bound
  }
}

/// What every page is, by the naive method.
private struct Model {
  var pages: [UInt: (flags: UInt32, offset: UInt)] = [:]
  mutating func set(_ start: UInt, _ end: UInt, _ flags: AreaFlags, _ offset: UInt) {
    for page in stride(from: start, to: end, by: 4096) { pages[page] = (flags.rawValue, offset + (page - start)) }
  }
  mutating func clear(_ start: UInt, _ end: UInt) {
    for page in stride(from: start, to: end, by: 4096) { pages[page] = nil }
  }
  /// Maximal runs of like pages: what Linux's areas are.
  var areas: [(start: UInt, end: UInt, flags: UInt32)] {
    var result: [(start: UInt, end: UInt, flags: UInt32, offset: UInt)] = []
    for (page, what) in pages.sorted(by: { $0.key < $1.key }) {
      if let last = result.last, last.end == page, last.flags == what.flags,
        last.offset + (page - last.start) == what.offset
      {
        result[result.count - 1].end = page + 4096
      } else {
        result.append((page, page + 4096, what.flags, what.offset))
      }
    }
    return result.map { ($0.start, $0.end, $0.flags) }
  }
  func highestRoom(_ count: UInt, _ low: UInt, _ high: UInt) -> UInt? {
    var at = high - count
    while at >= low {
      if stride(from: at, to: at + count, by: 4096).allSatisfy({ pages[$0] == nil }) { return at }
      at -= 4096
    }
    return nil
  }
}

private func compare(_ map: borrowing AreaMap, _ model: Model) -> Bool {
  var found: [(start: UInt, end: UInt, flags: UInt32)] = []
  map.tree.forEach { found.append(($0.start, $0.end, $0.flags.rawValue)) }
  let wanted = model.areas
  return found.count == wanted.count
    && zip(found, wanted).allSatisfy { $0.0 == $1.0 && $0.1 == $1.1 && $0.2 == $1.2 }
}

@Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
func randomOperations(seed: UInt64) throws {
  var random = Numbers(state: seed)
  var map = AreaMap()
  var model = Model()
  let base: UInt = 0x10000, pages: UInt = 200
  for _ in 0..<1500 {
    let start = base + random.next(pages) << 12
    let end = start + (random.next(20) + 1) << 12
    let flags = AreaFlags(rawValue: UInt32(random.next(4)))
    try map.reserve()
    switch random.next(3) {
    case 0:
      try map.clear(start, end)
      try map.add(Area(start: start, end: end, flags: flags, offset: start))
      model.set(start, end, flags, start)
    case 1:
      try map.clear(start, end)
      model.clear(start, end)
    default:
      try map.setFlags(start, end) { _ in flags }
      for page in stride(from: start, to: end, by: 4096) {
        if let old = model.pages[page] { model.pages[page] = (flags.rawValue, old.offset) }
      }
    }
    // The macro takes no borrow of what cannot be copied.
    let isSound = map.tree.isSound(), isSame = compare(map, model)
    #expect(isSound)
    #expect(isSame)
    #expect(map.totals.total == model.pages.count)
    let count = (random.next(6) + 1) << 12
    let low = base + random.next(50) << 12, high = low + (random.next(150) + 10) << 12
    let room = map.tree.highestRoom(count, low, high)
    #expect(room == model.highestRoom(count, low, high))
    let probe = base + random.next(220) << 12
    let isThere = map.tree.area(at: probe) != nil
    #expect(isThere == (model.pages[probe] != nil))
  }
}

@Test func copiesOfTrees() throws {
  var map = AreaMap()
  for i in 0..<100 as Range<UInt> {
    var flags = AreaFlags(rawValue: 3)
    if i % 10 == 0 { flags.insert(.dontFork) }
    if i % 7 == 0 { flags.insert(.locked) }
    try map.add(Area(start: i << 13, end: i << 13 + 4096, flags: flags, offset: 0))
  }
  let copy = try AreaMap(copying: map) { $0 }
  let isSound = copy.tree.isSound()
  #expect(isSound)
  #expect(copy.count == 90 && map.count == 100)
  #expect(copy.totals.locked == 0 && map.totals.locked == 15)
}

@Test func guardsBelowStacks() throws {
  var map = AreaMap()
  try map.add(Area(start: 0x1000_0000, end: 0x1010_0000, flags: [.read, .write, .growsDown], offset: 0))
  let high = map.tree.highestRoom(0x1000, 0x10000, 0x1010_0000)
  let low = map.tree.lowestRoom(0x1000, 0x10000, 0x1010_0000)
  let isSound = map.tree.isSound()
  #expect(high == 0x1000_0000 - (256 << 12) - 0x1000 && low == 0x10000 && isSound)
}

@Test(arguments: [11, 12, 13])
func pageRangesAgainstSet(seed: UInt64) {
  var random = Numbers(state: seed)
  var ranges = PageRanges()
  var model = Set<Int>()
  for _ in 0..<2000 {
    let first = Int(random.next(100)), end = first + Int(random.next(12))
    if random.next(2) == 0 {
      ranges.insert(first, end)
      model.formUnion(first..<end)
    } else {
      ranges.remove(first, end)
      model.subtract(first..<end)
    }
    var runs = 0
    for page in 0..<120 {
      #expect(ranges.contains(page) == model.contains(page))
      if model.contains(page) && !model.contains(page - 1) { runs += 1 }
    }
    #expect(ranges.rangeCount == runs)
    let gap = ranges.gap(10, 90)
    let missing = (10..<90).first { !model.contains($0) }
    #expect(gap?.first == missing)
  }
}
