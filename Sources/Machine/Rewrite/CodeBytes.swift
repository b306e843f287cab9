/// Machine code for one place, at most 64 bytes of it.
public struct CodeBytes: Sendable {
  public static let capacity = 64
  /// Where the first byte goes.
  public let address: UInt64
  public private(set) var count = 0
  private var bytes = InlineArray<64, UInt8>(repeating: 0)

  public init(at address: UInt64) { self.address = address }

  public var end: UInt64 { address &+ UInt64(count) }
  public subscript(_ index: Int) -> UInt8 { index < count ? bytes[index] : 0 }

  /// What does not fit is lost; nobody makes so much.
  mutating func append(_ byte: UInt8) {
    guard count < Self.capacity else { return }
    bytes[count] = byte
    count &+= 1
  }
  mutating func append(_ value: Int32) {
    for shift in [0, 8, 16, 24] as [Int32] { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  /// The aligned words that the bytes lie in: the first one's address.
  public var wordAddress: UInt64 { address & ~7 }
  /// Whether they lie in more than one aligned word, so that no single store can write them.
  public var crossesWord: Bool { count > 0 && wordAddress != (end &- 1) & ~7 }
  /// What the first word holds once they are written, if it holds `old` now: little-endian, as in memory.
  public func word(over old: UInt64) -> UInt64 {
    var result = old
    let first = Int(address & 7)
    for i in 0..<min(count, 8 &- first) {
      let shift = UInt64((first &+ i) &* 8)
      result = result & ~(0xff &<< shift) | UInt64(self[i]) &<< shift
    }
    return result
  }
}
