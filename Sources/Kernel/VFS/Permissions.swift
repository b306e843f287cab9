import CLinux
import Machine

/// The checks that come before a name is made or removed, as may_create() and may_delete() in Linux.
enum Permissions {
  /// Whether a name may be made in `directory`, whose lock is held. Errors: ENOENT (it is gone), EACCES.
  static func checkCreate(in directory: Inode, _ c: Credentials) throws(Errno) {
    if directory.linkCount == 0 { throw .noEntry }
    try directory.checkPermission(3, c)
  }
  /// Whether `victim` may be removed from `directory`, both locked. Errors: EACCES, EPERM (sticky), ENOTDIR, EISDIR, EBUSY.
  static func checkDelete(_ victim: Dentry, in directory: Inode, isDirectory: Bool, _ c: Credentials) throws(Errno) {
    try directory.checkPermission(3, c)
    if directory.mode & ModeBits.sticky != 0, c.fsuid != victim.inode.uid, c.fsuid != directory.uid, !c.has(CAP_FOWNER)
    {
      throw .notPermitted
    }
    if isDirectory {
      if !victim.inode.isDirectory { throw .notDirectory }
    } else if victim.inode.isDirectory {
      throw .isDirectory
    }
    if directory.linkCount == 0 { throw .noEntry }
  }
  /// What a new file in `directory` starts with: `mode` has the umask applied.
  static func newFile(_ mode: UInt32, in directory: Inode, _ c: Credentials, rdev: UInt32 = 0) -> NewFile {
    var mode = mode
    var gid = c.fsgid
    if directory.mode & ModeBits.setGroup != 0 {
      gid = directory.gid
      if mode & FileType.mask == FileType.directory {
        mode |= ModeBits.setGroup
      } else if mode & (ModeBits.setGroup | 0o010) == ModeBits.setGroup | 0o010, !c.isIn(group: gid), !c.has(CAP_FSETID)
      {
        mode &= ~ModeBits.setGroup
      }
    }
    return NewFile(mode: mode, uid: c.fsuid, gid: gid, rdev: rdev)
  }
  /// Whether `inode` may be written through `mount`, by access(2) or open(2). Errors: EROFS.
  @inline(__always) static func checkWritable(_ inode: Inode, _ mount: Mount?) throws(Errno) {
    guard let mount, mount.isReadOnly else { return }
    if inode.isRegular || inode.isDirectory || inode.isSymbolicLink { throw .readOnlyFileSystem }
  }
}
