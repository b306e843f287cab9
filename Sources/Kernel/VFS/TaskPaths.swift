import CLinux
import Machine

/// Paths as a task means them: relative to its directory or to a descriptor, below its root, with its credentials.
extension Task {
  /// Its descriptors. Only for code that runs for a guest's system call.
  @inline(__always) public final var table: Borrowed<FileTable> { files.borrowed! }
  /// Its root, directory and umask; likewise.
  @inline(__always) public final var context: Borrowed<FileSystemContext> { fileSystem.borrowed! }

  /// Where relative paths start for the `dirfd` of an *at call. Errors: EBADF, ENOTDIR.
  public final func startPath(_ directory: Int32) throws(Errno) -> Path {
    if directory == AT_FDCWD { return context.with { $0.directory } }
    return try table.with { (table) throws(Errno) -> Path in
      try table.withFile(Int(directory)) { (file) throws(Errno) -> Path in
        guard let path = file.path else { throw .notDirectory }
        return path
      }
    }
  }

  /// Begins a walk of `path`.
  public final func walk(
    _ directory: Int32, _ path: [UInt8], _ flags: WalkFlags, _ credentials: Credentials
  ) throws(Errno) -> PathWalk {
    try PathWalk.begin(
      path, from: try startPath(directory), root: context.with { $0.root }, credentials, flags)
  }

  /// What `path` leads to. Errors: those of path_resolution(7).
  public final func resolve(_ directory: Int32, _ path: [UInt8], _ flags: WalkFlags = .follow) throws(Errno) -> Path {
    try credentials.borrowed.with { (c) throws(Errno) -> Path in
      var walk = try walk(directory, path, flags, c)
      return try walk.finish()
    }
  }
  public final func resolve(_ path: [UInt8], _ flags: WalkFlags = .follow) throws(Errno) -> Path {
    try resolve(AT_FDCWD, path, flags)
  }

  /// Runs `body` on the file that `directory` and `path` name, and on its mount (nil: one that has no path, like a pipe):
  /// with an empty path and AT_EMPTY_PATH the descriptor's own. `flags` are AT_*.
  public final func withTarget<R: ~Copyable>(
    _ directory: Int32, _ path: [UInt8], _ flags: Int32, follow: Bool, notify: UInt32 = 0,
    _ body: (Inode, Mount?) throws(Errno) -> R
  ) throws(Errno) -> R {
    if path.isEmpty && flags & AT_EMPTY_PATH != 0 && directory != AT_FDCWD {
      return try table.with { (table) throws(Errno) -> R in
        try table.withFile(Int(directory)) { (file) throws(Errno) -> R in
          let result = try body(file.inode, file.path?.mount)
          if notify != 0 { Notify.file(file, notify) }
          return result
        }
      }
    }
    var walkFlags: WalkFlags = follow ? .follow : []
    if flags & AT_EMPTY_PATH != 0 { walkFlags.insert(.allowEmpty) }
    let path = try resolve(directory, path, walkFlags)
    let result = try body(path.dentry.inode, path.mount)
    if notify != 0 { Notify.file(path.dentry, notify) }
    return result
  }

  /// A path argument: up to 4095 bytes. Errors: EFAULT, ENAMETOOLONG.
  @inline(__always) public final func path(_ address: Int) throws(Errno) -> [UInt8] {
    try UserPointer<UInt8>(UInt(bitPattern: address)).copyInString(limit: Int(PATH_MAX))
  }
}
