import CLinux
import Machine

// chmod(2), chown(2), utimensat(2) and their like.

/// Implements Linux syscall chmod(2).
func sysChmod(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try changeMode(task, AT_FDCWD, args.a0, args.i1, 0)
}
/// Implements Linux syscall fchmodat: chmod(2), which has no flags.
func sysFchmodat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try changeMode(task, args.i0, args.a1, args.i2, 0)
}
private func changeMode(
  _ task: Task, _ directory: Int32, _ address: Int, _ mode: Int32, _ flags: Int32
) throws(Errno) -> SyscallOutcome {
  let path = try task.path(address)
  try task.withTarget(directory, path, flags, follow: true, notify: NotifyMask.attributes) {
    (inode, mount) throws(Errno) in
    try task.credentials.borrowed.with { (c) throws(Errno) in
      try Attributes.changeMode(inode, mount, UInt32(bitPattern: mode), c)
    }
  }
  return .value(0)
}
/// Implements Linux syscall fchmod: chmod(2).
func sysFchmod(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    try task.credentials.borrowed.with { (c) throws(Errno) in
      try Attributes.changeMode(file.inode, file.path?.mount, UInt32(bitPattern: args.i1), c)
    }
    Notify.file(file, NotifyMask.attributes)
  }
  return .value(0)
}

/// Implements Linux syscall chown(2).
func sysChown(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try changeOwner(task, AT_FDCWD, args.a0, args.i1, args.i2, 0)
}
/// Implements Linux syscall lchown: chown(2).
func sysLchown(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try changeOwner(task, AT_FDCWD, args.a0, args.i1, args.i2, AT_SYMLINK_NOFOLLOW)
}
/// Implements Linux syscall fchownat: chown(2).
func sysFchownat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i4 & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 else { throw .invalid }
  return try changeOwner(task, args.i0, args.a1, args.i2, args.i3, args.i4)
}
private func changeOwner(
  _ task: Task, _ directory: Int32, _ address: Int, _ uid: Int32, _ gid: Int32, _ flags: Int32
) throws(Errno) -> SyscallOutcome {
  let path = try task.path(address)
  try task.withTarget(directory, path, flags, follow: flags & AT_SYMLINK_NOFOLLOW == 0, notify: NotifyMask.attributes) {
    (inode, mount) throws(Errno) in
    try task.credentials.borrowed.with { (c) throws(Errno) in
      try Attributes.changeOwner(inode, mount, UInt32(bitPattern: uid), UInt32(bitPattern: gid), c)
    }
  }
  return .value(0)
}
/// Implements Linux syscall fchown: chown(2).
func sysFchown(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    try task.credentials.borrowed.with { (c) throws(Errno) in
      try Attributes.changeOwner(
        file.inode, file.path?.mount, UInt32(bitPattern: args.i1), UInt32(bitPattern: args.i2), c)
    }
    Notify.file(file, NotifyMask.attributes)
  }
  return .value(0)
}

/// Two times as the guest gave them.
private struct Times {
  var accessed: FileTime?, modified: FileTime?
  var isNow = false
  static func now() -> Times {
    let now = FileTime.now()
    return Times(accessed: now, modified: now, isNow: true)
  }
}

/// Implements Linux syscall utimensat(2).
func sysUtimensat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var times = Times.now()
  let pointer: UserPointer<linux_timespec> = args.pointer2()
  if !pointer.isNull {
    let accessed = try pointer.copyIn(), modified = try pointer.advanced(by: 1).copyIn()
    let now = (1 << 30) - 1, omit = (1 << 30) - 2  // UTIME_NOW, UTIME_OMIT
    if accessed.tv_nsec == omit && modified.tv_nsec == omit { return .value(0) }
    func time(_ t: linux_timespec) throws(Errno) -> FileTime? {
      if t.tv_nsec == omit { return nil }
      if t.tv_nsec == now { return FileTime.now() }
      guard t.tv_nsec >= 0, t.tv_nsec < 1_000_000_000 else { throw .invalid }
      return FileTime(seconds: t.tv_sec, nanoseconds: Int32(t.tv_nsec))
    }
    times = Times(
      accessed: try time(accessed), modified: try time(modified),
      isNow: accessed.tv_nsec == now && modified.tv_nsec == now)
  }
  if args.a1 == 0 && args.i0 != AT_FDCWD {
    guard args.i3 == 0 else { throw .invalid }
    try task.withFile(args.i0) { (file) throws(Errno) in
      try set(task, file.inode, file.path?.mount, times)
      Notify.file(file, NotifyMask.attributes)
    }
    return .value(0)
  }
  guard args.i3 & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 else { throw .invalid }
  return try setTimes(task, args.i0, args.a1, times, args.i3)
}
/// Implements Linux syscall utime(2).
func sysUtime(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var times = Times.now()
  let pointer: UserPointer<Int> = args.pointer1()
  if !pointer.isNull {
    times = Times(
      accessed: FileTime(seconds: try pointer.copyIn()),
      modified: FileTime(seconds: try pointer.advanced(by: 1).copyIn()))
  }
  return try setTimes(task, AT_FDCWD, args.a0, times, 0)
}
/// Implements Linux syscall utimes(2).
func sysUtimes(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try setTimes(task, AT_FDCWD, args.a0, try timevals(args.pointer1()), 0)
}
/// Implements Linux syscall futimesat(2).
func sysFutimesat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let times = try timevals(args.pointer2())
  if args.a1 == 0 && args.i0 != AT_FDCWD {
    try task.withFile(args.i0) { (file) throws(Errno) in
      try set(task, file.inode, file.path?.mount, times)
      Notify.file(file, NotifyMask.attributes)
    }
    return .value(0)
  }
  return try setTimes(task, args.i0, args.a1, times, 0)
}
private func timevals(_ pointer: UserPointer<linux_timeval>) throws(Errno) -> Times {
  if pointer.isNull { return .now() }
  func time(_ t: linux_timeval) throws(Errno) -> FileTime {
    guard t.tv_usec >= 0, t.tv_usec < 1_000_000 else { throw .invalid }
    return FileTime(seconds: t.tv_sec, nanoseconds: Int32(t.tv_usec * 1000))
  }
  return Times(accessed: try time(try pointer.copyIn()), modified: try time(try pointer.advanced(by: 1).copyIn()))
}
private func setTimes(
  _ task: Task, _ directory: Int32, _ address: Int, _ times: Times, _ flags: Int32
) throws(Errno) -> SyscallOutcome {
  let path = try task.path(address)
  try task.withTarget(directory, path, flags, follow: flags & AT_SYMLINK_NOFOLLOW == 0, notify: NotifyMask.attributes) {
    (inode, mount) throws(Errno) in
    try set(task, inode, mount, times)
  }
  return .value(0)
}
private func set(_ task: Task, _ inode: Inode, _ mount: Mount?, _ times: Times) throws(Errno) {
  try task.credentials.borrowed.with { (c) throws(Errno) in
    try Attributes.changeTimes(inode, mount, times.accessed, times.modified, isNow: times.isNow, c)
  }
}
