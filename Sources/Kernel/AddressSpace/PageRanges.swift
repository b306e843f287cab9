/// A set of page numbers, as sorted ranges that neither touch nor overlap: O(log n) to look up, O(n) to change, where n
/// stays below about a thousand.
public struct PageRanges {
  private var ranges: [(first: Int, end: Int)] = []
  public init() {}

  @inline(__always) public var isEmpty: Bool { ranges.isEmpty }
  public var rangeCount: Int { ranges.count }
  /// Pages in it.
  public var count: Int { ranges.reduce(0) { $0 + $1.end - $1.first } }

  /// The position of the first range that ends after `page`.
  private func position(_ page: Int) -> Int {
    var low = 0, high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].end > page { high = middle } else { low = middle + 1 }
    }
    return low
  }

  public func contains(_ page: Int) -> Bool {
    let i = position(page)
    return i < ranges.count && ranges[i].first <= page
  }

  /// The first stretch of `first..<end` that has no page of the set; nil where all are in it.
  public func gap(_ first: Int, _ end: Int) -> (first: Int, end: Int)? {
    var at = first
    var i = position(first)
    while at < end {
      guard i < ranges.count else { return (at, end) }
      if ranges[i].first > at { return (at, min(ranges[i].first, end)) }
      at = ranges[i].end
      i += 1
    }
    return nil
  }

  public mutating func insert(_ first: Int, _ end: Int) {
    guard first < end else { return }
    var low = first, high = end
    // What touches it on either side joins in.
    let from = first == .min ? 0 : position(first - 1)
    var to = from
    while to < ranges.count && ranges[to].first <= high {
      low = min(low, ranges[to].first)
      high = max(high, ranges[to].end)
      to += 1
    }
    ranges.replaceSubrange(from..<to, with: CollectionOfOne((first: low, end: high)))
  }

  public mutating func remove(_ first: Int, _ end: Int) {
    guard first < end, !ranges.isEmpty else { return }
    let from = position(first)
    var kept: [(first: Int, end: Int)] = []
    var to = from
    while to < ranges.count && ranges[to].first < end {
      if ranges[to].first < first { kept.append((ranges[to].first, first)) }
      if ranges[to].end > end { kept.append((end, ranges[to].end)) }
      to += 1
    }
    if from < to { ranges.replaceSubrange(from..<to, with: kept) }
  }

  public mutating func formUnion(_ other: PageRanges) {
    for range in other.ranges { insert(range.first, range.end) }
  }

  public func forEach<E: Error>(_ body: (Int, Int) throws(E) -> Void) throws(E) {
    for range in ranges { try body(range.first, range.end) }
  }
}
