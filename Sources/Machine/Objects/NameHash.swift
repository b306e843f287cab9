/// The hash of a name, eight bytes at a time.
@safe public struct NameHash {
  @usableFromInline var state: UInt = 0xcbf2_9ce4_8422_2325
  @inline(__always) init() {}
  /// The next eight bytes, or the last few with zeros behind them.
  @inline(__always) mutating func add(_ word: UInt64) {
    state = (state ^ UInt(word)) &* 0x9e37_79b9_7f4a_7c15
    state ^= state &>> 32
  }
  public static func of(_ name: Span<UInt8>) -> UInt {
    var hash = NameHash()
    var word: UInt64 = 0
    for i in name.indices {
      word |= UInt64(name[i]) &<< UInt64(i & 7 &* 8)
      if i & 7 == 7 {
        hash.add(word)
        word = 0
      }
    }
    if name.count & 7 != 0 { hash.add(word) }
    return hash.state
  }
}

/// A path on the stack: NUL-terminated, in room for the longest (255 bytes, and eight more that are read from wherever one
/// may). It is good within the call that made it.
@safe public struct ShortPath {
  let base: UnsafeMutableRawPointer
  public private(set) var count: Int
  // SAFETY: the maker's promise covers `room` bytes: eight from every index up to `longest`.
  @inline(__always) init(_ base: UnsafeMutableRawPointer, _ count: Int) {
    unsafe self.base = base
    self.count = count
  }
  @inline(__always) func word(_ at: Int) -> UInt64 { unsafe base.loadUnaligned(fromByteOffset: at, as: UInt64.self) }

  static var longest: Int { 255 }
  static var room: Int { longest + 9 }
  @inline(__always) public var isEmpty: Bool { count == 0 }
  /// The byte at `index`; behind the end, zero.
  @inline(__always) public subscript(_ index: Int) -> UInt8 {
    guard UInt(bitPattern: index) < UInt(bitPattern: count) else { return 0 }
    return unsafe base.load(fromByteOffset: index, as: UInt8.self)
  }
  /// The end of the name that begins at `start`: at a slash or the path's end; and the name's hash.
  @inline(__always) public func name(at start: Int) -> (end: Int, hash: UInt) {
    var hash = NameHash()
    var at = min(start, count)
    while true {
      let word = word(at)
      let slashes = word ^ 0x2f2f_2f2f_2f2f_2f2f
      // The lowest bit that stays is in the first byte that is zero in one of them.
      let found =
        ((word &- 0x0101_0101_0101_0101) & ~word | (slashes &- 0x0101_0101_0101_0101) & ~slashes)
        & 0x8080_8080_8080_8080
      if found == 0 {
        hash.add(word)
        at &+= 8
        continue
      }
      let bits = found.trailingZeroBitCount & 0x38
      if bits != 0 { hash.add(word & ((1 &<< UInt64(bits)) &- 1)) }
      return (at &+ bits &>> 3, hash.state)
    }
  }

  /// Puts `text` in the place of what is before `end`. False where there is no room: then nothing has changed.
  public mutating func replaceHead(before end: Int, with text: [UInt8]) -> Bool {
    let rest = count &- end
    guard end >= 0, rest >= 0, text.count <= ShortPath.longest &- rest else { return false }
    let start = text.count
    // SAFETY: by the check, everything up to the NUL stays within the room.
    unsafe base.advanced(by: start).copyMemory(from: base.advanced(by: end), byteCount: rest)
    unsafe text.withUnsafeBytes { b in
      if let from = b.baseAddress { unsafe base.copyMemory(from: from, byteCount: start) }
    }
    count = start &+ rest
    unsafe base.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
    return true
  }

  /// Runs `body` with the address of the name from `start` to `end`, which ends in a NUL meanwhile.
  @inline(__always) func withTerminated<R>(_ start: Int, _ end: Int, _ body: (Int) -> R) -> R? {
    guard start >= 0, start <= end, end <= count else { return nil }
    let old = unsafe base.load(fromByteOffset: end, as: UInt8.self)
    unsafe base.storeBytes(of: 0, toByteOffset: end, as: UInt8.self)
    defer { unsafe base.storeBytes(of: old, toByteOffset: end, as: UInt8.self) }
    return unsafe body(Int(bitPattern: base) &+ start)
  }
}

extension [UInt8] {
  /// Runs `body` on the path that these bytes are. Nil where it is too long.
  public func withShortPath<R>(_ body: (ShortPath) throws(Errno) -> R?) throws(Errno) -> R? {
    if count > ShortPath.longest { return nil }
    // SAFETY: room for the longest.
    return try unsafe withUnsafeTemporaryAllocation(byteCount: ShortPath.room, alignment: 8) {
      (b) throws(Errno) -> R? in
      guard let base = b.baseAddress else { return nil }
      unsafe base.storeBytes(of: 0, as: UInt8.self)
      var path = unsafe ShortPath(base, 0)
      guard path.replaceHead(before: 0, with: self) else { return nil }
      return try body(path)
    }
  }
}
