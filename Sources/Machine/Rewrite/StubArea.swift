/// The room for the stubs of one file, behind its last segment: who has which bytes of it.
///
/// Its first eight bytes hold the address that stubs jump through; behind its first sixteen there may be what stubs of one
/// kind have in common. It is mostly a hole: stubs gather at its start, but one
/// that must have a certain distance from its site takes the first place that has it. Distances of up to 4 MiB find any
/// value of their second byte, and an invalid opcode for their third.
public struct StubArea: Sendable {
  public static let size: UInt64 = 1 << 20
  private static let unit = 16, chunkUnits = 64, chunks = 1024

  public let base: UInt64
  /// How many bytes its stubs have in common.
  public let commonCount: Int
  /// How much of each chunk is taken, in units from its start.
  private var taken = InlineArray<1024, UInt8>(repeating: 0)

  /// `base`: the file's own address, page-aligned.
  public init(base: UInt64, commonCount: Int = 0) {
    self.base = base
    self.commonCount = commonCount
    var used = 1 &+ Self.unitsFor(commonCount), chunk = 0
    while used > 0, chunk < Self.chunks {
      taken[chunk] = UInt8(min(used, Self.chunkUnits))
      used &-= Self.chunkUnits
      chunk &+= 1
    }
  }

  /// Where the address of the kernel's entry is.
  public var entrySlot: UInt64 { base }
  public var common: UInt64 { base &+ UInt64(Self.unit) }
  public func isCommon(_ address: UInt64) -> Bool { address &- common < UInt64(commonCount) }

  /// The first free place for `count` bytes that `accepts` an address; it is taken.
  mutating func take(_ count: Int, where accepts: (UInt64) -> Bool) -> UInt64? {
    let wanted = Self.unitsFor(count)
    for chunk in 0..<Self.chunks {
      let used = Int(taken[chunk])
      guard used &+ wanted <= Self.chunkUnits else { continue }
      let address = base &+ UInt64((chunk &* Self.chunkUnits &+ used) &* Self.unit)
      guard accepts(address) else { continue }
      taken[chunk] = UInt8(used &+ wanted)
      return address
    }
    return nil
  }

  /// Gives back what a plan took that is not carried out. Behind what others took since, it is lost.
  public mutating func release(_ plan: PatchPlan) { release(plan.stub.address, plan.stub.count) }
  mutating func release(_ address: UInt64, _ count: Int) {
    guard count > 0, address > base, address &- base < Self.size else { return }
    let first = Int(address &- base) / Self.unit, chunk = first / Self.chunkUnits
    let used = first % Self.chunkUnits
    if Int(taken[chunk]) == used &+ Self.unitsFor(count) { taken[chunk] = UInt8(used) }
  }

  private static func unitsFor(_ count: Int) -> Int { (count &+ unit &- 1) / unit }
}
