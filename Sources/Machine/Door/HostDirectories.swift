import CLinux
import CMachine

/// What hostfs asks of the host: calls below one directory descriptor. A name is one component, never empty, without a
/// slash, at most 255 bytes, and never followed where it is a symbolic link: so nothing here leaves the directory.
/// Errors are the host's. All of these may block on a network's file system; they are made in place.
extension HostDescriptor {
  /// openat2(2) of `name` here. With O_PATH a symbolic link itself is opened.
  public borrowing func open(_ name: Span<UInt8>, _ flags: Int32, mode: UInt32 = 0) throws(Errno) -> HostDescriptor {
    HostDescriptor(try withHostName(name) { (p) throws(Errno) -> Int32 in try openBeneath(p, flags, mode) })
  }
  /// The same for a path of several names, which ends in a NUL and passes through no symbolic link.
  public borrowing func open(path: [UInt8], _ flags: Int32) throws(Errno) -> HostDescriptor {
    precondition(path.last == 0)
    return HostDescriptor(
      try unsafe path.withUnsafeBufferPointer { (b) throws(Errno) -> Int32 in
        try openBeneath(Int(bitPattern: b.baseAddress), flags, 0)
      })
  }
  /// This directory itself, anew; with O_TMPFILE a file without a name in it.
  public borrowing func reopen(_ flags: Int32, mode: UInt32 = 0) throws(Errno) -> HostDescriptor {
    let dot: StaticString = "."
    return HostDescriptor(try unsafe openBeneath(Int(bitPattern: dot.utf8Start), flags, mode))
  }

  private borrowing func openBeneath(_ path: Int, _ flags: Int32, _ mode: UInt32) throws(Errno) -> Int32 {
    var how = linux_open_how()
    how.flags = UInt64(UInt32(bitPattern: flags | O_CLOEXEC | O_NOFOLLOW))
    how.mode = UInt64(mode)
    how.resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)
    var left = 100
    while true {
      do throws(Errno) {
        return Int32(
          truncatingIfNeeded: try unsafe call(__NR_openat2, path, address(&how), MemoryLayout<linux_open_how>.size))
      } catch {
        // EAGAIN: something was renamed meanwhile, and the host could not be sure.
        left -= 1
        if error != .wouldBlock || left == 0 { throw error }
      }
    }
  }

  /// statx(2) of `name` here, or of this file itself.
  public borrowing func attributes(of name: Span<UInt8>) throws(Errno) -> linux_statx {
    try withHostName(name) { (p) throws(Errno) -> linux_statx in try attributes(p, AT_SYMLINK_NOFOLLOW) }
  }
  public borrowing func attributes() throws(Errno) -> linux_statx {
    try attributes(emptyName, AT_EMPTY_PATH)
  }
  private borrowing func attributes(_ path: Int, _ flags: Int32) throws(Errno) -> linux_statx {
    try withAttributes(path, flags) { $0 }
  }
  /// Runs `body` on the same, which no zeroes are written for.
  @inline(__always)
  public borrowing func withAttributes<R>(_ body: (inout linux_statx) throws(Errno) -> R) throws(Errno) -> R {
    try withAttributes(emptyName, AT_EMPTY_PATH, body)
  }
  /// The same for the name that `path` has from `start` to `end`. Nil where it fails.
  @inline(__always)
  public borrowing func withAttributes<R>(
    of path: ShortPath, _ start: Int, _ end: Int, _ body: (inout linux_statx) -> R
  ) -> R? {
    path.withTerminated(start, end) { p -> R? in
      do throws(Errno) { return try withAttributes(p, AT_SYMLINK_NOFOLLOW, body) } catch { return nil }
    } ?? nil
  }
  @inline(__always)
  private borrowing func withAttributes<R>(
    _ path: Int, _ flags: Int32, _ body: (inout linux_statx) throws(Errno) -> R
  ) throws(Errno) -> R {
    let mask = Int(STATX_BASIC_STATS | STATX_BTIME)
    return try unsafe withUnsafeTemporaryAllocation(of: linux_statx.self, capacity: 1) {
      (room) throws(Errno) -> R in
      guard let result = room.baseAddress else { throw .noMemory }
      _ = try call(__NR_statx, path, Int(flags | AT_NO_AUTOMOUNT), mask, Int(bitPattern: result))
      // SAFETY: the call has succeeded, and has written all of it.
      return unsafe try body(&result.pointee)
    }
  }
  /// openat2(2) of that name. Nil where it fails.
  public borrowing func open(_ path: ShortPath, _ start: Int, _ end: Int, _ flags: Int32) -> HostDescriptor? {
    let opened = path.withTerminated(start, end) { p -> Int32 in
      do throws(Errno) { return try openBeneath(p, flags, 0) } catch { return -1 }
    }
    guard let opened, opened >= 0 else { return nil }
    return HostDescriptor(opened)
  }

  // MARK: names

  public borrowing func makeDirectory(_ name: Span<UInt8>, _ mode: UInt32) throws(Errno) {
    try withHostName(name) { (p) throws(Errno) in _ = try call(__NR_mkdirat, p, Int(mode)) }
  }
  public borrowing func makeNode(_ name: Span<UInt8>, _ mode: UInt32, _ device: UInt32) throws(Errno) {
    try withHostName(name) { (p) throws(Errno) in _ = try call(__NR_mknodat, p, Int(mode), Int(device)) }
  }
  /// A symbolic link; `target` ends in a NUL.
  public borrowing func makeLink(_ name: Span<UInt8>, target: [UInt8]) throws(Errno) {
    precondition(target.last == 0)
    let number = number
    try withHostName(name) { (p) throws(Errno) in
      let result = unsafe target.withUnsafeBufferPointer { b in
        unsafe hostCall(__NR_symlinkat, Int(bitPattern: b.baseAddress), Int(number), p)
      }
      if let error = HostError(result) { throw error.guest }
    }
  }
  /// `newName` in `directory` for what is `name` here.
  public borrowing func link(
    _ name: Span<UInt8>, to directory: borrowing HostDescriptor, _ newName: Span<UInt8>
  ) throws(Errno) {
    let target = Int(directory.number)
    try withHostName(name) { (old) throws(Errno) in
      try withHostName(newName) { (new) throws(Errno) in _ = try call(__NR_linkat, old, target, new, 0) }
    }
  }
  /// `newName` in `directory` for this file itself, which has no name. Errors: ENOENT where the host wants a right for it.
  public borrowing func linkSelf(to directory: borrowing HostDescriptor, _ newName: Span<UInt8>) throws(Errno) {
    let target = Int(directory.number)
    try withHostName(newName) { (new) throws(Errno) in
      _ = try call(__NR_linkat, emptyName, target, new, Int(AT_EMPTY_PATH))
    }
  }
  public borrowing func remove(_ name: Span<UInt8>, isDirectory: Bool) throws(Errno) {
    try withHostName(name) { (p) throws(Errno) in _ = try call(__NR_unlinkat, p, isDirectory ? Int(AT_REMOVEDIR) : 0) }
  }
  /// renameat2(2).
  public borrowing func rename(
    _ name: Span<UInt8>, to directory: borrowing HostDescriptor, _ newName: Span<UInt8>, _ flags: UInt32
  ) throws(Errno) {
    let target = Int(directory.number)
    try withHostName(name) { (old) throws(Errno) in
      try withHostName(newName) { (new) throws(Errno) in _ = try call(__NR_renameat2, old, target, new, Int(flags)) }
    }
  }
  /// A symbolic link's text; the descriptor is the link's own (O_PATH).
  public borrowing func linkText() throws(Errno) -> [UInt8] {
    let buffer = try KernelBuffer(count: 4096)
    let count = unsafe try call(__NR_readlinkat, emptyName, Int(bitPattern: buffer.bytes.base), 4096)
    return buffer.bytes.slice(0, count).array
  }
  /// getdents64(2) from where the descriptor stands. Returns the bytes; 0 is the end.
  public borrowing func entries(_ bytes: KernelBytes) throws(Errno) -> Int {
    unsafe try call(__NR_getdents64, Int(bitPattern: bytes.base), bytes.count)
  }

  // MARK: attributes

  /// Owner and group; UInt32.max leaves one as it is.
  public borrowing func changeOwner(_ uid: UInt32, _ gid: UInt32) throws(Errno) {
    _ = try call(__NR_fchownat, emptyName, Int(uid), Int(gid), Int(AT_EMPTY_PATH))
  }
  /// fchmodat2(2) on an O_PATH descriptor. Hosts before 6.6 have no such call, and filters of containers refuse it: then by
  /// /proc's link to the descriptor.
  public borrowing func changePathMode(_ mode: UInt32) throws(Errno) {
    do throws(Errno) {
      _ = try call(NR_fchmodat2, emptyName, Int(mode), Int(AT_EMPTY_PATH))
    } catch {
      guard error == .noCall || error == .notPermitted else { throw error }
      let path = Array("/proc/self/fd/\(number)\0".utf8)
      try unsafe path.withUnsafeBufferPointer { (b) throws(Errno) in
        let result = unsafe hostCall(__NR_fchmodat, Int(AT_FDCWD), Int(bitPattern: b.baseAddress), Int(mode))
        if let error = HostError(result) { throw error.guest }
      }
    }
  }
  /// Times in seconds and nanoseconds; UTIME_OMIT leaves one as it is.
  public borrowing func changeTimes(_ accessed: (Int, Int), _ modified: (Int, Int)) throws(Errno) {
    var times: InlineArray<4, Int> = [accessed.0, accessed.1, modified.0, modified.1]
    _ = unsafe try call(__NR_utimensat, emptyName, address(&times), Int(AT_EMPTY_PATH))
  }
  public borrowing func statistics() throws(Errno) -> linux_statfs {
    var result = linux_statfs()
    _ = unsafe try call(__NR_fstatfs, address(&result))
    return result
  }

  // MARK: extended attributes, on a descriptor that is open for reading; names end in a NUL

  /// The value's length where `bytes` is nil.
  public borrowing func extendedAttribute(_ name: [UInt8], _ bytes: KernelBytes?) throws(Errno) -> Int {
    precondition(name.last == 0)
    return try unsafe name.withUnsafeBufferPointer { (b) throws(Errno) -> Int in
      unsafe try call(
        __NR_fgetxattr, Int(bitPattern: b.baseAddress), Int(bitPattern: bytes?.base), bytes?.count ?? 0)
    }
  }
  public borrowing func setExtendedAttribute(_ name: [UInt8], _ value: [UInt8], _ flags: Int32) throws(Errno) {
    precondition(name.last == 0)
    try unsafe name.withUnsafeBufferPointer { (n) throws(Errno) in
      try unsafe value.withUnsafeBufferPointer { (v) throws(Errno) in
        _ = try call(
          __NR_fsetxattr, Int(bitPattern: n.baseAddress), Int(bitPattern: v.baseAddress), v.count, Int(flags))
      }
    }
  }
  public borrowing func removeExtendedAttribute(_ name: [UInt8]) throws(Errno) {
    precondition(name.last == 0)
    try unsafe name.withUnsafeBufferPointer { (b) throws(Errno) in
      _ = try call(__NR_fremovexattr, Int(bitPattern: b.baseAddress))
    }
  }
  public borrowing func extendedAttributeNames(_ bytes: KernelBytes?) throws(Errno) -> Int {
    unsafe try call(__NR_flistxattr, Int(bitPattern: bytes?.base), bytes?.count ?? 0)
  }
}

/// Not in the headers that the project builds with.
private var NR_fchmodat2: Int32 { 452 }

private var emptyName: Int {
  let name: StaticString = ""
  return unsafe Int(bitPattern: name.utf8Start)
}

/// The address of `name` with a NUL behind it, for a host call.
@inline(__always)
private func withHostName<R>(_ name: Span<UInt8>, _ body: (Int) throws(Errno) -> R) throws(Errno) -> R {
  guard name.count > 0, name.count <= 255 else { throw .nameTooLong }
  if name[0] == 46 && (name.count == 1 || name.count == 2 && name[1] == 46) { throw .invalid }
  return try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { (b) throws(Errno) -> R in
    for i in name.indices {
      // One component, whatever the caller checked.
      guard name[i] != 47 && name[i] != 0 else { throw .invalid }
      unsafe b[i] = name[i]
    }
    unsafe b[name.count] = 0
    return try body(Int(bitPattern: b.baseAddress))
  }
}
