import CLinux
import Machine

// inotify(7).

/// Implements Linux syscall inotify_init(2).
func sysInotifyInit(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome { try makeInotify(task, 0) }
/// Implements Linux syscall inotify_init1: inotify_init(2).
func sysInotifyInit1(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i0 & ~(O_CLOEXEC | O_NONBLOCK) == 0 else { throw .invalid }
  return try makeInotify(task, args.i0)
}
private func makeInotify(_ task: Task, _ flags: Int32) throws(Errno) -> SyscallOutcome {
  try MemoryBound.check(1024)
  let file = InotifyFile(flags: O_RDONLY | flags & O_NONBLOCK)
  return .value(
    try task.table.with { (table) throws(Errno) -> Int in
      try table.install(file, closeOnExec: flags & O_CLOEXEC != 0, limit: task.descriptorLimit)
    })
}

/// Implements Linux syscall inotify_add_watch(2).
func sysInotifyAddWatch(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let mask = UInt32(bitPattern: args.i2)
  let known =
    NotifyMask.all | NotifyMask.onlyDirectory | NotifyMask.dontFollow | NotifyMask.excludeUnlinked
    | NotifyMask.maskCreate
    | NotifyMask.maskAdd | NotifyMask.isDirectory | NotifyMask.oneShot | NotifyMask.unmount | NotifyMask.overflow
    | NotifyMask.ignored
  guard mask & known != 0 else { throw .invalid }
  let both = NotifyMask.maskAdd | NotifyMask.maskCreate
  if mask & both == both { throw .invalid }
  return .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard let file = file as? InotifyFile else { throw .invalid }
      var walk: WalkFlags = mask & NotifyMask.dontFollow == 0 ? .follow : []
      if mask & NotifyMask.onlyDirectory != 0 { walk.insert(.directory) }
      let path = try task.resolve(AT_FDCWD, try task.path(args.a1), walk)
      let inode = path.dentry.inode
      try task.credentials.borrowed.with { (c) throws(Errno) in try inode.checkPermission(4, c) }
      return try inotify.with { (table) throws(Errno) -> Int in Int(try table.add(file.notifications, inode, mask)) }
    })
}

/// Implements Linux syscall inotify_rm_watch(2).
func sysInotifyRmWatch(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    guard let file = file as? InotifyFile else { throw .invalid }
    try inotify.with { (table) throws(Errno) in try table.remove(file.notifications, args.i1) }
  }
  return .value(0)
}
