/// The room for the stubs of one file, behind its last segment: who has which bytes of it.
///
/// Its first eight bytes hold the address that stubs jump through. Stubs may need certain distances from their sites, so
/// they are not packed: any free place may be asked for.
public struct StubArea: Sendable {
  /// A little over two thousand stubs; each value of the distance's second byte occurs.
  public static let size: UInt64 = 64 << 10
  private static let unit: UInt64 = 16
  private static let units = 4096

  public let base: UInt64
  private var taken = InlineArray<64, UInt64>(repeating: 0)

  /// `base`: the file's own address, page-aligned.
  public init(base: UInt64) {
    self.base = base
    mark(0, 1, true)
  }

  /// Where the address of the kernel's entry is.
  public var entrySlot: UInt64 { base }

  /// The first free place for `count` bytes that `accepts` an address; it is taken.
  mutating func take(_ count: Int, where accepts: (UInt64) -> Bool) -> UInt64? {
    let wanted = Self.unitsFor(count)
    var free = 0
    for index in 0..<Self.units {
      free = taken[index >> 6] >> UInt64(index & 63) & 1 == 0 ? free &+ 1 : 0
      let first = index &- wanted &+ 1
      guard free >= wanted, accepts(base &+ UInt64(first) &* Self.unit) else { continue }
      mark(first, wanted, true)
      return base &+ UInt64(first) &* Self.unit
    }
    return nil
  }
  /// Gives back what a plan took that is not carried out.
  public mutating func release(_ plan: PatchPlan) { release(plan.stub.address, plan.stub.count) }
  mutating func release(_ address: UInt64, _ count: Int) {
    guard count > 0, address > base, address &- base < Self.size else { return }
    mark(Int((address &- base) / Self.unit), Self.unitsFor(count), false)
  }

  private static func unitsFor(_ count: Int) -> Int { (count &+ Int(unit) &- 1) / Int(unit) }
  private mutating func mark(_ first: Int, _ count: Int, _ value: Bool) {
    for index in first..<min(first &+ count, Self.units) {
      let bit = 1 &<< UInt64(index & 63)
      taken[index >> 6] = value ? taken[index >> 6] | bit : taken[index >> 6] & ~bit
    }
  }
}
