import CLinux
import Machine

extension Task {
  /// Opens a file to run it: a regular file that `credentials` may execute, on a mount that allows it. `flags` are
  /// AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW. Errors: EACCES, ENOENT, ETXTBSY, ELOOP, and those of path_resolution(7).
  func openExecutable(_ directory: Int32, _ path: [UInt8], _ flags: Int32 = 0) throws(Errno) -> RunningFile {
    let known = try withArena { () throws(Errno) -> RunningFile? in
      try openCached(directory, path, follow: flags & AT_SYMLINK_NOFOLLOW == 0).map { (f) throws(Errno) in
        try RunningFile(f)
      }
    }
    if let known { return known }
    Arena.leave()  // what is found stays known
    var walk: WalkFlags = flags & AT_SYMLINK_NOFOLLOW != 0 ? [] : .follow
    let found: Path
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 {
      found = try startPath(directory)
    } else {
      if flags & AT_EMPTY_PATH != 0 { walk.insert(.allowEmpty) }
      found = try resolve(directory, path, walk)
    }
    try credentials.borrowed.with { (c) throws(Errno) in try Opening.checkRun(found.dentry.inode, found.mount, c) }
    return try RunningFile(Opening.openInode(found, O_RDONLY))
  }
  private func openCached(_ directory: Int32, _ path: [UInt8], follow: Bool) throws(Errno) -> File? {
    try path.withShortPath { (path) throws(Errno) -> File? in
      try withCached(directory, path, follow: follow, confirmsLast: false) { (found) throws(Errno) -> File? in
        try credentials.borrowed.with { (c) throws(Errno) -> File? in
          try Opening.openCached(found, O_RDONLY, c, runs: true)
        }
      }
    }
  }
}
