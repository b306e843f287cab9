import CLinux
import Machine

/// What openat2(2) is given, checked.
public struct OpenHow: Sendable {
  public var flags: Int32
  /// Permissions of a file that is made, before the umask.
  public var mode: UInt32
  public var walk: WalkFlags

  /// Errors: EINVAL for flags that contradict each other.
  public init(flags: Int32, mode: UInt32, walk: WalkFlags = []) throws(Errno) {
    var flags = flags
    let temporary = O_TMPFILE_BIT
    if flags & (O_CREAT | temporary) != 0 { self.mode = mode & 0o7777 } else { self.mode = 0 }
    if flags & O_PATH != 0 { flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC }
    if flags & O_DIRECTORY != 0 && flags & O_CREAT != 0 { throw .invalid }
    if flags & temporary != 0 {
      guard flags & O_DIRECTORY != 0 else { throw .invalid }
      guard flags & O_ACCMODE != O_RDONLY else { throw .invalid }
    }
    self.flags = flags
    self.walk = walk
  }
  /// Whether it opens whatever a path leads to.
  var isPlain: Bool { walk.isEmpty && flags & (O_CREAT | O_TMPFILE_BIT | O_DIRECTORY) == 0 }
}
/// O_TMPFILE without the O_DIRECTORY in it.
private var O_TMPFILE_BIT: Int32 { 0o20000000 }

/// Opening files, as path_openat() in Linux.
enum Opening {
  /// Implements openat2(2).
  static func open(_ task: Task, _ directory: Int32, _ path: [UInt8], _ how: OpenHow) throws(Errno) -> File {
    try task.credentials.borrowed.with { (c) throws(Errno) -> File in
      var flags = how.walk
      if how.flags & O_NOFOLLOW == 0 { flags.insert(.follow) }
      if how.flags & O_DIRECTORY != 0 { flags.insert(.directory) }
      var walk = try task.walk(directory, path, flags, c)
      if how.flags & O_TMPFILE_BIT != 0 { return try openUnnamed(task, &walk, how, c) }
      if how.flags & O_CREAT != 0 {
        let umask = task.context.with { $0.umask }
        return try create(&walk, how, umask, c)
      }
      return try open(walk.finish(), how.flags, c)
    }
  }

  /// Opens what a walk of the guest's path found.
  static func open(_ task: Task, _ path: Path, _ flags: Int32) throws(Errno) -> File {
    try task.credentials.borrowed.with { (c) throws(Errno) -> File in try open(path, flags, c) }
  }

  /// Opens what a path leads to. Errors: ELOOP for a symbolic link, EISDIR, EACCES, EROFS, ENXIO, ETXTBSY…
  static func open(_ path: Path, _ flags: Int32, _ c: Credentials) throws(Errno) -> File {
    if flags & O_PATH != 0 { return PathFile(inode: path.dentry.inode, path: path, flags: flags) }
    try checkOpen(path.dentry.inode, path.mount, flags, c)
    let file = try openInode(path, flags)
    if flags & O_TRUNC != 0 && file.inode.isRegular {
      try Attributes.truncate(file.inode, 0)
      Notify.file(file, NotifyMask.modify)
    }
    Notify.file(file, NotifyMask.open)
    return file
  }

  /// The same under RCU, where that needs no more than a regular file of a plain file system. Nil: it does.
  @inline(__always) static func openCached(
    _ path: BorrowedPath, _ flags: Int32, _ c: Credentials, runs: Bool = false
  ) throws(Errno) -> File? {
    if flags & (O_PATH | O_TRUNC) != 0 { return nil }
    return try path.dentry.with { (dentry) throws(Errno) -> File? in
      if dentry.isNegative { throw .noEntry }
      let inode = dentry.inode
      guard inode.isRegular else { return nil }
      return try inode.openCached(path, flags, c, runs: runs)
    }
  }

  @inline(__always)
  static func check(_ inode: Inode, _ mount: Mount, _ flags: Int32, _ c: Credentials, runs: Bool) throws(Errno) {
    if runs { try checkRun(inode, mount, c) } else { try checkOpen(inode, mount, flags, c) }
  }
  /// The same for execve(2). Errors: ELOOP for a symbolic link, EACCES.
  static func checkRun(_ inode: Inode, _ mount: Mount, _ c: Credentials) throws(Errno) {
    if inode.isSymbolicLink { throw .loop }
    guard inode.isRegular, !mount.has(MS_NOEXEC) else { throw .access }
    try inode.checkPermission(1, c)
  }
  /// may_open() in Linux.
  static func checkOpen(_ inode: Inode, _ mount: Mount, _ flags: Int32, _ c: Credentials) throws(Errno) {
    var access: UInt32 =
      switch flags & O_ACCMODE {
      case O_RDONLY: 4
      case O_WRONLY: 2
      default: 6
      }
    if flags & O_TRUNC != 0 { access |= 2 }
    switch inode.type {
    case FileType.symbolicLink: throw .loop
    case FileType.directory: if access & 2 != 0 { throw .isDirectory }
    case FileType.characterDevice, FileType.blockDevice: if mount.has(MS_NODEV) { throw .access }
    default: break
    }
    if access & 2 != 0 { try Permissions.checkWritable(inode, mount) }
    try inode.checkPermission(access, c)
    if flags & O_NOATIME != 0 && !inode.isOwned(by: c) { throw .notPermitted }
  }

  /// Opens by kind, without checks.
  static func openInode(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    let inode = path.dentry.inode
    if inode.opensSpecialFiles { return try inode.open(path, flags) }
    switch inode.type {
    case FileType.characterDevice: return try Devices.open(inode, path, flags)
    case FileType.fifo: return try FIFO.open(inode, path, flags)
    case FileType.blockDevice, FileType.socket: throw .noDeviceOrAddress
    default: return try inode.open(path, flags)
    }
  }

  /// O_CREAT.
  private static func create(_ walk: inout PathWalk, _ how: OpenHow, _ umask: UInt32, _ c: Credentials) throws(Errno)
    -> File
  {
    let flags = how.flags
    while true {
      try walk.toParent()
      guard case .name(let start, let end) = walk.last else {
        // "/", "." or "..": a directory that is there.
        let path = try walk.finish()
        _ = path
        throw flags & O_EXCL != 0 ? .exists : .isDirectory
      }
      if walk.hasTrailingSlash { throw .isDirectory }
      try Names.checkDirectory(walk.dentry.inode, c)
      var found = try walk.find(start, end)
      if found.isNegative {
        let parent = walk.dentry, mount = walk.mount
        let name = Array(walk.text[start..<end])
        var isNew = false
        found = try parent.inode.lock.withLock { (_) throws(Errno) -> Dentry in
          let found = try lookUp(name.span, in: parent)
          if !found.isNegative { return found }
          if mount.isReadOnly { throw .readOnlyFileSystem }
          try Permissions.checkCreate(in: parent.inode, c)
          let mode = FileType.regular | how.mode & ~umask
          let inode = try parent.inode.create(name.span, Permissions.newFile(mode, in: parent.inode, c))
          isNew = true
          let new = Dentry(name: name.span, in: parent, inode: inode)
          Notify.name(parent.inode, NotifyMask.create, name, inode)
          return dentries.borrowed.with { $0.insert(new) }
        }
        if isNew {
          let file = try openInode(Path(mount: mount, dentry: found), flags)
          Notify.file(found, NotifyMask.open)
          return file
        }
      }
      if flags & O_EXCL != 0 { throw .exists }
      if found.inode.isSymbolicLink && flags & O_NOFOLLOW != 0 { throw .loop }
      try walk.enter(found, isLast: true)
      if walk.followedLink { continue }
      let path = walk.path
      if path.dentry.inode.isDirectory { throw .isDirectory }
      return try open(path, flags, c)
    }
  }

  /// O_TMPFILE.
  private static func openUnnamed(
    _ task: Task, _ walk: inout PathWalk, _ how: OpenHow, _ c: Credentials
  ) throws(Errno) -> File {
    let path = try walk.finish()
    let directory = path.dentry.inode
    guard directory.isDirectory else { throw .notDirectory }
    if path.mount.isReadOnly { throw .readOnlyFileSystem }
    try directory.checkPermission(3, c)
    let mode = FileType.regular | how.mode & ~task.context.with { $0.umask }
    let inode = try directory.createUnnamed(Permissions.newFile(mode, in: directory, c))
    inode.linkCount = 0
    inode.isLinkable = how.flags & O_EXCL == 0
    let dentry = Dentry(name: Array("#\(inode.number)".utf8).span, in: path.dentry, inode: inode)
    dentry.isDeleted = true
    return try openInode(Path(mount: path.mount, dentry: dentry), how.flags & ~(O_TMPFILE_BIT | O_DIRECTORY))
  }
}

/// A file that was opened with O_PATH: a place, not its contents.
public final class PathFile: File {
  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { throw .badDescriptor }
  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    throw .badDescriptor
  }
  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { throw .badDescriptor }
  public override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    throw .badDescriptor
  }
  public override func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) { throw .badDescriptor }
  public override func sync(dataOnly: Bool) throws(Errno) { throw .badDescriptor }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) { throw .badDescriptor }
  public override func mappedObject() throws(Errno) -> MappedObject { throw .badDescriptor }
}
