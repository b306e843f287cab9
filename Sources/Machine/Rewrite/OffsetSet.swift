/// Offsets within `reach` bytes of one in the middle; others are never members.
struct OffsetSet {
  static let reach = 256
  private let first: Int
  private var bits = InlineArray<8, UInt64>(repeating: 0)

  init(around middle: Int) { first = middle &- Self.reach }

  private func index(_ offset: Int) -> Int? {
    let (index, overflow) = offset.subtractingReportingOverflow(first)
    return overflow || index < 0 || index >= Self.reach &* 2 ? nil : index
  }
  mutating func insert(_ offset: Int) {
    if let i = index(offset) { bits[i >> 6] |= 1 &<< UInt64(i & 63) }
  }
  func contains(_ offset: Int) -> Bool {
    guard let i = index(offset) else { return false }
    return bits[i >> 6] >> UInt64(i & 63) & 1 != 0
  }
  /// Whether any of `range` is a member.
  func meets(_ range: Range<Int>) -> Bool {
    for offset in range where contains(offset) { return true }
    return false
  }
  /// The first member that is at least `offset`.
  func next(from offset: Int) -> Int? {
    guard offset < first &+ Self.reach &* 2 else { return nil }
    var i = max(offset, first) &- first
    while i < Self.reach &* 2 {
      let rest = bits[i >> 6] &>> UInt64(i & 63)
      if rest != 0 { return first &+ i &+ rest.trailingZeroBitCount }
      i = (i | 63) &+ 1
    }
    return nil
  }
}
