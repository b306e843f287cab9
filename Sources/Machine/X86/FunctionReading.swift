/// A whole function, read from its start: what its instructions are, for certain.
///
/// Nothing is taken for granted but where it begins and ends, which its file's unwind table says. A function is read only
/// if its instructions, one after the other, end exactly where it ends, and every branch in it that stays in it leads to
/// one of them. One with data in it hardly passes that, and one that jumps over a prefix does not: those are left alone.
public struct FunctionReading {
  /// A `cpuid`, and the instruction that control can come to it from in a straight line.
  public struct Site {
    public let offset: Int
    let predecessor: (offset: Int, instruction: Instruction)?
  }
  /// In the function's order.
  public private(set) var identifications: [Site] = []
  private var starts: Offsets
  private var targets: Offsets
  /// Where control stops for good.
  private var ends: Offsets

  /// The longest function that is read, in bytes.
  public static let maximumCount = 1 << 16

  /// `code` begins with it; it has `count` bytes. nil: it cannot be read.
  public init?(_ code: Span<UInt8>, count: Int) {
    guard count <= code.count, count <= Self.maximumCount else { return nil }
    starts = Offsets(count)
    targets = Offsets(count)
    ends = Offsets(count &+ 1)
    var at = 0
    var predecessor: (offset: Int, instruction: Instruction)?
    while at < count {
      guard let instruction = InstructionDecoder.decode(code, at: at) else { return nil }
      starts.insert(at)
      let end = at &+ instruction.length
      if instruction.isRelative { targets.insert(end &+ instruction.distance) }
      if instruction.length == 2, code[at] == 0x0f, code[at &+ 1] == 0xa2 {
        identifications.append(Site(offset: at, predecessor: predecessor))
      }
      predecessor = instruction.endsBlock ? nil : (at, instruction)
      if instruction.endsBlock { ends.insert(end) }
      at = end
    }
    guard at == count, targets.isSubset(of: starts) else { return nil }
  }

  /// Near `site`: what the function's own branches and calls lead to, and where control stops for good.
  func surroundings(of site: Int) -> (targets: OffsetSet, ends: OffsetSet) {
    var result = (OffsetSet(around: site), OffsetSet(around: site))
    for offset in site &- OffsetSet.reach..<site &+ OffsetSet.reach {
      if targets.contains(offset) { result.0.insert(offset) }
      if ends.contains(offset) { result.1.insert(offset) }
    }
    return result
  }
}

/// Offsets in a function.
private struct Offsets {
  private let count: Int
  private var bits: [UInt64]

  init(_ count: Int) {
    self.count = count
    bits = [UInt64](repeating: 0, count: (count &+ 63) >> 6)
  }
  /// Those outside are never members.
  mutating func insert(_ offset: Int) {
    if offset >= 0, offset < count { bits[offset >> 6] |= 1 &<< UInt64(offset & 63) }
  }
  func contains(_ offset: Int) -> Bool {
    offset >= 0 && offset < count && bits[offset >> 6] &>> UInt64(offset & 63) & 1 != 0
  }
  func isSubset(of other: Offsets) -> Bool {
    for i in bits.indices where bits[i] & ~other.bits[i] != 0 { return false }
    return true
  }
}
