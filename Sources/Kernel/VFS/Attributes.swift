import CLinux
import Machine

/// Changes of a file's attributes with their checks, as notify_change() in Linux. `mount` is nil for what has no path.
enum Attributes {
  private static func checkMount(_ mount: Mount?) throws(Errno) {
    if let mount, mount.isReadOnly { throw .readOnlyFileSystem }
  }

  /// Implements chmod(2).
  static func changeMode(_ inode: Inode, _ mount: Mount?, _ mode: UInt32, _ c: Credentials) throws(Errno) {
    try checkMount(mount)
    if inode.isSymbolicLink { throw .notSupported }
    try inode.lock.withLock { (_) throws(Errno) in
      if !inode.isOwned(by: c) { throw .notPermitted }
      var change = AttributeChange()
      var mode = mode & 0o7777
      if mode & ModeBits.setGroup != 0, !c.isIn(group: inode.gid), !c.has(CAP_FSETID) { mode &= ~ModeBits.setGroup }
      change.mode = mode
      try inode.setAttributes(change)
    }
  }

  /// Implements chown(2); UInt32.max leaves an id as it is.
  static func changeOwner(_ inode: Inode, _ mount: Mount?, _ uid: UInt32, _ gid: UInt32, _ c: Credentials) throws(Errno)
  {
    try checkMount(mount)
    try inode.lock.withLock { (_) throws(Errno) in
      let isOwner = c.fsuid == inode.uid
      if uid != .max, !(isOwner && uid == inode.uid), !c.has(CAP_CHOWN) { throw .notPermitted }
      if gid != .max, !(isOwner && (c.isIn(group: gid) || gid == inode.gid)), !c.has(CAP_CHOWN) { throw .notPermitted }
      var change = AttributeChange()
      if uid != .max { change.uid = uid }
      if gid != .max { change.gid = gid }
      if !inode.isDirectory { change.mode = withoutPrivileges(inode.mode) }
      try inode.setAttributes(change)
    }
  }
  /// A mode without set-user-id, and without set-group-id where that means one.
  private static func withoutPrivileges(_ mode: UInt32) -> UInt32? {
    var new = mode & ~ModeBits.setUser
    if mode & (ModeBits.setGroup | 0o010) == ModeBits.setGroup | 0o010 { new &= ~ModeBits.setGroup }
    return new == mode ? nil : new
  }
  /// What a write or a truncation does to set-user-id and set-group-id bits; the inode's lock is held.
  @inline(__always) static func dropPrivileges(_ inode: Inode) throws(Errno) {
    if inode.mode & (ModeBits.setUser | ModeBits.setGroup) == 0 { return }
    try dropPrivilegesNow(inode)
  }
  @inline(never) private static func dropPrivilegesNow(_ inode: Inode) throws(Errno) {
    guard inode.isRegular, let mode = withoutPrivileges(inode.mode) else { return }
    #if hasFeature(Embedded)
    if Task.withCurrentTask({ task in task.credentials.borrowed.with { $0.has(CAP_FSETID) } }) { return }
    #endif
    var change = AttributeChange()
    change.mode = mode
    try inode.setAttributes(change)
  }

  /// Implements utimensat(2). Nil: that time stays. `isNow`: both are set to now because the guest gave none.
  static func changeTimes(
    _ inode: Inode, _ mount: Mount?, _ accessed: FileTime?, _ modified: FileTime?, isNow: Bool, _ c: Credentials
  ) throws(Errno) {
    if accessed == nil && modified == nil { return }
    try checkMount(mount)
    try inode.lock.withLock { (_) throws(Errno) in
      if !inode.isOwned(by: c) {
        if !isNow { throw .notPermitted }
        try inode.checkPermission(2, c)
      }
      var change = AttributeChange()
      change.accessed = accessed
      change.modified = modified
      try inode.setAttributes(change)
    }
  }

  /// Implements truncate(2), ftruncate(2) and O_TRUNC, the right to write being checked. Errors: EINVAL, EFBIG, EPERM.
  static func truncate(_ inode: Inode, _ size: Int) throws(Errno) {
    try inode.lock.withLock { (_) throws(Errno) in
      if size > inode.size { try Limits.checkFileSize(size) }
      var change = AttributeChange()
      change.size = size
      try inode.setAttributes(change)
      try dropPrivileges(inode)
    }
  }
}
