/// Bits that grow: which descriptors are used, and the like. The caller serialises all use.
@safe public struct Bitmap: ~Copyable {
  private var words: UnsafeMutablePointer<UInt64>
  /// A multiple of 64.
  public private(set) var count: Int

  /// `count` clear bits, a multiple of 64.
  public init(count: Int) {
    precondition(count >= 0 && count & 63 == 0)
    self.count = count
    unsafe words = .allocate(capacity: count &>> 6)
    unsafe words.initialize(repeating: 0, count: count &>> 6)
  }
  deinit { unsafe words.deallocate() }

  // SAFETY: every index is checked against the count.
  @inline(__always) public subscript(_ i: Int) -> Bool {
    get {
      guard UInt(bitPattern: i) < UInt(bitPattern: count) else { return false }
      return unsafe words[i &>> 6] &>> UInt64(i & 63) & 1 != 0
    }
    set {
      precondition(UInt(bitPattern: i) < UInt(bitPattern: count))
      let bit: UInt64 = 1 &<< UInt64(i & 63)
      if newValue { unsafe words[i &>> 6] |= bit } else { unsafe words[i &>> 6] &= ~bit }
    }
  }
  /// The first bit from `from` on that is clear; those behind the end are.
  @inline(__always) public func firstClear(from: Int) -> Int { first(from, 0) ?? max(count, from) }
  /// The first bit from `from` on that is set.
  @inline(__always) public func firstSet(from: Int) -> Int? { first(from, .max) }
  @inline(__always) private func first(_ from: Int, _ wanted: UInt64) -> Int? {
    var at = max(from, 0)
    while at < count {
      let word = unsafe (wanted == 0 ? ~words[at &>> 6] : words[at &>> 6]) & (.max &<< UInt64(at & 63))
      if word != 0 { return at & ~63 &+ word.trailingZeroBitCount }
      at = (at | 63) &+ 1
    }
    return nil
  }
  /// The last bit that is set.
  public var lastSet: Int? {
    var at = count &>> 6
    while at > 0 {
      at &-= 1
      let word = unsafe words[at]
      if word != 0 { return at &<< 6 &+ 63 &- word.leadingZeroBitCount }
    }
    return nil
  }
  /// Makes room for `count` bits, a multiple of 64; the new ones are clear. Never shrinks.
  public mutating func grow(to count: Int) {
    guard count > self.count else { return }
    var grown = Bitmap(count: count)
    for i in 0..<self.count &>> 6 { unsafe grown.words[i] = words[i] }
    swap(&self, &grown)
  }
}
