import CLinux
import Machine

/// Making and removing names: what mkdir(2), mknod(2), symlink(2), link(2), unlink(2), rmdir(2) share.
enum Names {
  /// Makes the walk's last name: `body` makes the file in the directory, which is locked.
  /// Errors: EEXIST, ENOENT, EROFS, EACCES, ENAMETOOLONG, and what `body` throws.
  @discardableResult
  static func make(
    _ walk: inout PathWalk, _ c: Credentials, isDirectory: Bool,
    _ body: (Inode, Span<UInt8>) throws(Errno) -> Inode
  ) throws(Errno) -> Path {
    try walk.toParent()
    guard case .name(let start, let end) = walk.last else { throw .exists }
    let mount = walk.mount, parent = walk.dentry
    try checkDirectory(parent.inode, c)
    if end - start > 255 { throw .nameTooLong }
    let name = Array(walk.text[start..<end])
    let needsDirectory = walk.hasTrailingSlash
    return try parent.inode.lock.withLock { (_) throws(Errno) -> Path in
      let found = try lookUp(name.span, in: parent)
      if !found.isNegative { throw .exists }
      if needsDirectory && !isDirectory { throw .noEntry }
      if mount.isReadOnly { throw .readOnlyFileSystem }
      try Permissions.checkCreate(in: parent.inode, c)
      let inode = try body(parent.inode, name.span)
      let new = Dentry(name: name.span, in: parent, inode: inode)
      Notify.name(parent.inode, NotifyMask.create, name, inode)
      return Path(mount: mount, dentry: dentries.borrowed.with { $0.insert(new) })
    }
  }
  static func checkDirectory(_ inode: Inode, _ c: Credentials) throws(Errno) {
    guard inode.isDirectory else { throw .notDirectory }
    try inode.checkPermission(1, c)
  }

  /// Implements link(2) once the old path is resolved.
  static func link(_ old: Path, _ walk: inout PathWalk, _ c: Credentials) throws(Errno) {
    let inode = old.dentry.inode
    try walk.toParent()
    if walk.mount !== old.mount {
      try checkDirectory(walk.dentry.inode, c)
      // An existing name is told before the wrong device, as on Linux.
      if case .name(let start, let end) = walk.last, try !walk.find(start, end).isNegative { throw .exists }
      throw .crossDevice
    }
    // `make` walks on from where this walk has stopped: nothing is left of it but the last name.
    try make(&walk, c, isDirectory: false) { (directory, name) throws(Errno) -> Inode in
      if inode.isDirectory { throw .notPermitted }
      try inode.lock.withLock { (_) throws(Errno) in
        if inode.linkCount == 0 && !inode.isLinkable { throw .noEntry }
        try directory.link(name, inode)
        inode.isLinkable = false
      }
      Notify.linkCount(inode)
      return inode
    }
  }

  /// Implements unlink(2) and rmdir(2).
  static func remove(_ walk: inout PathWalk, _ c: Credentials, isDirectory: Bool) throws(Errno) {
    try walk.toParent()
    let start: Int, end: Int
    switch walk.last {
    case .name(let s, let e): (start, end) = (s, e)
    case .none: throw isDirectory ? .busy : .isDirectory
    case .dot: throw isDirectory ? .invalid : .isDirectory
    case .dotDot: throw isDirectory ? .notEmpty : .isDirectory
    }
    let mount = walk.mount, parent = walk.dentry
    try checkDirectory(parent.inode, c)
    if end - start > 255 { throw .nameTooLong }
    let name = Array(walk.text[start..<end])
    let needsDirectory = walk.hasTrailingSlash
    let victim = try parent.inode.lock.withLock { (_) throws(Errno) -> Dentry in
      if mount.isReadOnly { throw .readOnlyFileSystem }
      let victim = try lookUp(name.span, in: parent)
      if victim.isNegative { throw .noEntry }
      if !isDirectory && needsDirectory { throw victim.inode.isDirectory ? .isDirectory : .notDirectory }
      try Permissions.checkDelete(victim, in: parent.inode, isDirectory: isDirectory, c)
      try victim.inode.lock.withLock { (_) throws(Errno) in
        if victim.mountCount > 0 { throw .busy }
        if isDirectory {
          try parent.inode.rmdir(name.span, victim.inode)
        } else {
          try parent.inode.unlink(name.span, victim.inode)
        }
      }
      dentries.borrowed.with { $0.remove(victim) }
      if !isDirectory { Notify.linkCount(victim.inode) }
      Notify.name(parent.inode, NotifyMask.delete, name, victim.inode)
      return victim
    }
    withExtendedLifetime(victim) {}  // dropped after the directory's lock
  }
}
