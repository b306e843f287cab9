import CLinux
import Machine

// stat(2) and its like, access(2), statfs(2).

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
    var status = FileStatus()
    try file.getStatus(&status)
    try out.copyOut(from: &status.abi)
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
  var status = FileStatus()
  let path = UserPointer<UInt8>(UInt(bitPattern: address))
  let isDone = try path.withShortPath { (path) throws(Errno) -> Void? in
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 && directory != AT_FDCWD {
      return try task.withAnyFile(directory) { (file) throws(Errno) in try file.getStatus(&status) }
    }
    return try task.withCached(directory, path, follow: flags & AT_SYMLINK_NOFOLLOW == 0) {
      (found) throws(Errno) -> Void? in
      try found.dentry.with { (dentry) throws(Errno) in
        if dentry.isNegative { throw .noEntry }
        try found.getStatus(dentry.inode, &status)
      }
    }
  }
  if isDone == nil {
    let path = try statPathArgument(task, address, flags)
    try task.withTarget(directory, path, flags, follow: flags & AT_SYMLINK_NOFOLLOW == 0) {
      (inode, _) throws(Errno) in try inode.getStatus(&status)
    }
  }
  try out.copyOut(from: &status.abi)
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
  let follow = flags & AT_SYMLINK_NOFOLLOW == 0
  var isMountRoot = false
  var mountID = 0
  var s = FileStatus()
  let text = UserPointer<UInt8>(UInt(bitPattern: args.a1))
  let isDone = try text.withShortPath { (path) throws(Errno) -> Void? in
    try task.withCached(args.i0, path, follow: follow) { (found) throws(Errno) -> Void? in
      try found.dentry.with { (dentry) throws(Errno) in
        if dentry.isNegative { throw .noEntry }
        found.mount.with { mount in
          mountID = mount.id
          isMountRoot = Borrowed(mount.root) == dentry
        }
        try found.getStatus(dentry.inode, &s)
      }
    }
  }
  if isDone == nil {
    let path = try statPathArgument(task, args.a1, flags)
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 && args.i0 != AT_FDCWD {
      try task.withAnyFile(args.i0) { (file) throws(Errno) in
        if let path = file.path {
          mountID = path.mount.id
          isMountRoot = path.dentry === path.mount.root
        }
        try file.getStatus(&s)
      }
    } else {
      var walk: WalkFlags = follow ? .follow : []
      if flags & AT_EMPTY_PATH != 0 { walk.insert(.allowEmpty) }
      let found = try task.resolve(args.i0, path, walk)
      mountID = found.mount.id
      isMountRoot = found.dentry === found.mount.root
      try found.dentry.inode.getStatus(&s)
    }
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
  let real = flags & effective == 0
  if !real || task.credentials.borrowed.with({ $0.isReal }) {
    let text = UserPointer<UInt8>(UInt(bitPattern: address))
    let isDone = try text.withShortPath { (path) throws(Errno) -> Void? in
      try task.withCached(directory, path, follow: flags & AT_SYMLINK_NOFOLLOW == 0) { (found) throws(Errno) -> Void? in
        try found.dentry.with { (dentry) throws(Errno) in
          if dentry.isNegative { throw .noEntry }
          if mode == 0 { return }
          let inode = dentry.inode
          try found.mount.with { (mount) throws(Errno) in
            if mode & 1 != 0, inode.isRegular, mount.has(MS_NOEXEC) { throw .access }
            let isAllowed = task.credentials.borrowed.with { inode.allows(UInt32(bitPattern: mode), $0) }
            if !isAllowed { throw .access }
            if mode & 2 != 0 { try Permissions.checkWritable(inode, mount) }
          }
        }
      }
    }
    if isDone != nil { return .value(0) }
  }
  let path = try task.path(address)
  let c = real ? realCredentials(task) : task.credentials.borrowed.object
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
extension Credentials {
  /// What access(2) goes by instead of the effective ones.
  fileprivate var realCapabilities: UInt64 { uid == 0 ? permitted : 0 }
  /// Whether its ids for files are the real ones.
  fileprivate var isReal: Bool { uid == fsuid && gid == fsgid && effective == realCapabilities }
}
/// The task's credentials with its real ids in place of those for files.
private func realCredentials(_ task: Task) -> Credentials {
  task.credentials.borrowed.with { c in
    if c.isReal { return c }
    let new = Credentials(copying: c)
    new.fsuid = c.uid
    new.fsgid = c.gid
    new.effective = c.realCapabilities
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
