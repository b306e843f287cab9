import CLinux
import Machine

/// Names in a directory of the host.
extension HostInode {
  /// What `name` is now; nil where it is not there.
  func look(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    let directory = try reach()
    do throws(Errno) {
      let attributes = try directory.descriptor.attributes(of: name)
      return host.with { $0.inode(attributes, in: self, array(of: name)) }
    } catch {
      if error == .noEntry { return host.with { $0.mountPoint(name, in: self) } }
      throw error
    }
  }
  /// Where something is mounted at boot under a name that is not there: an inode of Martlet's own, which no listing shows.
  func addMountPoint(_ name: [UInt8], isDirectory: Bool) {
    host.with { fs in
      let point = HostMountPoint(
        parent: self, name: name, inode: HostInode.mountPoint(in: self, isDirectory: isDirectory))
      fs.state.withLock { $0.mountPoints.append(point) }
    }
  }
  /// What is mounted on, below `parent`.
  static func mountPoint(in parent: Inode, isDirectory: Bool) -> Inode {
    let fileSystem = parent.fileSystem
    if isDirectory { return FixedDirectory(fileSystem, parent: parent.number, mode: 0o755) }
    return Inode(fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: FileType.regular | 0o644)
  }
  /// What was just made. Errors: ENOENT where another took it away at once.
  func made(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    guard let inode = try look(name) as? HostInode else { throw .noEntry }
    try inode.takeOwner(new)
    return inode
  }
  private func takeOwner(_ new: NewFile) throws(Errno) {
    if uid == new.uid && gid == new.gid { return }
    try changeOwner(uid == new.uid ? nil : new.uid, gid == new.gid ? nil : new.gid)
    refresh(try reach().descriptor.attributes())
  }
  func isStill(_ name: Span<UInt8>, _ inode: Inode?) throws(Errno) -> Bool {
    let attributes: linux_statx
    do throws(Errno) {
      attributes = try reach().descriptor.attributes(of: name)
    } catch {
      if error == .noEntry { return inode === host.with { $0.mountPoint(name, in: self) } }
      throw error
    }
    guard let inode = inode as? HostInode, HostFileKey(attributes) == inode.key else { return false }
    inode.refresh(attributes)
    inode.wasFound(in: self, array(of: name))
    return true
  }

  func makeFile(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    let directory = try reach()
    let file = try withReleased { () throws(Errno) in
      HostFileReference(try directory.descriptor.open(name, O_RDWR | O_CREAT | O_EXCL, mode: new.mode & 0o7777))
    }
    let attributes = try file.descriptor.attributes()
    let inode = host.with { $0.inode(attributes, in: self, array(of: name)) }
    inode.setFresh(file)
    try inode.takeOwner(new)
    return inode
  }

  func makeUnnamed(_ new: NewFile) throws(Errno) -> Inode {
    let directory = try reach()
    let file = try withReleased { () throws(Errno) in
      HostFileReference(
        try directory.descriptor.reopen(O_TMPFILE_BIT | O_DIRECTORY | O_RDWR, mode: new.mode & 0o7777))
    }
    let attributes = try file.descriptor.attributes()
    let inode = host.with { fs in
      let inode = fs.inode(attributes, in: self, [])
      fs.keep(file, of: inode)
      fs.state.withLock { _ in inode.isUnnamed = true }
      return inode
    }
    inode.setFresh(file)
    try inode.takeOwner(new)
    return inode
  }

  func makeLink(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) {
    guard let inode = inode as? HostInode else { throw .crossDevice }
    let to = try reach()
    if inode.isLinkable {
      try inode.reach().descriptor.linkSelf(to: to.descriptor, name)
    } else {
      let old = try inode.place()
      try old.parent.reach().descriptor.link(old.name.span, to: to.descriptor, name)
    }
    inode.wasFound(in: self, array(of: name))
    inode.refresh(try inode.reach().descriptor.attributes())
    refresh(try to.descriptor.attributes())
  }

  func remove(_ name: Span<UInt8>, _ inode: Inode, isDirectory: Bool) throws(Errno) {
    let directory = try reach()
    let victim = inode as? HostInode
    victim?.prepareToLose(self, name)
    try directory.descriptor.remove(name, isDirectory: isDirectory)
    victim?.lostName()
    refresh(try directory.descriptor.attributes())
  }

  func move(
    _ name: Span<UInt8>, _ inode: Inode, to directory: Inode, _ newName: Span<UInt8>, replacing replaced: Inode?,
    exchange: Bool
  ) throws(Errno) {
    guard let target = directory as? HostInode else { throw .crossDevice }
    let from = try reach(), to = try target.reach()
    let victim = exchange ? nil : replaced as? HostInode
    victim?.prepareToLose(target, newName)
    try from.descriptor.rename(name, to: to.descriptor, newName, exchange ? UInt32(RENAME_EXCHANGE) : 0)
    victim?.lostName()
    (inode as? HostInode)?.wasFound(in: target, array(of: newName))
    if exchange { (replaced as? HostInode)?.wasFound(in: self, array(of: name)) }
    refresh(try from.descriptor.attributes())
    if target !== self { target.refresh(try to.descriptor.attributes()) }
  }

  /// Its name is about to go: what is in use must be reached without it from then on.
  private func prepareToLose(_ parent: HostInode, _ name: Span<UInt8>) {
    do throws(Errno) {
      let handle = try reach()
      host.with { $0.keep(handle, of: self) }
    } catch {}
  }
  /// Its name is gone; it may have others.
  private func lostName() {
    do throws(Errno) {
      let attributes = try reach().descriptor.attributes()
      refresh(attributes)
      // With other names it can be reached by the one under which it is found next.
      host.with { fs in fs.state.withLock { _ in isUnnamed = true } }
    } catch {
      linkCount = 0
    }
  }
}

/// O_TMPFILE without the O_DIRECTORY in it.
private var O_TMPFILE_BIT: Int32 { 0o20000000 }
