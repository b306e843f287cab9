import CLinux
import Machine

// What of an inode is open, and opening it again.

extension HostInode {
  var openWriter: HostFileReference? { host.with { fs in fs.state.withLock { _ in writer } } }
  func setFresh(_ reference: HostFileReference) {
    host.with { fs in
      fs.state.withLock { _ in
        fresh = reference
        isFresh = true
      }
    }
  }
  func takeFresh() -> HostFileReference? {
    if !isFresh { return nil }
    return host.with { fs in
      fs.state.withLock { _ in
        isFresh = false
        return fresh.take()
      }
    }
  }
  func opened(_ file: HostFile) { host.with { fs in fs.state.withLock { _ in openFiles.append(file) } } }
  func closed(_ file: HostFile) { host.with { fs in fs.state.withLock { _ in openFiles.remove(file) } } }
  /// What one has open with the access of `flags` at least.
  func openReference(_ flags: Int32) -> HostFileReference? {
    let wanted = (flags & O_ACCMODE) &+ 1
    return host.with { fs in
      fs.state.withLock { _ in
        var found: HostFileReference?
        openFiles.forEach { if ($0.flags & O_ACCMODE) &+ 1 & wanted == wanted { found = $0.reference } }
        return found
      }
    }
  }
  func setWriter(_ reference: HostFileReference) {
    var old: HostFileReference?
    host.with { fs in
      fs.state.withLock { _ in
        old = writer
        writer = reference
      }
    }
    withExtendedLifetime(old) {}
  }
  func dropWriter(_ reference: HostFileReference) {
    var old: HostFileReference?
    host.with { fs in fs.state.withLock { _ in if writer === reference { old = writer.take() } } }
    withExtendedLifetime(old) {}
  }

  /// `openCached`, where the name is confirmed: one openat2 and one statx.
  func openHere(
    _ path: BorrowedPath, _ text: ShortPath, _ flags: Int32, _ c: Credentials
  ) throws(Errno) -> File? {
    guard let parent = path.parent, !isFresh, !isUnnamed else { return nil }
    let opened = parent.with { parent -> HostDescriptor? in
      guard placeHash == HostInode.placeHash(text.name(at: path.start).hash, parent.inode),
        let directory = parent.inode as? HostInode, let handle = directory.keptHandle
      else { return nil }
      return handle.with { handle in
        handle.descriptor.open(
          text, path.start, path.end, flags & (O_ACCMODE | 0o4010000) | O_NONBLOCK | O_NOCTTY)
      }
    }
    guard let opened else { return nil }
    let reference = HostFileReference(opened)
    var s = linux_statx()
    try reference.descriptor.getAttributes(&s)
    guard HostFileKey(s) == key else { return nil }
    refresh(s)
    try path.mount.with { (mount) throws(Errno) in try Opening.checkOpen(self, mount, flags, c) }
    return try HostFile(self, reference, path: path.path, flags: flags)
  }
}
