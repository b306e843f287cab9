import CLinux
import CMachine
import Synchronization

/// Where a read puts its bytes or a write takes them from: one guest buffer, a vector of them, or kernel memory (Linux's
/// iov_iter). It remembers how far it got.
@safe public struct IOBuffers: ~Copyable {
  /// Bytes still to go.
  public internal(set) var count: Int
  var address: UInt  // of the current segment's rest
  var rest: Int
  var vector: [linux_iovec]  // empty for a single segment
  var index = 0
  let isKernel: Bool  // the one segment lies in kernel memory, which the caller keeps
  /// RWF_APPEND and RWF_NOWAIT: of this transfer alone (Linux's kiocb flags).
  public var appends = false, mustNotWait = false

  /// One guest buffer. Like read(2), no more than 0x7fff_f000 bytes are moved at once.
  @inline(__always) public init(_ pointer: UserPointer<UInt8>, count: Int) {
    let count = min(max(count, 0), 0x7fff_f000)
    address = pointer.address
    rest = count
    self.count = count
    vector = []
    isKernel = false
  }
  @inline(__always) public init(kernel bytes: KernelBytes) {
    unsafe address = UInt(bitPattern: bytes.base)
    rest = bytes.count
    count = bytes.count
    vector = []
    isKernel = true
  }
  /// readv(2)'s vector. Errors: EINVAL (more than 1024 segments, a negative length), EFAULT.
  public init(vector pointer: UserPointer<linux_iovec>, count segments: Int) throws(Errno) {
    guard segments >= 0, segments <= 1024 else { throw .invalid }
    let vector = try pointer.copyIn(count: segments)
    var total = 0
    for segment in unsafe vector {
      let length = Int(truncatingIfNeeded: unsafe segment.iov_len)
      guard length >= 0 else { throw .invalid }
      // As Linux's access_ok: what lies where programs' memory may is found out only when it is its turn.
      guard
        unsafe UInt(bitPattern: segment.iov_base) <= 0x7fff_ffff_f000 &- UInt(min(length, 0x7fff_ffff_f000))
          || length == 0
      else { throw .fault }
      total = min(total &+ length, 0x7fff_f000)
    }
    unsafe self.vector = vector
    self.count = total
    address = 0
    rest = 0
    isKernel = false
    next()
  }

  /// The same, by the address of the vector.
  public init(vectorAt address: UInt, count segments: Int) throws(Errno) {
    unsafe try self.init(vector: UserPointer<linux_iovec>(address), count: segments)
  }

  private mutating func next() {
    while rest == 0, index < vector.count, count > 0 {
      unsafe address = UInt(bitPattern: vector[index].iov_base)
      unsafe rest = min(Int(truncatingIfNeeded: vector[index].iov_len), count)
      index += 1
    }
  }

  @inline(__always) mutating func advance(_ moved: Int) {
    address &+= UInt(moved)
    rest &-= moved
    count &-= moved
    if rest == 0 && !vector.isEmpty { next() }
  }

  /// Copies as much of `bytes` as fits to the buffers (a read). Returns the bytes moved; throws EFAULT where that is none
  /// of at least one.
  @inline(__always) public mutating func copyOut(_ bytes: KernelBytes) throws(Errno) -> Int {
    unsafe try move(bytes.base, bytes.count, out: true)
  }
  /// Fills as much of `bytes` as the buffers have (a write). As `copyOut`.
  @inline(__always) public mutating func copyIn(_ bytes: KernelBytes) throws(Errno) -> Int {
    unsafe try move(bytes.base, bytes.count, out: false)
  }
  /// `copyIn` to fresh pages of the page cache, which the host makes and fills in one call: a copy of the kernel's own takes a
  /// fault for each. The host fills one file at a time, and a vCPU that would have to wait for another copies itself.
  public mutating func copyInFresh(_ bytes: KernelBytes) throws(Errno) -> Int {
    let part = min(rest, bytes.count)
    guard vector.isEmpty, isKernel || isGuestMemory(address, UInt(bitPattern: part)),
      !isHostFilling.exchange(true, ordering: .acquiring)
    else { return try copyIn(bytes) }
    if !isKernel { mightSleep() }
    let filled = unsafe hostCall(
      __NR_pwrite64, Int(machineDescriptor), Int(bitPattern: address), part,
      Int(UInt(bitPattern: bytes.base) &- KernelMemory.base))
    isHostFilling.store(false, ordering: .releasing)
    // What the host could not read faults in the kernel's own copy, which resolves it.
    if filled <= 0 { return try copyIn(bytes) }
    pass(filled)
    return filled
  }
  public mutating func copyOut(_ bytes: [UInt8]) throws(Errno) -> Int {
    try unsafe bytes.withUnsafeBufferPointer { (b) throws(Errno) -> Int in
      guard let base = b.baseAddress else { return 0 }
      return unsafe try move(UnsafeMutableRawPointer(mutating: base), b.count, out: true)
    }
  }
  /// Zeroes up to `limit` bytes (reading a hole, /dev/zero).
  @inline(__always) public mutating func clear(_ limit: Int) throws(Errno) -> Int {
    let part = min(rest, limit)
    // One segment is what most calls have.
    if isKernel || !vector.isEmpty || !isGuestMemory(address, UInt(bitPattern: part)) {
      return try clearSegments(limit)
    }
    let left = unsafe arch_user_clear(UnsafeMutableRawPointer(bitPattern: address), part)
    if left != 0 { return try cleared(part &- left) }
    pass(part)
    return part
  }
  @inline(never) private mutating func cleared(_ done: Int) throws(Errno) -> Int {
    pass(done)
    if done == 0 { throw .fault }
    return done
  }
  /// In a single segment.
  @inline(__always) private mutating func pass(_ moved: Int) {
    address &+= UInt(bitPattern: moved)
    rest &-= moved
    count &-= moved
  }
  @inline(never) private mutating func clearSegments(_ limit: Int) throws(Errno) -> Int {
    var done = 0
    while done < limit && count > 0 {
      let part = min(rest, limit &- done)
      guard isKernel || isGuestMemory(address, UInt(part)) else { break }
      let left = unsafe arch_user_clear(UnsafeMutableRawPointer(bitPattern: address), part)
      done &+= part &- left
      advance(part &- left)
      if left > 0 { break }
    }
    if done == 0 && limit > 0 && count > 0 { throw .fault }
    return done
  }
  /// Passes over up to `limit` bytes without touching them (writing to /dev/null).
  @inline(__always) public mutating func skip(_ limit: Int) -> Int {
    if !vector.isEmpty { return skipSegments(limit) }
    let part = min(rest, limit)
    pass(part)
    return part
  }
  @inline(never) private mutating func skipSegments(_ limit: Int) -> Int {
    var done = 0
    while done < limit && count > 0 {
      let part = min(rest, limit &- done)
      done &+= part
      advance(part)
    }
    return done
  }

  /// Leaves at most `count` bytes to go.
  @inline(__always) public mutating func cut(to count: Int) {
    if count >= self.count { return }
    self.count = max(count, 0)
    rest = min(rest, self.count)
  }

  @inline(__always)
  private mutating func move(_ base: UnsafeMutableRawPointer, _ limit: Int, out: Bool) throws(Errno) -> Int {
    let part = min(rest, limit)
    if isKernel || !vector.isEmpty || !isGuestMemory(address, UInt(bitPattern: part)) {
      return unsafe try moveSegments(base, limit, out: out)
    }
    mightSleep()
    let user = unsafe UnsafeMutableRawPointer(bitPattern: address)
    let left = unsafe out ? arch_user_copy(user, base, part) : arch_user_copy(base, user, part)
    if left != 0 { return try cleared(part &- left) }
    pass(part)
    return part
  }
  @inline(never)
  private mutating func moveSegments(_ base: UnsafeMutableRawPointer, _ limit: Int, out: Bool) throws(Errno) -> Int {
    if !isKernel { mightSleep() }
    var done = 0
    while done < limit && count > 0 {
      let part = min(rest, limit &- done)
      guard isKernel || isGuestMemory(address, UInt(part)) else { break }
      let user = unsafe UnsafeMutableRawPointer(bitPattern: address), kernel = unsafe base + done
      let left = unsafe out ? arch_user_copy(user, kernel, part) : arch_user_copy(kernel, user, part)
      done &+= part &- left
      advance(part &- left)
      if left > 0 { break }
    }
    if done == 0 && limit > 0 && count > 0 { throw .fault }
    return done
  }
}

/// Whether a vCPU is in the host's write to kernel memory. One that dies there leaves it set, and all copy themselves.
private let isHostFilling = Atomic<Bool>(false)

/// Rings and scratch space that are arrays.
extension IOBuffers {
  /// Copies `range` of `bytes` to the buffers, as much as fits (a read).
  public mutating func copyOut(_ bytes: borrowing [UInt8], _ range: Range<Int>) throws(Errno) -> Int {
    let window = bytes.span.extracting(range)
    return try unsafe window.withUnsafeBufferPointer { (b) throws(Errno) -> Int in
      guard let base = b.baseAddress else { return 0 }
      return unsafe try move(UnsafeMutableRawPointer(mutating: base), b.count, out: true)
    }
  }
  /// Fills `range` of `bytes` from the buffers, as far as they go (a write).
  public mutating func copyIn(_ bytes: inout [UInt8], _ range: Range<Int>) throws(Errno) -> Int {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
    var error: Errno?
    let moved = unsafe bytes.withUnsafeMutableBufferPointer { b -> Int in
      guard let base = b.baseAddress else { return 0 }
      do throws(Errno) {
        return unsafe try move(UnsafeMutableRawPointer(base + range.lowerBound), range.count, out: false)
      } catch let thrown {
        error = thrown
        return 0
      }
    }
    if let error { throw error }
    return moved
  }
}
