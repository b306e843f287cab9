/// Bytes with one owner that never change: an array whose reading costs no count, for the names in a cache.
@safe public struct OwnedBytes: ~Copyable {
  private let base: UnsafeMutablePointer<UInt8>
  public let count: Int

  public init(_ bytes: Span<UInt8>) {
    count = bytes.count
    unsafe base = .allocate(capacity: count)
    // SAFETY: as many bytes as were allocated.
    for i in bytes.indices { unsafe base[i] = bytes[i] }
  }
  deinit { unsafe base.deallocate() }

  /// Whether they are those of `bytes`.
  @inline(__always) public borrowing func isEqual(to bytes: Span<UInt8>) -> Bool {
    guard bytes.count == count else { return false }
    for i in bytes.indices where unsafe base[i] != bytes[i] { return false }
    return true
  }
  /// A copy.
  public var array: [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: base, count: count))
  }
}
