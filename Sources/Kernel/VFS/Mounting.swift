import CLinux
import Machine
import Synchronization

/// Changes of the mount table: mount(2), umount2(2), pivot_root(2). Each holds `MountTable.changes`; the callers have
/// checked CAP_SYS_ADMIN.
enum Mounting {
  /// A new mount of a file system at `place`. Errors: ENODEV, ENOTDIR, EBUSY, and what the type throws.
  @discardableResult
  static func mount(
    type: [UInt8], source: [UInt8], at place: Path, flags: UInt, options: [UInt8]
  ) throws(Errno) -> Mount {
    guard let type = FileSystemTypes.find(type) else { throw .noDevice }
    let root = try type.mount(source: source, flags: flags, options: options)
    return try attach(root, at: place, flags: flags & Mount.kept)
  }

  @discardableResult
  static func attach(_ root: Dentry, at place: Path, flags: UInt) throws(Errno) -> Mount {
    if root.inode.isDirectory != place.dentry.inode.isDirectory { throw .notDirectory }
    return try mounts.borrowed.with { (table) throws(Errno) -> Mount in
      try table.changes.withLock { (_) throws(Errno) -> Mount in
        if place.dentry.isDeleted || place.dentry.isTransient { throw .noEntry }
        if place.dentry === place.mount.root && place.mount.root === root { throw .busy }
        let top = self.top(place, table)
        let mount = table.make(root, flags: flags)
        table.attach(mount, at: top)
        return mount
      }
    }
  }
  /// Where a mount at `place` goes: onto what was mounted there meanwhile.
  private static func top(_ place: Path, _ table: MountTable) -> Path {
    var at = place
    while let mounted = table.mounted(on: at) { at = Path(mount: mounted, dentry: mounted.root) }
    return at
  }

  /// MS_BIND; with `isRecursive` the mounts below come along.
  static func bind(_ source: Path, at place: Path, isRecursive: Bool) throws(Errno) {
    if source.dentry.inode.isDirectory != place.dentry.inode.isDirectory { throw .notDirectory }
    try mounts.borrowed.with { (table) throws(Errno) in
      try table.changes.withLock { (_) throws(Errno) in
        if place.dentry.isDeleted || place.dentry.isTransient { throw .noEntry }
        let copy = table.make(source.dentry, flags: source.mount.flags)
        // What is below is looked at first: the copy itself may come to lie there.
        var below: [(Mount, Mount)] = []
        if isRecursive { collect(source.mount, copy, source.dentry, table, &below) }
        table.attach(copy, at: top(place, table))
        for (old, new) in below {
          guard let at = table.place(of: old) else { continue }
          let parent = below.first(where: { $0.0 === at.mount })?.1 ?? copy
          table.attach(new, at: Path(mount: parent, dentry: at.dentry))
        }
      }
    }
  }
  private static func collect(
    _ from: Mount, _ to: Mount, _ root: Dentry, _ table: MountTable, _ result: inout [(Mount, Mount)]
  ) {
    var queue = [from]
    while !queue.isEmpty {
      let mount = queue.removeFirst()
      for child in table.children(of: mount) {
        guard let at = table.place(of: child) else { continue }
        if mount === from && !dentries.borrowed.with({ $0.isAncestor(root, of: at.dentry) }) { continue }
        result.append((child, table.make(child.root, flags: child.flags)))
        queue.append(child)
      }
    }
  }

  /// MS_MOVE.
  static func move(_ source: Path, to place: Path) throws(Errno) {
    guard source.dentry === source.mount.root else { throw .invalid }
    if place.dentry.isTransient { throw .noEntry }
    if source.dentry.inode.isDirectory != place.dentry.inode.isDirectory { throw .invalid }
    try mounts.borrowed.with { (table) throws(Errno) in
      try table.changes.withLock { (_) throws(Errno) in
        guard table.place(of: source.mount) != nil else { throw .invalid }
        var at: Path? = place
        while let here = at {
          if here.mount === source.mount { throw .loop }
          at = table.place(of: here.mount)
        }
        let target = top(place, table)
        let mount = source.mount
        _ = table.detach(mount)
        table.attach(mount, at: target)
      }
    }
  }

  /// MS_REMOUNT, with `isBind` of this mount alone. Errors: EINVAL where `place` is no mount's root, EBUSY.
  static func remount(_ place: Path, flags: UInt, options: [UInt8], isBind: Bool) throws(Errno) {
    guard place.dentry === place.mount.root else { throw .invalid }
    try mounts.borrowed.with { (table) throws(Errno) in
      try table.changes.withLock { (_) throws(Errno) in
        let becomesReadOnly = flags & UInt(MS_RDONLY) != 0
        let fileSystem = place.mount.fileSystem
        if becomesReadOnly && !place.mount.isReadOnly && fileSystem.writers.load(ordering: .relaxed) > 0 { throw .busy }
        if !isBind {
          try fileSystem.remount(options)
          fileSystem.isReadOnly = becomesReadOnly
        }
        place.mount.flags = flags & Mount.kept
      }
    }
  }

  /// umount2(2) of the mount that `place` is the root of; the caller's path is dropped here, so that it does not count.
  static func unmount(_ place: consuming Path, flags: Int32) throws(Errno) {
    guard place.dentry === place.mount.root else { throw .invalid }
    // The table keeps it while `changes` is held, under which it is looked up once more.
    let mount = Borrowed(place.mount)
    let id = place.mount.id
    drop(place)
    try mounts.borrowed.with { (table) throws(Errno) in
      let gone = try table.changes.withLock { (_) throws(Errno) -> [Mount] in
        guard isThere(mount, id, table) else { throw .invalid }
        return try detach(mount, flags, table)
      }
      RCU.synchronize()  // walks may be looking at them
      withExtendedLifetime(gone) {}  // the file systems end without the lock
    }
  }
  @inline(never) private static func drop(_ place: consuming Path) {}
  @inline(never) private static func isThere(_ mount: Borrowed<Mount>, _ id: Int, _ table: MountTable) -> Bool {
    for other in table.all where other.id == id { return true }
    return false
  }

  @inline(never)
  private static func detach(_ mount: Borrowed<Mount>, _ flags: Int32, _ table: MountTable) throws(Errno) -> [Mount] {
    var isIdle = table.isIdle(mount)
    if !isIdle {
      RCU.synchronize()  // a directory that somebody left may wait for it
      isIdle = table.isIdle(mount)
    }
    return try mount.with { (mount) throws(Errno) -> [Mount] in
      guard table.place(of: mount) != nil else { throw .busy }  // the root of the tree
      let children = table.children(of: mount)
      if flags & UnmountFlags.detach != 0 {
        var all = [mount]
        var i = 0
        while i < all.count {
          all.append(contentsOf: table.children(of: all[i]))
          i += 1
        }
        for m in all.reversed() { _ = table.detach(m) }
        return all
      }
      if !children.isEmpty || !isIdle { throw .busy }
      if flags & UnmountFlags.expire != 0 && !mount.isExpiring {
        mount.isExpiring = true
        throw .wouldBlock
      }
      guard let gone = table.detach(mount, ifIdle: true) else { throw .busy }
      return [gone]
    }
  }

  /// pivot_root(2).
  static func pivot(_ newRoot: Path, _ putOld: Path, root: Path) throws(Errno) {
    guard newRoot.dentry.inode.isDirectory, putOld.dentry.inode.isDirectory else { throw .notDirectory }
    try mounts.borrowed.with { (table) throws(Errno) in
      try table.changes.withLock { (_) throws(Errno) in
        if newRoot.mount === root.mount || putOld.mount === root.mount { throw .busy }
        guard root.dentry === root.mount.root, newRoot.dentry === newRoot.mount.root else { throw .invalid }
        guard let place = table.place(of: newRoot.mount), isBelow(place, root, table) else { throw .invalid }
        guard isBelow(putOld, newRoot, table) else { throw .invalid }
        table.pivot(newRoot.mount, root.mount, to: putOld)
      }
    }
  }
  /// Whether `path` is `top` or below it.
  private static func isBelow(_ path: Path, _ top: Path, _ table: MountTable) -> Bool {
    var at = path
    while at.mount !== top.mount {
      guard let place = table.place(of: at.mount) else { return false }
      at = place
    }
    return dentries.borrowed.with { $0.isAncestor(top.dentry, of: at.dentry) }
  }
}

/// Flags of umount2(2), which the kernel's exported headers lack: MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW.
enum UnmountFlags {
  static var force: Int32 { 1 }
  static var detach: Int32 { 2 }
  static var expire: Int32 { 4 }
  static var noFollow: Int32 { 8 }
}
