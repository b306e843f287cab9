/// Comparing with literals, whose bytes are reached by pointer.
extension StaticString {
  /// Whether `bytes` are those of this text.
  public func withUTF8Bytes(equal bytes: [UInt8]) -> Bool {
    guard bytes.count == utf8CodeUnitCount else { return false }
    // SAFETY: a literal's bytes, as many as it says.
    let start = unsafe utf8Start
    for i in 0..<bytes.count where unsafe start[i] != bytes[i] { return false }
    return true
  }
  /// Its bytes.
  public var bytes: [UInt8] {
    let start = unsafe utf8Start
    var result: [UInt8] = []
    result.reserveCapacity(utf8CodeUnitCount)
    for i in 0..<utf8CodeUnitCount { unsafe result.append(start[i]) }
    return result
  }
}
