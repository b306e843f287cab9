import CLinux
import Machine

// open(2) and its like, close(2), dup(2).

extension Task {
  /// As `withFile`, for calls that take O_PATH descriptors too.
  @inline(__always)
  func withAnyFile<R: ~Copyable>(_ descriptor: Int32, _ body: (File) throws(Errno) -> R) throws(Errno) -> R {
    try table.with { (table) throws(Errno) -> R in try table.withFile(Int(descriptor), body) }
  }
  /// RLIMIT_NOFILE.
  @inline(__always) var descriptorLimit: Int { process.limits.soft(RLIMIT_NOFILE) }
}

// O_SYNC, O_TMPFILE and FASYNC are macros that Swift does not see everywhere.
private var validOpenFlags: Int32 {
  O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | 0o4010000 | O_DIRECT
    | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | 0o20000000 | 0o20000
}

private func openFile(_ task: Task, _ directory: Int32, _ path: Int, _ how: OpenHow) throws(Errno) -> SyscallOutcome {
  let text = UserPointer<UInt8>(UInt(bitPattern: path))
  if how.isPlain, task.table.with({ $0.hasRoom(below: task.descriptorLimit) }),
    let file = try openCached(task, directory, text, how.flags)
  {
    Notify.file(file, NotifyMask.open)
    return .value(
      try task.table.with { (table) throws(Errno) -> Int in
        try table.install(file, closeOnExec: how.flags & O_CLOEXEC != 0, limit: task.descriptorLimit)
      })
  }
  let path = try task.path(path)
  return try install(task, how) { (flags) throws(Errno) -> File in
    var how = how
    how.flags = flags
    return try Opening.open(task, directory, path, how)
  }
}
private func openCached(
  _ task: Task, _ directory: Int32, _ path: UserPointer<UInt8>, _ flags: Int32
) throws(Errno) -> File? {
  try path.withShortPath { (path) throws(Errno) -> File? in
    try task.withCached(directory, path, follow: flags & O_NOFOLLOW == 0, confirmsLast: false) {
      (found) throws(Errno) -> File? in
      try task.credentials.borrowed.with { (c) throws(Errno) -> File? in
        try Opening.openCached(found, flags & ~O_CLOEXEC, c)
      }
    }
  }
}
/// Reserves the descriptor first, so that nothing is made where there is none left. `open` is given the flags of the file.
@inline(__always) private func install(
  _ task: Task, _ how: OpenHow, _ open: (Int32) throws(Errno) -> File
) throws(Errno) -> SyscallOutcome {
  try task.table.with { (table) throws(Errno) -> SyscallOutcome in
    let descriptor = try table.reserve(closeOnExec: how.flags & O_CLOEXEC != 0, limit: task.descriptorLimit)
    do throws(Errno) { table.publish(descriptor, try open(how.flags & ~O_CLOEXEC)) } catch {
      table.unreserve(descriptor)
      throw error
    }
    return .value(descriptor)
  }
}

/// Implements Linux syscall open(2).
func sysOpen(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let how = try OpenHow(flags: args.i1 & validOpenFlags | O_LARGEFILE, mode: UInt32(bitPattern: args.i2))
  return try openFile(task, AT_FDCWD, args.a0, how)
}
/// Implements Linux syscall openat: open(2).
func sysOpenat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let how = try OpenHow(flags: args.i2 & validOpenFlags | O_LARGEFILE, mode: UInt32(bitPattern: args.i3))
  return try openFile(task, args.i0, args.a1, how)
}
/// Implements Linux syscall creat: open(2).
func sysCreat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let how = try OpenHow(flags: O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode: UInt32(bitPattern: args.i1))
  return try openFile(task, AT_FDCWD, args.a0, how)
}
/// Implements Linux syscall openat2(2).
func sysOpenat2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let size = args.a3
  guard size >= 24 else { throw .invalid }
  guard size <= 4096 else { throw .tooBig }
  let pointer: UserPointer<UInt64> = args.pointer2()
  if size > 24 {
    let rest = try pointer.cast(to: UInt8.self).offset(bytes: 24).copyIn(count: size - 24)
    for byte in rest where byte != 0 { throw .tooBig }
  }
  let flags = try pointer.copyIn(), mode = try pointer.advanced(by: 1).copyIn(),
    resolve = try pointer.advanced(by: 2).copyIn()
  guard flags & ~UInt64(UInt32(bitPattern: validOpenFlags)) == 0, mode & ~0o7777 == 0, resolve & ~0x3f == 0 else {
    throw .invalid
  }
  let open = Int32(truncatingIfNeeded: flags)
  if mode != 0 && open & (O_CREAT | 0o20000000) == 0 { throw .invalid }
  if open & O_PATH != 0 && open & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC) != 0 { throw .invalid }
  var walk: WalkFlags = []
  if resolve & UInt64(RESOLVE_NO_XDEV) != 0 { walk.insert(.noMounts) }
  if resolve & UInt64(RESOLVE_NO_MAGICLINKS) != 0 { walk.insert(.noMagicLinks) }
  if resolve & UInt64(RESOLVE_NO_SYMLINKS) != 0 { walk.insert(.noSymbolicLinks) }
  if resolve & UInt64(RESOLVE_BENEATH) != 0 { walk.insert(.beneath) }
  if resolve & UInt64(RESOLVE_IN_ROOT) != 0 { walk.insert(.inRoot) }
  if walk.contains([.beneath, .inRoot]) { throw .invalid }
  if resolve & UInt64(RESOLVE_CACHED) != 0 {
    if open & (O_TRUNC | O_CREAT | 0o20000000) != 0 { throw .wouldBlock }
    walk.insert(.cached)
  }
  return try openFile(task, args.i0, args.a1, try OpenHow(flags: open | O_LARGEFILE, mode: UInt32(mode), walk: walk))
}

/// Implements Linux syscall close(2).
func sysClose(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  do throws(Errno) {
    try task.table.with { (table) throws(Errno) in try table.close(Int(args.i0), task) }
  } catch {
    // The descriptor is closed whatever happened: the call must not be made again.
    throw error.number >= 512 ? .interrupted : error
  }
  return .value(0)
}

/// Implements Linux syscall close_range(2).
func sysCloseRange(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let first = Int(UInt32(bitPattern: args.i0)), last = Int(UInt32(bitPattern: args.i1))
  guard args.i2 & ~6 == 0, first <= last else { throw .invalid }
  if args.i2 & 2 != 0 && task.table.with({ $0.users > 1 }) {  // CLOSE_RANGE_UNSHARE
    let copy = task.table.with { $0.copy() }
    let old = task.table.object
    task.setFiles(copy)
    old.leave(task)
  }
  task.table.with { table in
    var at = first
    while let descriptor = table.next(from: at), descriptor <= last {
      at = descriptor + 1
      if args.i2 & 4 != 0 {  // CLOSE_RANGE_CLOEXEC
        _ = try? table.setClosesOnExec(descriptor, true)
      } else {
        _ = try? table.close(descriptor, task)
      }
    }
  }
  return .value(0)
}

/// Implements Linux syscall dup(2).
func sysDup(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try duplicate(task, args.i0, from: 0, closeOnExec: false))
}
/// The lowest free descriptor from `from` on, for the same file.
func duplicate(_ task: Task, _ descriptor: Int32, from: Int, closeOnExec: Bool) throws(Errno) -> Int {
  try task.withAnyFile(descriptor) { (file) throws(Errno) -> Int in
    guard from >= 0, from < task.descriptorLimit else { throw .invalid }
    return try task.table.with { (table) throws(Errno) -> Int in
      try table.install(file, from: from, closeOnExec: closeOnExec, limit: task.descriptorLimit)
    }
  }
}
/// Implements Linux syscall dup2: dup(2).
func sysDup2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.i0 == args.i1 { return .value(try task.withAnyFile(args.i0) { _ in Int(args.i0) }) }
  return try replace(task, args.i0, args.i1, closeOnExec: false)
}
/// Implements Linux syscall dup3: dup(2).
func sysDup3(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i2 & ~O_CLOEXEC == 0, args.i0 != args.i1 else { throw .invalid }
  return try replace(task, args.i0, args.i1, closeOnExec: args.i2 & O_CLOEXEC != 0)
}
private func replace(_ task: Task, _ old: Int32, _ new: Int32, closeOnExec: Bool) throws(Errno) -> SyscallOutcome {
  guard new >= 0, Int(new) < task.descriptorLimit else { throw .badDescriptor }
  let replaced = try task.withAnyFile(old) { (file) throws(Errno) -> File? in
    try task.table.with { (table) throws(Errno) -> File? in try table.exchange(Int(new), file, closeOnExec: closeOnExec)
    }
  }
  if let replaced { task.table.with { table in _ = try? table.release(replaced, task) } }
  return .value(Int(new))
}
