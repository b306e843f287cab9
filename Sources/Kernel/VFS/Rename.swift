import CLinux
import Machine

/// Implements renameat2(2). Directories are locked in an order that parents come before children; a rename between two
/// holds the file system's `renameLock` before, so that what is whose parent stays so.
enum Rename {
  static func perform(_ from: inout PathWalk, _ to: inout PathWalk, _ flags: UInt32, _ c: Credentials) throws(Errno) {
    try from.toParent()
    try to.toParent()
    if from.mount !== to.mount { throw .crossDevice }
    guard case .name(let start, let end) = from.last else { throw .busy }
    guard case .name(let newStart, let newEnd) = to.last else {
      throw flags & UInt32(RENAME_NOREPLACE) != 0 ? .exists : .busy
    }
    if from.mount.isReadOnly { throw .readOnlyFileSystem }
    try Names.checkDirectory(from.dentry.inode, c)
    try Names.checkDirectory(to.dentry.inode, c)
    if end - start > 255 || newEnd - newStart > 255 { throw .nameTooLong }
    let job = RenameJob(
      oldParent: from.dentry, newParent: to.dentry, oldName: Array(from.text[start..<end]),
      newName: Array(to.text[newStart..<newEnd]), oldSlash: from.hasTrailingSlash, newSlash: to.hasTrailingSlash,
      flags: flags)
    let dropped: Dentry?
    if job.oldParent === job.newParent {
      dropped = try job.oldParent.inode.lock.withLock { (_) throws(Errno) -> Dentry? in try job.run(c) }
    } else {
      dropped = try job.oldParent.inode.fileSystem.renameLock.withLock { (_) throws(Errno) -> Dentry? in
        let oldIsAbove = dentries.borrowed.with { $0.isAncestor(job.oldParent, of: job.newParent) }
        let first = oldIsAbove ? job.oldParent : job.newParent, second = oldIsAbove ? job.newParent : job.oldParent
        return try first.inode.lock.withLock { (_) throws(Errno) -> Dentry? in
          try second.inode.lock.withLock { (_) throws(Errno) -> Dentry? in try job.run(c) }
        }
      }
    }
    withExtendedLifetime(dropped) {}
  }
}

private struct RenameJob {
  let oldParent: Dentry, newParent: Dentry
  let oldName: [UInt8], newName: [UInt8]
  let oldSlash: Bool, newSlash: Bool
  let flags: UInt32

  /// With the directories locked. Returns what was replaced, to be dropped without locks.
  func run(_ c: Credentials) throws(Errno) -> Dentry? {
    let exchanges = flags & UInt32(RENAME_EXCHANGE) != 0
    let old = try lookUp(oldName.span, in: oldParent)
    if old.isNegative { throw .noEntry }
    let new = try lookUp(newName.span, in: newParent)
    if !new.isNegative && flags & UInt32(RENAME_NOREPLACE) != 0 { throw .exists }
    if exchanges {
      if new.isNegative { throw .noEntry }
      if !new.inode.isDirectory && newSlash { throw .notDirectory }
    }
    let isDirectory = old.inode.isDirectory
    if !isDirectory {
      if oldSlash { throw .notDirectory }
      if !exchanges && newSlash { throw .notDirectory }
    }
    let (loops, contains) = dentries.borrowed.with {
      ($0.isAncestor(old, of: newParent), !new.isNegative && $0.isAncestor(new, of: oldParent))
    }
    if loops { throw .invalid }
    if contains { throw exchanges ? .invalid : .notEmpty }
    if !new.isNegative && new.inode === old.inode { return nil }

    try Permissions.checkDelete(old, in: oldParent.inode, isDirectory: isDirectory, c)
    if new.isNegative {
      try Permissions.checkCreate(in: newParent.inode, c)
    } else {
      try Permissions.checkDelete(
        new, in: newParent.inode, isDirectory: exchanges ? new.inode.isDirectory : isDirectory, c)
    }
    if oldParent !== newParent {
      if isDirectory { try old.inode.checkPermission(2, c) }
      if exchanges && new.inode.isDirectory { try new.inode.checkPermission(2, c) }
    }
    if old.mountCount > 0 || new.mountCount > 0 { throw .busy }
    if new.isNegative || exchanges {
      try move(old, new.isNegative ? nil : new.inode, exchanges)
    } else {
      try new.inode.lock.withLock { (_) throws(Errno) in try move(old, new.inode, false) }
    }
    dentries.borrowed.with { cache in
      if exchanges { cache.exchange(old, new) } else { cache.move(old, to: newParent, name: newName, replacing: new) }
    }
    Notify.renamed(old.inode, oldParent.inode, oldName, newParent.inode, newName)
    if exchanges {
      Notify.renamed(new.inode, newParent.inode, newName, oldParent.inode, oldName)
    } else if !new.isNegative {
      Notify.linkCount(new.inode)
    }
    return new
  }
  private func move(_ old: Dentry, _ replaced: Inode?, _ exchange: Bool) throws(Errno) {
    try oldParent.inode.rename(
      oldName.span, old.inode, to: newParent.inode, newName.span, replacing: replaced, exchange: exchange)
  }
}
