import CLinux
import Machine

// What of an inode is open, and opening it again.

/// Under the inode's lock.
struct HostOpenFiles: ~Copyable {
  var files = IntrusiveList<HostFile>()
  /// Open for writing by the guest: what the host might refuse to open anew.
  var writer: HostFileReference?
  /// Open since it was created, for whoever opens it first: its mode may forbid what its creator may do.
  var fresh: HostFileReference?
}

extension HostInode {
  var openWriter: HostFileReference? { opened.withLock { $0.writer } }
  func setFresh(_ reference: HostFileReference) {
    opened.withLock {
      $0.fresh = reference
      isFresh = true
    }
  }
  func takeFresh() -> HostFileReference? {
    if !isFresh { return nil }
    return opened.withLock {
      isFresh = false
      return $0.fresh.take()
    }
  }
  func addOpen(_ file: HostFile) { opened.withLock { $0.files.append(file) } }
  func removeOpen(_ file: HostFile) { opened.withLock { $0.files.remove(file) } }
  /// What one has open with the access of `flags` at least.
  func openReference(_ flags: Int32) -> HostFileReference? {
    let wanted = (flags & O_ACCMODE) &+ 1
    return opened.withLock { open in
      var found: HostFileReference?
      open.files.forEach { if ($0.flags & O_ACCMODE) &+ 1 & wanted == wanted { found = $0.reference } }
      return found
    }
  }
  func setWriter(_ reference: HostFileReference) {
    var old: HostFileReference?
    opened.withLock {
      old = $0.writer
      $0.writer = reference
    }
    withExtendedLifetime(old) {}
  }
  func dropWriter(_ reference: HostFileReference) {
    var old: HostFileReference?
    opened.withLock { if $0.writer === reference { old = $0.writer.take() } }
    withExtendedLifetime(old) {}
  }

  /// What the host is asked for where the guest opens with `flags`. O_SYNC, with O_DSYNC in it, is a macro that Swift does not
  /// see everywhere.
  static func hostFlags(_ flags: Int32) -> Int32 { flags & (O_ACCMODE | 0o4010000) }

  /// `openCached`, where the name is confirmed: one openat2 and one statx.
  func openHere(
    _ path: BorrowedPath, _ flags: Int32, _ c: Credentials, _ runs: Bool
  ) throws(Errno) -> File? {
    guard let last = path.last, !isFresh, !isUnnamed else { return nil }
    // Whoever may not write never has it open for writing in the host, be it for a moment.
    if flags & O_ACCMODE != O_RDONLY {
      guard
        (try? path.mount.with { (mount) throws(Errno) in try Opening.check(self, mount, flags, c, runs: runs) }) != nil
      else { return nil }
    }
    let opened = last.parent.with { parent -> HostDescriptor? in
      guard placeHash == HostInode.placeHash(last.text.name(at: last.start).hash, parent.inode),
        let handle = parent.inode.keptHandle
      else { return nil }
      return handle.with { handle in
        handle.descriptor.open(
          last.text, last.start, last.end, HostInode.hostFlags(flags) | O_NONBLOCK | O_NOCTTY)
      }
    }
    guard let opened else { return nil }
    let reference = HostFileReference(opened)
    guard try reference.descriptor.withAttributes({ refreshIfSame(&$0) }) else { return nil }
    try path.mount.with { (mount) throws(Errno) in try Opening.check(self, mount, flags, c, runs: runs) }
    return try HostFile(self, reference, path: path.path, flags: flags)
  }
}
