import CLinux
import Machine

// stat(2) and its like, access(2), statfs(2).

extension linux_stat {
  /// stat(2)'s structure.
  @inline(__always) init(_ s: FileStatus) {
    self.init(
      st_dev: UInt(s.device), st_ino: UInt(s.inode), st_nlink: UInt(s.linkCount), st_mode: s.mode, st_uid: s.uid,
      st_gid: s.gid, __pad0: 0, st_rdev: UInt(s.rdev), st_size: s.size, st_blksize: s.blockSize, st_blocks: s.blocks,
      st_atime: UInt(bitPattern: s.accessed.seconds),
      st_atime_nsec: UInt(UInt32(bitPattern: s.accessed.nanoseconds)),
      st_mtime: UInt(bitPattern: s.modified.seconds),
      st_mtime_nsec: UInt(UInt32(bitPattern: s.modified.nanoseconds)),
      st_ctime: UInt(bitPattern: s.changed.seconds), st_ctime_nsec: UInt(UInt32(bitPattern: s.changed.nanoseconds)),
      __unused: (0, 0, 0))
  }
}

/// Implements Linux syscall stat(2).
func sysStat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try statPath(task, AT_FDCWD, args.a0, 0, args.pointer1())
}
/// Implements Linux syscall lstat: stat(2).
func sysLstat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try statPath(task, AT_FDCWD, args.a0, AT_SYMLINK_NOFOLLOW, args.pointer1())
}
/// Implements Linux syscall fstat: stat(2).
func sysFstat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAnyFile(args.i0) { (file) throws(Errno) in
    let out: UserPointer<linux_stat> = args.pointer1()
    try out.copyOut(linux_stat(try file.inode.status()))
  }
  return .value(0)
}
/// Implements Linux syscall newfstatat: stat(2).
func sysNewfstatat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try statPath(task, args.i0, args.a1, args.i3, args.pointer2())
}
private func statPath(
  _ task: Task, _ directory: Int32, _ address: Int, _ flags: Int32, _ out: UserPointer<linux_stat>
) throws(Errno) -> SyscallOutcome {
  guard flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) == 0 else {
    throw .invalid
  }
  // It is written in place: to return it through the closures would copy it at each.
  var status = FileStatus()
  let path = UserPointer<UInt8>(UInt(bitPattern: address))
  let isDone = try path.withShortString { (path) throws(Errno) -> Void? in
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 && directory != AT_FDCWD {
      return try task.withAnyFile(directory) { (file) throws(Errno) in status = try file.inode.status() }
    }
    return try task.withCached(directory, path, follow: flags & AT_SYMLINK_NOFOLLOW == 0) {
      (found) throws(Errno) -> Void? in
      try found.dentry.with { (dentry) throws(Errno) in
        if dentry.isNegative { throw .noEntry }
        status = try dentry.inode.status()
      }
    }
  }
  if isDone == nil {
    let path = try statPathArgument(task, address, flags)
    try task.withTarget(directory, path, flags, follow: flags & AT_SYMLINK_NOFOLLOW == 0) {
      (inode, _) throws(Errno) in status = try inode.status()
    }
  }
  try out.copyOut(linux_stat(status))
  return .value(0)
}
/// The path of stat-like calls: with AT_EMPTY_PATH a null one is empty.
private func statPathArgument(_ task: Task, _ address: Int, _ flags: Int32) throws(Errno) -> [UInt8] {
  if address == 0 && flags & AT_EMPTY_PATH != 0 { return [] }
  return try task.path(address)
}

/// Implements Linux syscall statx(2).
func sysStatx(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = args.i2
  guard UInt32(bitPattern: args.i3) & 0x8000_0000 == 0, flags & AT_STATX_SYNC_TYPE != AT_STATX_SYNC_TYPE,
    flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE) == 0
  else { throw .invalid }
  let path = try statPathArgument(task, args.a1, flags)
  var isMountRoot = false
  var mountID = 0
  let s: FileStatus
  if path.isEmpty && flags & AT_EMPTY_PATH != 0 && args.i0 != AT_FDCWD {
    s = try task.withAnyFile(args.i0) { (file) throws(Errno) -> FileStatus in
      if let path = file.path {
        mountID = path.mount.id
        isMountRoot = path.dentry === path.mount.root
      }
      return try file.inode.status()
    }
  } else {
    var walk: WalkFlags = flags & AT_SYMLINK_NOFOLLOW == 0 ? .follow : []
    if flags & AT_EMPTY_PATH != 0 { walk.insert(.allowEmpty) }
    let found = try task.resolve(args.i0, path, walk)
    mountID = found.mount.id
    isMountRoot = found.dentry === found.mount.root
    s = try found.dentry.inode.status()
  }
  let out: UserPointer<linux_statx> = args.pointer4()
  try out.copyOut(linux_statx(s, mountID: mountID, isMountRoot: isMountRoot))
  return .value(0)
}
extension linux_statx {
  init(_ s: FileStatus, mountID: Int, isMountRoot: Bool) {
    self.init()
    stx_mask = UInt32(STATX_BASIC_STATS) | UInt32(STATX_MNT_ID)
    stx_blksize = UInt32(truncatingIfNeeded: s.blockSize)
    stx_nlink = s.linkCount
    stx_uid = s.uid
    stx_gid = s.gid
    stx_mode = UInt16(truncatingIfNeeded: s.mode)
    stx_ino = s.inode
    stx_size = UInt64(bitPattern: Int64(s.size))
    stx_blocks = UInt64(bitPattern: Int64(s.blocks))
    stx_atime = linux_statx_timestamp(s.accessed)
    stx_mtime = linux_statx_timestamp(s.modified)
    stx_ctime = linux_statx_timestamp(s.changed)
    if let born = s.born {
      stx_btime = linux_statx_timestamp(born)
      stx_mask |= UInt32(STATX_BTIME)
    }
    stx_rdev_major = major(of: s.rdev)
    stx_rdev_minor = minor(of: s.rdev)
    stx_dev_major = major(of: s.device)
    stx_dev_minor = minor(of: s.device)
    stx_mnt_id = UInt64(mountID)
    stx_attributes_mask = UInt64(STATX_ATTR_MOUNT_ROOT)
    if isMountRoot { stx_attributes = UInt64(STATX_ATTR_MOUNT_ROOT) }
  }
}
extension linux_statx_timestamp {
  init(_ time: FileTime) {
    self.init()
    tv_sec = Int64(time.seconds)
    tv_nsec = UInt32(bitPattern: time.nanoseconds)
  }
}

/// Implements Linux syscall access(2).
func sysAccess(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkAccess(task, AT_FDCWD, args.a0, args.i1, 0)
}
/// Implements Linux syscall faccessat: access(2), which has no flags.
func sysFaccessat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkAccess(task, args.i0, args.a1, args.i2, 0)
}
/// Implements Linux syscall faccessat2: access(2).
func sysFaccessat2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkAccess(task, args.i0, args.a1, args.i2, args.i3)
}
private func checkAccess(
  _ task: Task, _ directory: Int32, _ address: Int, _ mode: Int32, _ flags: Int32
) throws(Errno) -> SyscallOutcome {
  let effective: Int32 = 0x200  // AT_EACCESS
  guard mode & ~7 == 0, flags & ~(effective | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 else { throw .invalid }
  let path = try task.path(address)
  let c = flags & effective != 0 ? task.credentials.borrowed.object : realCredentials(task)
  func check(_ inode: Inode, _ mount: Mount?) throws(Errno) {
    if mode & 1 != 0, inode.isRegular, mount?.has(MS_NOEXEC) == true { throw .access }
    if mode != 0 { try inode.checkPermission(UInt32(bitPattern: mode), c) }
    if mode & 2 != 0 { try Permissions.checkWritable(inode, mount) }
  }
  if path.isEmpty && flags & AT_EMPTY_PATH != 0 && directory != AT_FDCWD {
    try task.withAnyFile(directory) { (file) throws(Errno) in try check(file.inode, file.path?.mount) }
    return .value(0)
  }
  var walkFlags: WalkFlags = flags & AT_SYMLINK_NOFOLLOW == 0 ? .follow : []
  if flags & AT_EMPTY_PATH != 0 { walkFlags.insert(.allowEmpty) }
  var walk = try task.walk(directory, path, walkFlags, c)
  let found = try walk.finish()
  try check(found.dentry.inode, found.mount)
  return .value(0)
}
/// The task's credentials with its real ids in place of those for files.
private func realCredentials(_ task: Task) -> Credentials {
  task.credentials.borrowed.with { c in
    let capabilities = c.uid == 0 ? c.permitted : 0
    if c.uid == c.fsuid && c.gid == c.fsgid && c.effective == capabilities { return c }
    let new = Credentials(copying: c)
    new.fsuid = c.uid
    new.fsgid = c.gid
    new.effective = capabilities
    return new
  }
}

/// Implements Linux syscall statfs(2).
func sysStatfs(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let path = try task.resolve(try task.path(args.a0))
  try copyOut(path.dentry.inode.fileSystem, path.mount, args.pointer1())
  return .value(0)
}
/// Implements Linux syscall fstatfs: statfs(2).
func sysFstatfs(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAnyFile(args.i0) { (file) throws(Errno) in
    try copyOut(file.inode.fileSystem, file.path?.mount, args.pointer1())
  }
  return .value(0)
}
private func copyOut(_ fileSystem: FileSystem, _ mount: Mount?, _ out: UserPointer<linux_statfs>) throws(Errno) {
  let s = try fileSystem.statistics()
  var b = linux_statfs()
  b.f_type = s.magic
  b.f_bsize = s.blockSize
  b.f_frsize = s.blockSize
  b.f_blocks = Int(truncatingIfNeeded: s.blocks)
  b.f_bfree = Int(truncatingIfNeeded: s.freeBlocks)
  b.f_bavail = Int(truncatingIfNeeded: s.availableBlocks)
  b.f_files = Int(truncatingIfNeeded: s.files)
  b.f_ffree = Int(truncatingIfNeeded: s.freeFiles)
  b.f_namelen = s.nameLength
  b.f_fsid.val.0 = Int32(bitPattern: fileSystem.device)
  var flags = 0x20  // ST_VALID
  if let mount {
    if mount.isReadOnly { flags |= 1 }
    if mount.has(MS_NOSUID) { flags |= 2 }
    if mount.has(MS_NODEV) { flags |= 4 }
    if mount.has(MS_NOEXEC) { flags |= 8 }
    if mount.has(MS_NOATIME) { flags |= 1024 } else if !mount.has(MS_STRICTATIME) { flags |= 4096 }
    if mount.has(MS_NODIRATIME) { flags |= 2048 }
  }
  b.f_flags = flags
  try out.copyOut(b)
}
