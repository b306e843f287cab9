import CLinux
import Machine

// getdents(2), getcwd(2), chdir(2), chroot(2), umask(2).

/// Implements Linux syscall getdents64: getdents(2).
func sysGetdents64(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try listDirectory(task, args, isOld: false)
}
/// Implements Linux syscall getdents(2).
func sysGetdents(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try listDirectory(task, args, isOld: true)
}
private func listDirectory(_ task: Task, _ args: SyscallArguments, isOld: Bool) throws(Errno) -> SyscallOutcome {
  .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard file.inode.isDirectory else { throw .notDirectory }
      var entries = try DirectoryEntries(args.pointer1(), count: Int(UInt32(bitPattern: args.i2)), isOld: isOld)
      file.positionLock.lock()
      defer { file.positionLock.unlock() }
      try file.readDirectory(&entries)
      if entries.count == 0, let failure = entries.failure { throw failure }
      Notify.file(file, NotifyMask.access)
      return entries.count
    })
}

/// Implements Linux syscall getcwd(2).
func sysGetcwd(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let (directory, root) = task.context.with { ($0.directory, $0.root) }
  if directory.dentry.isDeleted { throw .noEntry }
  var (text, isReachable) = directory.text(below: root)
  if !isReachable { text = Array("(unreachable)".utf8) + text }
  text.append(0)
  if text.count > 4096 { throw .nameTooLong }
  guard UInt(bitPattern: args.a1) >= UInt(text.count) else { throw .range }
  let out: UserPointer<UInt8> = args.pointer0()
  try out.copyOut(text)
  return .value(text.count)
}

/// Implements Linux syscall chdir(2).
func sysChdir(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let path = try task.resolve(AT_FDCWD, try task.path(args.a0), [.follow, .directory])
  try checkEntry(task, path)
  task.context.with { $0.directory = path }
  return .value(0)
}
/// Implements Linux syscall fchdir: chdir(2).
func sysFchdir(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let path = try task.withAnyFile(args.i0) { (file) throws(Errno) -> Path in
    guard let path = file.path, path.dentry.inode.isDirectory else { throw .notDirectory }
    return path
  }
  try checkEntry(task, path)
  task.context.with { $0.directory = path }
  return .value(0)
}
/// Implements Linux syscall chroot(2).
func sysChroot(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let path = try task.resolve(AT_FDCWD, try task.path(args.a0), [.follow, .directory])
  try checkEntry(task, path)
  if !task.credentials.borrowed.with({ $0.has(CAP_SYS_CHROOT) }) { throw .notPermitted }
  task.context.with { $0.root = path }
  return .value(0)
}
private func checkEntry(_ task: Task, _ path: Path) throws(Errno) {
  try task.credentials.borrowed.with { (c) throws(Errno) in try path.dentry.inode.checkPermission(1, c) }
}

/// Implements Linux syscall umask(2).
func sysUmask(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(Int(task.context.with { $0.exchangeUmask(UInt32(bitPattern: args.i0)) }))
}
