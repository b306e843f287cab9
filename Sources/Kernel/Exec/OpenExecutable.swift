import CLinux
import Machine

extension Task {
  /// Opens a file to run it: a regular file that `credentials` may execute, on a mount that allows it. `flags` are
  /// AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW. Errors: EACCES, ENOENT, ETXTBSY, ELOOP, and those of path_resolution(7).
  func openExecutable(_ directory: Int32, _ path: [UInt8], _ flags: Int32 = 0) throws(Errno) -> RunningFile {
    var walk: WalkFlags = flags & AT_SYMLINK_NOFOLLOW != 0 ? [] : .follow
    let found: Path
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 {
      found = try startPath(directory)
    } else {
      if flags & AT_EMPTY_PATH != 0 { walk.insert(.allowEmpty) }
      found = try resolve(directory, path, walk)
    }
    let inode = found.dentry.inode
    if inode.isSymbolicLink { throw .loop }
    guard inode.isRegular, !found.mount.has(MS_NOEXEC) else { throw .access }
    try credentials.borrowed.with { (c) throws(Errno) in try inode.checkPermission(1, c) }
    return try RunningFile(Opening.openInode(found, O_RDONLY))
  }
}
