import CMachine

/// A window of kernel memory: bytes that some object owns and keeps while the window is used. Every access is checked
/// against the window's size; a store of one says what keeps the memory.
@safe public struct KernelBytes: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  public let count: Int

  @inline(__always) init(_ base: UnsafeMutableRawPointer, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  /// `count` bytes from `offset`, cut at the window's end.
  @inline(__always) public func slice(_ offset: Int, _ count: Int) -> KernelBytes {
    precondition(offset >= 0 && offset <= self.count && count >= 0)
    return unsafe KernelBytes(base + offset, count: min(count, self.count &- offset))
  }
  @inline(__always) public subscript(_ index: Int) -> UInt8 {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe base.load(fromByteOffset: index, as: UInt8.self)
    }
    nonmutating set {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      unsafe base.storeBytes(of: newValue, toByteOffset: index, as: UInt8.self)
    }
  }
  /// A value at `offset`, at any alignment.
  @inline(__always) public func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
    precondition(offset >= 0 && offset <= count && MemoryLayout<T>.size <= count &- offset)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: T.self)
  }
  @inline(__always) public func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
    precondition(offset >= 0 && offset <= count && MemoryLayout<T>.size <= count &- offset)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: T.self)
  }
  /// Where `second` lies right behind `first`: at most `limit` places, each that of `first`. `second` should be rare.
  public func places(of first: UInt8, _ second: UInt8, limit: Int) -> [Int] {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let pattern = ones &* UInt64(second)
    /// The top bit of each byte that is `second`; above such a byte it may be others'.
    @inline(__always) func matches(_ at: Int) -> UInt64 {
      // SAFETY: the callers' loop stays inside the window.
      let word = unsafe base.loadUnaligned(fromByteOffset: at, as: UInt64.self) ^ pattern
      return (word &- ones) & ~word & 0x8080_8080_8080_8080
    }
    var result: [Int] = []
    func look(_ at: Int) {
      if at > 0, self[at] == second, self[at &- 1] == first, result.count < limit { result.append(at &- 1) }
    }
    var at = 0
    while at &+ 32 <= count {
      if matches(at) | matches(at &+ 8) | matches(at &+ 16) | matches(at &+ 24) != 0 {
        for word in 0..<4 {
          var found = matches(at &+ word &* 8)
          while found != 0 {
            look(at &+ word &* 8 &+ found.trailingZeroBitCount >> 3)
            found &= found &- 1
          }
        }
      }
      at &+= 32
    }
    while at < count {
      look(at)
      at &+= 1
    }
    return result
  }
  /// Copies all of `other` to `offset`. The windows may overlap.
  public func copy(_ other: KernelBytes, at offset: Int = 0) {
    precondition(offset >= 0 && offset <= count && other.count <= count &- offset)
    unsafe base.advanced(by: offset).copyMemory(from: other.base, byteCount: other.count)
  }
  public func copy(_ bytes: Span<UInt8>, at offset: Int = 0) {
    precondition(offset >= 0 && offset <= count && bytes.count <= count &- offset)
    let to = unsafe base + offset
    unsafe bytes.withUnsafeBufferPointer { b in
      if let from = b.baseAddress { unsafe to.copyMemory(from: from, byteCount: b.count) }
    }
  }
  public func copy(_ bytes: RawSpan, at offset: Int = 0) {
    precondition(offset >= 0 && offset <= count && bytes.byteCount <= count &- offset)
    let to = unsafe base + offset
    unsafe bytes.withUnsafeBytes { b in
      if let from = b.baseAddress { unsafe to.copyMemory(from: from, byteCount: b.count) }
    }
  }
  public func clear() { unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count) }

  /// The bytes, for those who read them as a span; the window's promise covers the span's life.
  public var array: [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: count) { to, initialized in
      if let start = to.baseAddress {
        // Between typed pointers it would go byte by byte.
        unsafe UnsafeMutableRawPointer(start).copyMemory(from: base, byteCount: count)
      }
      initialized = count
    }
  }
}

/// Kernel memory with one owner, zeroed at first. Never made of an unchecked guest number.
@safe public struct KernelBuffer: ~Copyable {
  private let base: UnsafeMutableRawPointer
  public let count: Int

  /// Errors: ENOMEM.
  public init(count: Int) throws(Errno) {
    guard count > 0, let memory = unsafe slabAllocate(UInt(count), 16) else { throw .noMemory }
    unsafe base = memory
    self.count = count
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }
  /// Not zeroed: for those who show nobody more than they wrote. Errors: ENOMEM.
  public init(unclearedCount count: Int) throws(Errno) {
    guard count > 0, let memory = unsafe slabAllocate(UInt(count), 16) else { throw .noMemory }
    unsafe base = memory
    self.count = count
  }
  deinit { unsafe slabFree(base) }
  /// A window that is good while this buffer lives.
  @inline(__always) public var bytes: KernelBytes { unsafe KernelBytes(base, count: count) }
}
