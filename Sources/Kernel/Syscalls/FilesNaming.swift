import CLinux
import Machine

// Making, removing and renaming names; readlink(2).

/// Begins a walk that stops before the last name, and runs `body` on it.
private func withWalk(
  _ task: Task, _ directory: Int32, _ address: Int, _ body: (inout PathWalk, Credentials) throws(Errno) -> Void
) throws(Errno) -> SyscallOutcome {
  let path = try task.path(address)
  try task.credentials.borrowed.with { (c) throws(Errno) in
    var walk = try task.walk(directory, path, [], c)
    try body(&walk, c)
  }
  return .value(0)
}

/// Implements Linux syscall mkdir(2).
func sysMkdir(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeDirectory(task, AT_FDCWD, args.a0, args.i1)
}
/// Implements Linux syscall mkdirat: mkdir(2).
func sysMkdirat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeDirectory(task, args.i0, args.a1, args.i2)
}
private func makeDirectory(_ task: Task, _ directory: Int32, _ path: Int, _ mode: Int32) throws(Errno) -> SyscallOutcome
{
  let umask = task.context.with { $0.umask }
  let mode = FileType.directory | UInt32(bitPattern: mode) & 0o1777 & ~umask
  return try withWalk(task, directory, path) { (walk, c) throws(Errno) in
    try Names.make(&walk, c, isDirectory: true) { (parent, name) throws(Errno) -> Inode in
      try parent.mkdir(name, Permissions.newFile(mode, in: parent, c))
    }
  }
}

/// Implements Linux syscall mknod(2).
func sysMknod(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeNode(task, AT_FDCWD, args.a0, args.i1, args.i2)
}
/// Implements Linux syscall mknodat: mknod(2).
func sysMknodat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeNode(task, args.i0, args.a1, args.i2, args.i3)
}
private func makeNode(
  _ task: Task, _ directory: Int32, _ path: Int, _ mode: Int32, _ device: Int32
) throws(Errno) -> SyscallOutcome {
  let mode = UInt32(bitPattern: mode)
  var type = mode & FileType.mask
  switch type {
  case 0: type = FileType.regular
  case FileType.regular, FileType.characterDevice, FileType.blockDevice, FileType.fifo, FileType.socket: break
  case FileType.directory: throw .notPermitted
  default: throw .invalid
  }
  let bits = mode & 0o7777 & ~task.context.with { $0.umask }
  return try withWalk(task, directory, path) { (walk, c) throws(Errno) in
    try Names.make(&walk, c, isDirectory: false) { (parent, name) throws(Errno) -> Inode in
      let isDevice = type == FileType.characterDevice || type == FileType.blockDevice
      if isDevice && !c.has(CAP_MKNOD) { throw .notPermitted }
      let new = Permissions.newFile(type | bits, in: parent, c, rdev: isDevice ? UInt32(bitPattern: device) : 0)
      return type == FileType.regular ? try parent.create(name, new) : try parent.mknod(name, new)
    }
  }
}

/// Implements Linux syscall symlink(2).
func sysSymlink(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeSymbolicLink(task, args.a0, AT_FDCWD, args.a1)
}
/// Implements Linux syscall symlinkat: symlink(2).
func sysSymlinkat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeSymbolicLink(task, args.a0, args.i1, args.a2)
}
private func makeSymbolicLink(_ task: Task, _ target: Int, _ directory: Int32, _ path: Int) throws(Errno)
  -> SyscallOutcome
{
  let target = try task.path(target)
  if target.isEmpty { throw .noEntry }
  return try withWalk(task, directory, path) { (walk, c) throws(Errno) in
    try Names.make(&walk, c, isDirectory: false) { (parent, name) throws(Errno) -> Inode in
      try parent.symlink(name, target: target, Permissions.newFile(FileType.symbolicLink | 0o777, in: parent, c))
    }
  }
}

/// Implements Linux syscall link(2).
func sysLink(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeLink(task, AT_FDCWD, args.a0, AT_FDCWD, args.a1, 0)
}
/// Implements Linux syscall linkat: link(2).
func sysLinkat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeLink(task, args.i0, args.a1, args.i2, args.a3, args.i4)
}
private func makeLink(
  _ task: Task, _ oldDirectory: Int32, _ oldPath: Int, _ newDirectory: Int32, _ newPath: Int, _ flags: Int32
) throws(Errno) -> SyscallOutcome {
  guard flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) == 0 else { throw .invalid }
  let path = try task.path(oldPath)
  let old: Path
  if path.isEmpty && flags & AT_EMPTY_PATH != 0 && oldDirectory != AT_FDCWD {
    if !task.credentials.borrowed.with({ $0.has(CAP_DAC_READ_SEARCH) }) { throw .noEntry }
    old = try task.withAnyFile(oldDirectory) { (file) throws(Errno) -> Path in
      guard let path = file.path else { throw .crossDevice }
      return path
    }
  } else {
    var walk: WalkFlags = flags & AT_SYMLINK_FOLLOW != 0 ? .follow : []
    if flags & AT_EMPTY_PATH != 0 { walk.insert(.allowEmpty) }
    old = try task.resolve(oldDirectory, path, walk)
  }
  return try withWalk(task, newDirectory, newPath) { (walk, c) throws(Errno) in try Names.link(old, &walk, c) }
}

/// Implements Linux syscall unlink(2).
func sysUnlink(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try withWalk(task, AT_FDCWD, args.a0) { (walk, c) throws(Errno) in try Names.remove(&walk, c, isDirectory: false) }
}
/// Implements Linux syscall rmdir(2).
func sysRmdir(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try withWalk(task, AT_FDCWD, args.a0) { (walk, c) throws(Errno) in try Names.remove(&walk, c, isDirectory: true) }
}
/// Implements Linux syscall unlinkat: unlink(2).
func sysUnlinkat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i2 & ~AT_REMOVEDIR == 0 else { throw .invalid }
  return try withWalk(task, args.i0, args.a1) { (walk, c) throws(Errno) in
    try Names.remove(&walk, c, isDirectory: args.i2 & AT_REMOVEDIR != 0)
  }
}

/// Implements Linux syscall rename(2).
func sysRename(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try rename(task, AT_FDCWD, args.a0, AT_FDCWD, args.a1, 0)
}
/// Implements Linux syscall renameat: rename(2).
func sysRenameat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try rename(task, args.i0, args.a1, args.i2, args.a3, 0)
}
/// Implements Linux syscall renameat2: rename(2), without RENAME_WHITEOUT.
func sysRenameat2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(bitPattern: args.i4)
  guard flags & ~UInt32(RENAME_NOREPLACE | RENAME_EXCHANGE) == 0, flags != 3 else { throw .invalid }
  return try rename(task, args.i0, args.a1, args.i2, args.a3, flags)
}
private func rename(
  _ task: Task, _ oldDirectory: Int32, _ oldPath: Int, _ newDirectory: Int32, _ newPath: Int, _ flags: UInt32
) throws(Errno) -> SyscallOutcome {
  let old = try task.path(oldPath), new = try task.path(newPath)
  try task.credentials.borrowed.with { (c) throws(Errno) in
    var from = try task.walk(oldDirectory, old, [], c)
    var to = try task.walk(newDirectory, new, [], c)
    try Rename.perform(&from, &to, flags, c)
  }
  return .value(0)
}

/// Implements Linux syscall readlink(2).
func sysReadlink(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try readLink(task, AT_FDCWD, args.a0, args.pointer1(), args.i2)
}
/// Implements Linux syscall readlinkat: readlink(2).
func sysReadlinkat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try readLink(task, args.i0, args.a1, args.pointer2(), args.i3)
}
private func readLink(
  _ task: Task, _ directory: Int32, _ address: Int, _ out: UserPointer<UInt8>, _ size: Int32
) throws(Errno) -> SyscallOutcome {
  guard size > 0 else { throw .invalid }
  let cached = try cachedLink(task, directory, UserPointer(UInt(bitPattern: address)))
  let text = if let cached { cached } else { try link(task, directory, address) }
  let count = min(text.count, Int(size))
  try out.copyOut(count == text.count ? text : Array(text[..<count]))
  return .value(count)
}
private func cachedLink(_ task: Task, _ directory: Int32, _ path: UserPointer<UInt8>) throws(Errno) -> [UInt8]? {
  try path.withShortPath { (path) throws(Errno) -> [UInt8]? in
    try task.withCached(directory, path, follow: false) { (found) throws(Errno) -> [UInt8]? in
      try found.dentry.with { (dentry) throws(Errno) -> [UInt8]? in
        if dentry.isNegative { throw .noEntry }
        let inode = dentry.inode
        guard inode.isSymbolicLink else { throw .invalid }
        // Asking the host may sleep.
        if inode.fileSystem.isConfirmed { return inode.knownLink?.with { $0.bytes } }
        found.mount.with { mount in if !mount.has(MS_NOATIME) && !mount.isReadOnly { inode.noteAccess() } }
        return try inode.readlink()
      }
    }
  }
}
private func link(_ task: Task, _ directory: Int32, _ address: Int) throws(Errno) -> [UInt8] {
  let path = try task.path(address)
  if path.isEmpty && directory != AT_FDCWD {
    return try task.withAnyFile(directory) { (file) throws(Errno) -> [UInt8] in
      guard file.inode.isSymbolicLink else { throw .noEntry }
      return try file.inode.readlink()
    }
  }
  let found = try task.resolve(directory, path, [])
  guard found.dentry.inode.isSymbolicLink else { throw .invalid }
  if !found.mount.has(MS_NOATIME) && !found.mount.isReadOnly { found.dentry.inode.noteAccess() }
  return try found.dentry.inode.readlink()
}
