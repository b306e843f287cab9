import CLinux
import CMachine

/// What the guest's open file descriptions on the host's descriptors need: the calls on one descriptor. Errors are the
/// host's own numbers, which mean the same to the guest.
extension HostDescriptor {
  /// A descriptor that Martlet was started with and that stays open for the machine's life, or nil where it is closed.
  public static func inherited(_ number: Int32) -> HostDescriptor? {
    if StandardStreams.isClosed(number) || hostCall(__NR_fcntl, Int(number), Int(F_GETFD)) < 0 { return nil }
    return HostDescriptor(keeping: number)
  }

  @inline(__always) func call(_ call: Int32, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0) throws(Errno)
    -> Int
  {
    while true {
      let result = hostCall(call, Int(number), b, c, d, e)
      guard let error = HostError(result) else { return result }
      if error.number != EINTR { throw error.guest }  // a kick
    }
  }

  /// fstat(2).
  public func status() throws(Errno) -> linux_stat {
    var result = linux_stat()
    _ = unsafe try call(__NR_fstat, address(&result))
    return result
  }
  /// F_GETFL: access mode and status flags.
  public func statusFlags() throws(Errno) -> Int32 { Int32(truncatingIfNeeded: try call(__NR_fcntl, Int(F_GETFL))) }
  /// lseek(2), SEEK_DATA and SEEK_HOLE included.
  public func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { try call(__NR_lseek, offset, Int(whence)) }
  /// fsync(2), fdatasync(2), by a worker. Sleeps.
  public func sync(dataOnly: Bool) throws(Errno) {
    if let error = HostError(Workers.call(dataOnly ? __NR_fdatasync : __NR_fsync, Int(number))) { throw error.guest }
  }
  /// syncfs(2), by a worker. Sleeps.
  public func syncFileSystem() throws(Errno) {
    if let error = HostError(Workers.call(__NR_syncfs, Int(number))) { throw error.guest }
  }
  /// ftruncate(2).
  public func truncate(_ size: Int) throws(Errno) { _ = try call(__NR_ftruncate, size) }
  /// fchmod(2).
  public func changeMode(_ mode: UInt32) throws(Errno) { _ = try call(__NR_fchmod, Int(mode)) }
  /// fallocate(2).
  public func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) {
    _ = try call(__NR_fallocate, Int(mode), offset, count)
  }

  /// The events of poll(2) among `events` (and those that it always reports) that are there now.
  public func readiness(_ events: UInt32) -> UInt32 {
    var item = linux_pollfd()
    item.fd = number
    item.events = Int16(truncatingIfNeeded: events)
    while true {
      let result = unsafe hostCall(__NR_poll, address(&item), 1, 0)
      if result >= 0 { return UInt32(UInt16(bitPattern: item.revents)) }
      if result != -Int(EINTR) { return LINUX_EPOLLERR }
    }
  }

  /// FIONREAD.
  public func bytesWaiting() throws(Errno) -> Int32 {
    var count: Int32 = 0
    _ = unsafe try call(__NR_ioctl, Int(FIONREAD), address(&count))
    return count
  }
  /// TCGETS2. Errors: ENOTTY where it is no terminal.
  public func terminalAttributes() throws(Errno) -> termios2 {
    var result = termios2()
    _ = unsafe try call(__NR_ioctl, Int(LINUX_TCGETS2), address(&result))
    return result
  }
  /// TIOCGWINSZ.
  public func windowSize() throws(Errno) -> linux_winsize {
    var result = linux_winsize()
    _ = unsafe try call(__NR_ioctl, Int(TIOCGWINSZ), address(&result))
    return result
  }

  /// A write of kernel memory, at most `count` bytes, to a stream. Returns what the host took. Errors: EAGAIN where it
  /// would block and `nonBlocking`, EOPNOTSUPP where it cannot tell.
  public func write(_ bytes: KernelBytes, nonBlocking: Bool = false) throws(Errno) -> Int {
    var buffers = IOBuffers(kernel: bytes)
    return try buffers.writeHost(self, nonBlocking: nonBlocking)
  }
  /// A read into kernel memory, as `write`.
  public func read(_ bytes: KernelBytes, nonBlocking: Bool = false) throws(Errno) -> Int {
    var buffers = IOBuffers(kernel: bytes)
    return try buffers.readHost(self, nonBlocking: nonBlocking)
  }
}

extension IOBuffers {
  /// Reads from a host descriptor straight into the buffers: at most `limit` bytes, at `offset`, or where the descriptor
  /// stands if that is nil. Returns the bytes read; 0 is the end. With `isWhole` (files) a read goes on until the end of
  /// the file or of the buffers. Errors: the host's; EAGAIN where it would block and `nonBlocking`, EOPNOTSUPP where the
  /// host cannot tell whether it would; EFAULT.
  public mutating func readHost(
    _ descriptor: borrowing HostDescriptor, at offset: Int? = nil, limit: Int = .max, nonBlocking: Bool = false,
    isWhole: Bool = false
  ) throws(Errno) -> Int {
    try transfer(descriptor, offset, limit, nonBlocking ? RWF_NOWAIT_FLAG : 0, isWhole, isRead: true)
  }
  /// Writes the buffers to a host descriptor: as `readHost`.
  public mutating func writeHost(
    _ descriptor: borrowing HostDescriptor, at offset: Int? = nil, limit: Int = .max, nonBlocking: Bool = false,
    isWhole: Bool = false
  ) throws(Errno) -> Int {
    try transfer(descriptor, offset, limit, nonBlocking ? RWF_NOWAIT_FLAG : 0, isWhole, isRead: false)
  }

  /// Writes all of the buffers at the end of a host file, wherever that is.
  public mutating func appendHost(_ descriptor: borrowing HostDescriptor) throws(Errno) -> Int {
    try transfer(descriptor, 0, .max, RWF_APPEND_FLAG, true, isRead: false)
  }

  @inline(__always)
  private mutating func transfer(
    _ descriptor: borrowing HostDescriptor, _ offset: Int?, _ limit: Int, _ flags: Int, _ isWhole: Bool,
    isRead: Bool
  ) throws(Errno) -> Int {
    let number = descriptor.number
    let asked = min(limit, rest)
    guard vector.isEmpty && (isKernel || isGuestMemory(address, UInt(bitPattern: asked))) else {
      return try transferSlowly(number, offset, limit, flags, isWhole, isRead)
    }
    let result = attempt(number, asked, offset, flags, isRead)
    guard result >= 0 && (result == asked || !isWhole) else {
      return try finish(number, asked, offset, limit, flags, isWhole, isRead, result)
    }
    advance(result)
    return result
  }

  /// After a first attempt that failed or was short.
  @inline(never) private mutating func finish(
    _ number: Int32, _ asked: Int, _ offset: Int?, _ limit: Int, _ flags: Int, _ isWhole: Bool, _ isRead: Bool,
    _ result: Int
  ) throws(Errno) -> Int {
    if let error = HostError(result) {
      if error.number == EFAULT || error.number == EINTR {
        return try transferSlowly(number, offset, limit, flags, isWhole, isRead)
      }
      throw error.guest
    }
    advance(result)
    // Short: the end of the file, or a page of the buffer that is not filled yet.
    if result == 0 || address & 4095 != 0 { return result }
    do throws(Errno) {
      return result
        + (try transferSlowly(number, offset.map { $0 &+ result }, limit &- result, flags, isWhole, isRead))
    } catch {
      return result
    }
  }

  @inline(__always) private func attempt(
    _ number: Int32, _ asked: Int, _ offset: Int?, _ flags: Int, _ isRead: Bool
  ) -> Int {
    if flags != 0 {
      var segment = linux_iovec()
      unsafe segment.iov_base = UnsafeMutableRawPointer(bitPattern: address)
      unsafe segment.iov_len = __kernel_size_t(asked)
      return unsafe withUnsafePointer(to: segment) { p in
        unsafe hostCall(
          isRead ? __NR_preadv2 : __NR_pwritev2, Int(number), Int(bitPattern: p), 1, offset ?? -1, 0,
          flags)
      }
    }
    if let offset {
      return hostCall(isRead ? __NR_pread64 : __NR_pwrite64, Int(number), Int(bitPattern: address), asked, offset)
    }
    return hostCall(isRead ? __NR_read : __NR_write, Int(number), Int(bitPattern: address), asked)
  }

  /// Segment by segment, with pages filled that the host found missing. A stream gets more than one segment only while
  /// that does not block.
  private mutating func transferSlowly(
    _ number: Int32, _ offset: Int?, _ limit: Int, _ flags: Int, _ isWhole: Bool, _ isRead: Bool
  ) throws(Errno) -> Int {
    var done = 0, faults = 0
    var bound = Int.max
    while count > 0 && done < limit {
      let asked = min(rest, limit &- done, bound)
      bound = .max
      guard isKernel || isGuestMemory(address, UInt(bitPattern: asked)) else {
        if done > 0 { return done }
        throw .fault
      }
      if done > 0 && flags == 0 && !isWhole && offset == nil && !isReady(number, isRead) { return done }
      let result = attempt(number, asked, offset.map { $0 &+ done }, flags, isRead)
      if let error = HostError(result) {
        if error.number == EINTR { continue }
        if error.number == EFAULT && faults < 16 && !isKernel {
          faults += 1
          bound = fillable(asked, isRead)
          if bound > 0 { continue }
        }
        if done > 0 { return done }
        throw error.guest
      }
      let isPageEnd = (address &+ UInt(result)) & 4095 == 0
      advance(result)
      done &+= result
      if result == 0 || (result < asked && !(isWhole && isPageEnd)) { return done }
      if result < asked && !isKernel {
        bound = fillable(min(rest, 1 << 20), isRead)
        if bound == 0 { return done }
      }
    }
    return done
  }

  private func isReady(_ number: Int32, _ isRead: Bool) -> Bool {
    var item = linux_pollfd()
    item.fd = number
    item.events = Int16(truncatingIfNeeded: isRead ? LINUX_EPOLLIN : LINUX_EPOLLOUT)
    return unsafe hostCall(__NR_poll, Machine.address(&item), 1, 0) > 0
  }

  /// How many of the next `limit` bytes the guest may access; pages that are only unfilled are filled.
  private func fillable(_ limit: Int, _ isRead: Bool) -> Int {
    var at = address
    let end = address &+ UInt(min(limit, 1 << 20))
    while at < end {
      var word: UInt32 = 0
      let target = unsafe UnsafeMutableRawPointer(bitPattern: at & ~3)
      // A compare-and-exchange of 0 for 0 needs write access and changes nothing.
      let refused =
        isRead
        ? unsafe arch_user_compare_exchange32(target, &word, 0) != 0 : unsafe arch_user_load32(target, &word) != 0
      if refused { break }
      at = (at &+ 4096) & ~4095
    }
    return at <= address ? 0 : min(Int(at &- address), limit)
  }
}

// RWF_NOWAIT and RWF_APPEND, whose macros are casts.
private var RWF_NOWAIT_FLAG: Int { 8 }
private var RWF_APPEND_FLAG: Int { 16 }
