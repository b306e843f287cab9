import CLinux
import Machine

/// A directory of a file system that lives in memory. Its names hold its files: a tree is taken apart by `Tmpfs.shutDown`.
final class TmpfsDirectory: MemoryInode {
  var table = DirectoryTable()  // under `lock`
  private let tmpfs: Borrowed<Tmpfs>  // `fileSystem` is the same object, and kept

  init(_ fileSystem: Tmpfs, mode: UInt32, uid: UInt32, gid: UInt32) {
    tmpfs = Borrowed(fileSystem)
    super.init(
      fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: FileType.directory | mode & 0o7777, uid: uid,
      gid: gid)
    linkCount = 2
  }

  override var size: Int { (table.count + 2) * 20 }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? { table.inode(named: name) }

  /// Adds a file that was just made.
  func add(_ name: Span<UInt8>, _ inode: Inode) {
    table.insert(name, inode)
    if inode.isDirectory { linkCount += 1 }
    namesChanged()
  }
  private func charge() throws(Errno) {
    try tmpfs.with { (fs) throws(Errno) in try fs.chargeInode() }
  }

  override func create(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    try charge()
    let inode = tmpfs.with { $0.makeFile(new) }
    add(name, inode)
    return inode
  }
  override func createUnnamed(_ new: NewFile) throws(Errno) -> Inode {
    try charge()
    return tmpfs.with { $0.makeFile(new) }
  }
  override func mkdir(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    try charge()
    let inode = tmpfs.with { TmpfsDirectory($0, mode: new.mode, uid: new.uid, gid: new.gid) }
    add(name, inode)
    return inode
  }
  override func mknod(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    try charge()
    let inode = tmpfs.with {
      MemoryInode(
        fileSystem: $0, number: $0.newInodeNumber(), mode: new.mode, uid: new.uid, gid: new.gid, rdev: new.rdev)
    }
    add(name, inode)
    return inode
  }
  override func symlink(_ name: Span<UInt8>, target: [UInt8], _ new: NewFile) throws(Errno) -> Inode {
    try charge()
    let inode = tmpfs.with { TmpfsSymbolicLink($0, target: target, uid: new.uid, gid: new.gid) }
    add(name, inode)
    return inode
  }
  override func link(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) {
    try MemoryBound.check(512, or: .noSpace)
    if inode.linkCount == .max { throw .tooManyLinks }
    inode.linkCount += 1
    inode.changed = FileTime.now()
    add(name, inode)
  }
  override func unlink(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) {
    guard let i = table.find(name) else { throw .noEntry }
    table.remove(i)
    namesChanged()
    inode.linkCount &-= 1
    inode.changed = changed
  }
  override func rmdir(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) {
    guard let directory = inode as? TmpfsDirectory, let i = table.find(name) else { throw .noEntry }
    if directory.table.count > 0 { throw .notEmpty }
    table.remove(i)
    linkCount -= 1
    namesChanged()
    directory.linkCount = 0
    directory.changed = changed
  }

  override func rename(
    _ name: Span<UInt8>, _ inode: Inode, to directory: Inode, _ newName: Span<UInt8>, replacing replaced: Inode?,
    exchange: Bool
  ) throws(Errno) {
    guard let to = directory as? TmpfsDirectory, let i = table.find(name) else { throw .noEntry }
    try MemoryBound.check(512, or: .noSpace)
    if let replaced {
      guard let j = to.table.find(newName) else { throw .noEntry }
      if exchange {
        table.replace(i, replaced)
        to.table.replace(j, inode)
        moved(replaced, from: to, to: self)
      } else {
        if let gone = replaced as? TmpfsDirectory {
          if gone.table.count > 0 { throw .notEmpty }
          to.linkCount -= 1
          gone.linkCount = 0
        } else {
          replaced.linkCount &-= 1
        }
        to.table.replace(j, inode)
        table.remove(i)
      }
    } else {
      to.table.insert(newName, inode)
      // The insertion may have moved entries of this very table.
      if let i = table.find(name) { table.remove(i) }
    }
    moved(inode, from: self, to: to)
    namesChanged()
    to.namesChanged()
    inode.changed = changed
    replaced?.changed = changed
  }
  private func moved(_ inode: Inode, from: TmpfsDirectory, to: TmpfsDirectory) {
    if inode.isDirectory && from !== to {
      from.linkCount -= 1
      to.linkCount += 1
    }
  }

  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    TmpfsDirectoryFile(self, path, flags)
  }
}

/// A symbolic link in memory.
final class TmpfsSymbolicLink: MemoryInode {
  private let target: [UInt8]
  init(_ fileSystem: Tmpfs, target: [UInt8], uid: UInt32, gid: UInt32) {
    self.target = target
    super.init(
      fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: FileType.symbolicLink | 0o777, uid: uid,
      gid: gid)
  }
  override var size: Int { target.count }
  override func readlink() throws(Errno) -> [UInt8] { target }
}

/// An open directory of tmpfs.
final class TmpfsDirectoryFile: DirectoryFile {
  private let directory: TmpfsDirectory
  init(_ directory: TmpfsDirectory, _ path: Path, _ flags: Int32) {
    self.directory = directory
    super.init(inode: directory, path: path, flags: flags)
  }
  override func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) {
    directory.lock.lock()
    defer { directory.lock.unlock() }
    if directory.linkCount == 0 { throw .noEntry }
    guard addDots(&entries) else { return }
    var at = position
    directory.table.forEach(from: at) { name, inode, cookie in
      guard entries.add(name, inode: inode.number, type: inode.type, next: cookie + 1) else { return false }
      at = cookie + 1
      return true
    }
    position = at
    directory.noteAccess()
  }
}
