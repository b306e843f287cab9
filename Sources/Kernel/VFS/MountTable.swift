import CLinux
import Machine

/// The mounts of the machine: one namespace, mount_namespaces(7).
public final class MountTable {
  /// Held by mount(2), umount2(2), pivot_root(2) from look-up to change.
  let changes = Mutex<Void>((), rank: .mount)
  private let table = SpinLock(MountList(), rank: .mount)
  public init() {}

  /// A mount of `root` that is nowhere yet.
  func make(_ root: Dentry, flags: UInt) -> Mount {
    let id = table.withLock { t -> Int in
      t.lastID += 1
      return t.lastID
    }
    return Mount(id: id, root: root, flags: flags)
  }
  /// The root of the tree, at boot.
  public func setRoot(_ root: Dentry, flags: UInt = 0) -> Path {
    let mount = make(root, flags: flags)
    table.withLock { $0.all.append(mount) }
    return Path(mount: mount, dentry: root)
  }

  /// Puts `mount` at `place`.
  func attach(_ mount: Mount, at place: Path) {
    table.withLock { t in
      mount.parent = place.mount
      mount.mountpoint = place.dentry
      place.dentry.mountCount += 1
      if !t.contains(mount) { t.all.append(mount) }
    }
  }
  /// Takes `mount` from its place and the table.
  func detach(_ mount: Mount) {
    var old: (Mount?, Dentry?) = (nil, nil)
    table.withLock { t in
      mount.mountpoint?.mountCount -= 1
      old = (mount.parent, mount.mountpoint)
      mount.parent = nil
      mount.mountpoint = nil
      t.remove(mount)
    }
    withExtendedLifetime(old) {}
  }

  /// Whether nobody but the table holds `mount`, which is in it.
  func isIdle(_ mount: Borrowed<Mount>) -> Bool { table.withLock { _ in mount.isUnique } }
  /// Makes `new` the root of the tree in place of `old`, which goes to `place`: pivot_root(2).
  func pivot(_ new: Mount, _ old: Mount, to place: Path) {
    var dropped: (Mount?, Dentry?) = (nil, nil)
    table.withLock { t in
      new.mountpoint?.mountCount -= 1
      dropped = (new.parent, new.mountpoint)
      if let parent = old.parent, let mountpoint = old.mountpoint {
        new.parent = parent
        new.mountpoint = mountpoint
      } else {
        new.parent = nil
        new.mountpoint = nil
      }
      old.parent = place.mount
      old.mountpoint = place.dentry
      place.dentry.mountCount += 1
    }
    withExtendedLifetime(dropped) {}
  }

  /// What is mounted on `place`, if anything.
  @inline(__always) public func mounted(on place: Path) -> Mount? {
    if place.dentry.mountCount == 0 { return nil }
    return find(place)
  }
  @inline(never) private func find(_ place: Path) -> Mount? {
    table.withLock { t in
      for mount in t.all where mount.parent === place.mount && mount.mountpoint === place.dentry { return mount }
      return nil
    }
  }
  /// Where `mount` is; nil for the root and what is detached.
  public func place(of mount: Mount) -> Path? {
    table.withLock { _ in
      guard let parent = mount.parent, let mountpoint = mount.mountpoint else { return nil }
      return Path(mount: parent, dentry: mountpoint)
    }
  }
  /// All mounts, oldest first.
  public var all: [Mount] { table.withLock { $0.all } }
  func children(of mount: Mount) -> [Mount] {
    table.withLock { t in
      var result: [Mount] = []
      for child in t.all where child.parent === mount { result.append(child) }
      return result
    }
  }
}
/// The machine's mounts.
public let mounts = KernelGlobal<MountTable>()

struct MountList: ~Copyable {
  var all: [Mount] = []
  var lastID = 0
  func contains(_ mount: Mount) -> Bool {
    for m in all where m === mount { return true }
    return false
  }
  mutating func remove(_ mount: Mount) {
    for i in all.indices where all[i] === mount {
      all.remove(at: i)
      return
    }
  }
}
