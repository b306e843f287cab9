/// A stretch of text around a site.
public struct CodeWindow: ~Escapable {
  /// How far from a site branches are looked for.
  public static let reach = 2048

  /// The file's own bytes: what instructions are read from.
  let original: Span<UInt8>
  /// The same bytes as they are now, with earlier patches in them.
  let current: Span<UInt8>
  /// The file's own address of the first byte. It must be right modulo 16.
  let address: UInt64

  /// `reach` bytes to either side of a site are enough; less, at the ends of a segment, is safe.
  @_lifetime(copy original, copy current)
  public init(original: Span<UInt8>, current: Span<UInt8>, address: UInt64) {
    self.original = original
    self.current = current
    self.address = address
  }

  var count: Int { min(original.count, current.count) }
  func address(_ offset: Int) -> UInt64 { address &+ UInt64(bitPattern: Int64(offset)) }
  func instruction(_ offset: Int) -> Instruction? {
    guard let found = InstructionDecoder.decode(original, at: offset), found.length <= count &- offset else {
      return nil
    }
    return found
  }

  /// Whether `range` is the file's own and no patch reaches into it. A patch's first byte is never the file's, and only
  /// long jumps begin far enough before.
  func isUntouched(_ range: Range<Int>) -> Bool {
    guard range.lowerBound >= 0, range.upperBound <= count else { return false }
    for offset in range where original[offset] != current[offset] { return false }
    for offset in max(0, range.lowerBound &- CodeFlow.jumpLength &+ 1)..<range.lowerBound
    where current[offset] == 0xe9 && original[offset] != 0xe9 {
      return false
    }
    return true
  }
}
