import CMachine

/// Where guest addresses may lie: not in kernel memory and not in the kernel image (docs/address-map.md). What Linux asks by
/// access_ok().
@inline(__always) public func isGuestRange(_ address: UInt, _ count: UInt) -> Bool {
  let (end, overflow) = address.addingReportingOverflow(count)
  if overflow { return false }
  if end <= 0x4000_0000_0000 { return true }
  if address >= 0x7000_0000_0000 { return end <= 0x7fff_ffff_f000 }
  return address >= 0x5000_0000_0000 && end <= 0x6800_0000_0000
}

/// Where a guest can have memory: not on page 0 either, which the machine may have put there for itself.
@inline(__always) public func isGuestMemory(_ address: UInt, _ count: UInt) -> Bool {
  (address >= 0x1000 || count == 0) && isGuestRange(address, count)
}

/// Copies between kernel and guest memory, where `user` is the guest's side. A page that is only unfilled is filled.
@inline(__always)
func userCopy(to: UnsafeMutableRawPointer?, from: UnsafeRawPointer?, _ count: Int, user: UInt) throws(Errno) {
  mightSleep()
  guard isGuestMemory(user, UInt(bitPattern: count)), unsafe arch_user_copy(to, from, count) == 0 else { throw .fault }
}

/// An address at which the guest alleges a `T`. Holding one proves nothing, so it has no `pointee`: it only copies, each
/// byte once, and throws EFAULT at use.
@safe public struct UserPointer<T: BitwiseCopyable>: Sendable {
  public let address: UInt

  @inline(__always) public init(_ address: UInt) { self.address = address }
  @inline(__always) public var isNull: Bool { address == 0 }
  /// The address `count` elements on; it wraps as the guest's arithmetic does.
  @inline(__always) public func advanced(by count: Int) -> UserPointer {
    UserPointer(address &+ UInt(bitPattern: count) &* UInt(MemoryLayout<T>.stride))
  }
  @inline(__always) public func cast<U>(to type: U.Type) -> UserPointer<U> { UserPointer<U>(address) }
  @inline(__always) public func offset(bytes: Int) -> UserPointer { UserPointer(address &+ UInt(bitPattern: bytes)) }

  @inline(__always) public func copyIn() throws(Errno) -> T {
    let a = address
    return try unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { (b) throws(Errno) -> T in
      unsafe try userCopy(to: b.baseAddress, from: UnsafeRawPointer(bitPattern: a), MemoryLayout<T>.size, user: a)
      return unsafe b[0]
    }
  }
  @inline(__always) public func copyOut(_ value: T) throws(Errno) {
    let a = address
    try unsafe withUnsafePointer(to: value) { (p) throws(Errno) in
      unsafe try userCopy(to: UnsafeMutableRawPointer(bitPattern: a), from: p, MemoryLayout<T>.size, user: a)
    }
  }
  /// The same without a copy on the way, for large ones.
  @inline(__always) public func copyOut(from value: inout T) throws(Errno) {
    let a = address
    try unsafe withUnsafeMutablePointer(to: &value) { (p) throws(Errno) in
      unsafe try userCopy(to: UnsafeMutableRawPointer(bitPattern: a), from: p, MemoryLayout<T>.size, user: a)
    }
  }
  /// `count` elements; the caller has bounded `count`.
  public func copyIn(count: Int) throws(Errno) -> [T] {
    precondition(count >= 0)
    if count == 0 { return [] }
    let a = address
    var failed = false
    let result = unsafe [T](unsafeUninitializedCapacity: count) { b, filled in
      let size = count &* MemoryLayout<T>.stride
      if isGuestMemory(a, UInt(size)), unsafe arch_user_copy(b.baseAddress, UnsafeRawPointer(bitPattern: a), size) == 0
      {
        filled = count
      } else {
        failed = true
      }
    }
    if failed { throw .fault }
    return result
  }
  public func copyOut(_ elements: [T]) throws(Errno) {
    let a = address
    try unsafe elements.withUnsafeBufferPointer { (b) throws(Errno) in
      let size = b.count &* MemoryLayout<T>.stride
      if size > 0 {
        unsafe try userCopy(to: UnsafeMutableRawPointer(bitPattern: a), from: b.baseAddress, size, user: a)
      }
    }
  }
  @inline(__always) public func copyOut(_ elements: Span<T>) throws(Errno) {
    let a = address
    try unsafe elements.withUnsafeBufferPointer { (b) throws(Errno) in
      let size = b.count &* MemoryLayout<T>.stride
      if size > 0 {
        unsafe try userCopy(to: UnsafeMutableRawPointer(bitPattern: a), from: b.baseAddress, size, user: a)
      }
    }
  }
}

extension UserPointer where T == UInt8 {
  public func copyOut(_ bytes: KernelBytes) throws(Errno) {
    unsafe try userCopy(to: UnsafeMutableRawPointer(bitPattern: address), from: bytes.base, bytes.count, user: address)
  }
  public func copyIn(to bytes: KernelBytes) throws(Errno) {
    unsafe try userCopy(to: bytes.base, from: UnsafeRawPointer(bitPattern: address), bytes.count, user: address)
  }
  /// The bytes of `text` and a NUL.
  public func copyOut(terminated text: StaticString) throws(Errno) {
    unsafe try userCopy(
      to: UnsafeMutableRawPointer(bitPattern: address), from: text.utf8Start,
      text.utf8CodeUnitCount + 1, user: address)
  }
  /// Runs `body` on a path, which lies on the stack meanwhile. Nil where it takes `copyInString`: it has 256 bytes or more,
  /// goes on to the next page, or cannot be read.
  @inline(__always) public func withShortPath<R>(_ body: (ShortPath) throws(Errno) -> R?) throws(Errno) -> R? {
    mightSleep()
    let from = address
    // SAFETY: room for the longest; what is copied with its NUL has 256 bytes at most.
    return try unsafe withUnsafeTemporaryAllocation(byteCount: ShortPath.room, alignment: 8) {
      (b) throws(Errno) -> R? in
      let room = min(256, Int(4096 &- from & 4095) & ~7)
      guard let base = b.baseAddress, room > 0, isGuestMemory(from, UInt(bitPattern: room)) else { return nil }
      let count = unsafe arch_user_string(base, UnsafeRawPointer(bitPattern: from).unsafelyUnwrapped, room)
      if count < 0 { return nil }
      return try unsafe body(ShortPath(base, count))
    }
  }
  /// A NUL-terminated string without its NUL. Errors: EFAULT; `tooLong` where no NUL is among the first `limit` bytes.
  public func copyInString(limit: Int, tooLong: Errno = .nameTooLong) throws(Errno) -> [UInt8] {
    var result: [UInt8] = []
    var at = address
    while result.count < limit {
      // One page at a time, so that a string that ends before an unmapped page is whole.
      let chunk = min(limit - result.count, Int(4096 - at % 4096), 256)
      var found = -1
      var failed = false
      let part = unsafe [UInt8](unsafeUninitializedCapacity: chunk) { b, filled in
        guard isGuestMemory(at, UInt(chunk)),
          unsafe arch_user_copy(b.baseAddress, UnsafeRawPointer(bitPattern: at), chunk) == 0
        else {
          failed = true
          return
        }
        filled = chunk
        for i in 0..<chunk where unsafe b[i] == 0 {
          found = i
          break
        }
      }
      if failed { throw .fault }
      if found >= 0 {
        result.append(contentsOf: part[0..<found])
        return result
      }
      result.append(contentsOf: part)
      at &+= UInt(chunk)
    }
    throw tooLong
  }
  /// Zeroes `count` bytes.
  public func clear(count: Int) throws(Errno) {
    guard isGuestMemory(address, UInt(bitPattern: count)), count >= 0,
      unsafe arch_user_clear(UnsafeMutableRawPointer(bitPattern: address), count) == 0
    else { throw .fault }
  }
}

extension UserPointer where T: FixedWidthInteger {
  /// A word goes out whole or not at all, as by Linux's put_user: one across the end of a mapping leaves nothing.
  @inline(__always) public func copyOut(_ value: T) throws(Errno) {
    mightSleep()
    let size = MemoryLayout<T>.size
    guard isGuestMemory(address, UInt(size)) else { throw .fault }
    let failed: Int32
    switch size {
    case 8: failed = arch_user_store64(address, UInt64(truncatingIfNeeded: value))
    case 4: failed = arch_user_store32(address, UInt32(truncatingIfNeeded: value))
    default:
      failed = unsafe withUnsafePointer(to: value) { p in
        unsafe arch_user_copy(UnsafeMutableRawPointer(bitPattern: address), p, size) == 0 ? 0 : 1
      }
    }
    if failed != 0 { throw .fault }
  }
}

/// A futex word in guest memory: the accesses that must be atomic. Errors: EFAULT.
extension UserPointer where T == UInt32 {
  @inline(__always) public func load() throws(Errno) -> UInt32 {
    var value: UInt32 = 0
    guard isGuestMemory(address, 4), unsafe arch_user_load32(UnsafeRawPointer(bitPattern: address), &value) == 0
    else { throw .fault }
    return value
  }
  /// Stores `desired` where the word is `expected`; returns what was there.
  @inline(__always) public func compareExchange(_ expected: UInt32, _ desired: UInt32) throws(Errno) -> UInt32 {
    var value = expected
    guard isGuestMemory(address, 4),
      unsafe arch_user_compare_exchange32(UnsafeMutableRawPointer(bitPattern: address), &value, desired) == 0
    else { throw .fault }
    return value
  }
}
