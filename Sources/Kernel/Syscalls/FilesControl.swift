import CLinux
import Machine

// fcntl(2), flock(2), ioctl(2).

/// Implements Linux syscall fcntl(2), without leases and directory notification.
func sysFcntl(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  switch args.i1 {
  case F_DUPFD: return .value(try duplicate(task, args.i0, from: args.a2, closeOnExec: false))
  case F_DUPFD_CLOEXEC: return .value(try duplicate(task, args.i0, from: args.a2, closeOnExec: true))
  case F_GETFD:
    return .value(
      try task.table.with { (table) throws(Errno) -> Int in try table.closesOnExec(Int(args.i0)) ? Int(FD_CLOEXEC) : 0 }
    )
  case F_SETFD:
    try task.table.with { (table) throws(Errno) in
      try table.setClosesOnExec(Int(args.i0), args.i2 & FD_CLOEXEC != 0)
    }
    return .value(0)
  case F_GETFL:
    return .value(
      try task.withAnyFile(args.i0) { (file) throws(Errno) -> Int in
        Int(file.flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC))
      })
  default: return .value(try task.withFile(args.i0) { (file) throws(Errno) -> Int in try control(task, file, args) })
  }
}

private func control(_ task: Task, _ file: File, _ args: SyscallArguments) throws(Errno) -> Int {
  switch args.i1 {
  case F_SETFL: try setStatusFlags(task, file, args.i2)
  case F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW:
    try RecordLocks.perform(task, file, args.i1, args.pointer2())
  case F_SETOWN:
    guard args.i2 != Int32.min else { throw .invalid }
    file.owner = args.i2
  case F_GETOWN: return Int(file.owner)
  case F_SETSIG:
    guard args.a2 >= 0, args.a2 <= 64 else { throw .invalid }
    file.ownerSignal = args.i2
  case F_GETSIG: return Int(file.ownerSignal)
  case F_SETOWN_EX:
    let pointer: UserPointer<Int32> = args.pointer2()
    let type = try pointer.copyIn(), id = try pointer.advanced(by: 1).copyIn()
    guard type >= 0, type <= 2, id >= 0 else { throw .invalid }
    file.owner = type == 2 ? -id : id
  case F_GETOWN_EX:
    let pointer: UserPointer<Int32> = args.pointer2()
    try pointer.copyOut(file.owner < 0 ? 2 : 1)
    try pointer.advanced(by: 1).copyOut(file.owner < 0 ? 0 &- file.owner : file.owner)
  case F_GETPIPE_SZ: return try file.pipeSize(task, change: nil)
  case F_SETPIPE_SZ: return try file.pipeSize(task, change: Int(UInt32(bitPattern: args.i2)))
  case F_ADD_SEALS: try addSeals(file, UInt32(bitPattern: args.i2))
  case F_GET_SEALS:
    guard let inode = file.inode as? CachedInode else { throw .invalid }
    return Int(inode.data.seals)
  default:
    if args.i1 == F_SETLEASE || args.i1 == F_GETLEASE || args.i1 == F_NOTIFY {
      Log.info("fcntl: command \(args.i1) is not implemented")
    }
    throw .invalid
  }
  return 0
}

private func setStatusFlags(_ task: Task, _ file: File, _ new: Int32) throws(Errno) {
  let changeable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME
  if new & O_ASYNC != 0 { noteAsync() }
  if new & O_NOATIME != 0 && file.flags & O_NOATIME == 0 {
    if !task.credentials.borrowed.with({ file.inode.isOwned(by: $0) }) { throw .notPermitted }
  }
  let old = file.flags
  file.flags = old & ~changeable | new & changeable
  do throws(Errno) {
    try file.statusFlagsChanged(old)
  } catch {
    file.flags = old
    throw error
  }
}

/// No file sends SIGIO: O_ASYNC does not stick, as on Linux's files that cannot.
private func noteAsync() { Log.info("fcntl, ioctl: O_ASYNC is not implemented") }
private var O_ASYNC: Int32 { 0o20000 }

private func addSeals(_ file: File, _ seals: UInt32) throws(Errno) {
  guard let inode = file.inode as? CachedInode else { throw .invalid }
  guard file.isWritable else { throw .notPermitted }
  guard seals & ~UInt32(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) == 0 else {
    throw .invalid
  }
  try inode.lock.withLock { (_) throws(Errno) in
    if inode.data.seals & UInt32(F_SEAL_SEAL) != 0 { throw .notPermitted }
    if seals & UInt32(F_SEAL_WRITE) != 0 && inode.data.hasWritableMappings { throw .busy }
    inode.data.seals |= seals
  }
}

/// Implements Linux syscall flock(2).
func sysFlock(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    try WholeFileLocks.perform(file, args.i1)
  }
  return .value(0)
}

/// Implements Linux syscall ioctl(2).
func sysIoctl(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let request = UInt32(bitPattern: args.i1)
  return .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      switch request {
      case UInt32(FIOCLEX), UInt32(FIONCLEX):
        try task.table.with { (table) throws(Errno) in
          try table.setClosesOnExec(Int(args.i0), request == UInt32(FIOCLEX))
        }
        return 0
      case UInt32(FIONBIO):
        let pointer: UserPointer<Int32> = args.pointer2()
        let on = try pointer.copyIn() != 0
        try setStatusFlags(task, file, on ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK)
        return 0
      case UInt32(FIOASYNC):
        let pointer: UserPointer<Int32> = args.pointer2()
        if try pointer.copyIn() == 0 { return 0 }
        noteAsync()
        throw .notTerminal
      case UInt32(FIONREAD) where file.inode.isRegular:
        let pointer: UserPointer<Int32> = args.pointer2()
        try pointer.copyOut(Int32(truncatingIfNeeded: file.inode.size &- file.position))
        return 0
      default: return try file.ioctl(task, request, UInt(bitPattern: args.a2))
      }
    })
}
