/// Bytes with one owner that never change: an array whose reading costs no count, for the names in a cache.
@safe public struct OwnedBytes: ~Copyable {
  private let base: UnsafeMutablePointer<UInt64>  // with zeros behind, up to a whole word
  public let count: Int

  public init(_ bytes: Span<UInt8>) {
    count = bytes.count
    let words = (count &+ 7) &>> 3
    unsafe base = .allocate(capacity: words)
    unsafe base.initialize(repeating: 0, count: words)
    // SAFETY: as many bytes as were allocated.
    for i in bytes.indices { unsafe base[i &>> 3] |= UInt64(bytes[i]) &<< UInt64(i & 7 &* 8) }
  }
  deinit { unsafe base.deallocate() }

  @inline(__always) private func byte(_ i: Int) -> UInt8 {
    unsafe UInt8(truncatingIfNeeded: base[i &>> 3] &>> UInt64(i & 7 &* 8))
  }
  /// Whether they are those of `bytes`.
  public borrowing func isEqual(to bytes: Span<UInt8>) -> Bool {
    guard bytes.count == count else { return false }
    for i in bytes.indices where byte(i) != bytes[i] { return false }
    return true
  }
  /// Whether they are those of `path` from `start` to `end`, where a slash or its end is.
  @inline(__always) public borrowing func isEqual(to path: ShortPath, _ start: Int, _ end: Int) -> Bool {
    guard end &- start == count else { return false }
    var at = 0
    while count &- at >= 8 {
      if unsafe base[at &>> 3] != path.word(start &+ at) { return false }
      at &+= 8
    }
    let rest = count &- at
    return unsafe rest == 0 || base[at &>> 3] == path.word(start &+ at) & ((1 &<< UInt64(rest &* 8)) &- 1)
  }
  /// A copy.
  public var array: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
      for i in 0..<count { unsafe bytes[i] = byte(i) }
      filled = count
    }
  }
}
