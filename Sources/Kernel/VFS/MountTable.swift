import CLinux
import Machine

/// The mounts of the machine: one namespace, mount_namespaces(7).
///
/// Walks look for what is mounted on a place without a lock, under RCU: what they find is the truth where
/// `DentryCache.changes` says that nothing changed. Who takes a mount out keeps it for a grace period.
public final class MountTable {
  /// Held by mount(2), umount2(2), pivot_root(2) from look-up to change.
  let changes = Mutex<Void>((), rank: .mount)
  private let table = SpinLock(MountList(), rank: .mount)
  private let chains = RCUChains<Mount>(count: 64)
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

  /// Puts `mount`, which is nowhere, at `place`.
  func attach(_ mount: Mount, at place: Path) {
    change { t in
      put(mount, at: place)
      if !t.contains(mount) { t.all.append(mount) }
    }
  }
  /// Takes `mount` from its place and the table; `ifIdle`: unless somebody besides the table and the caller's borrow holds
  /// it. Returns the table's count, for the caller to keep for a grace period; nil where it stayed.
  func detach(_ mount: Mount, ifIdle: Bool = false) -> Mount? {
    var old: (Mount?, Dentry?) = (nil, nil)
    let gone = change { t -> Mount? in
      // A walk that takes a count from here on finds that something has changed, and drops it.
      if ifIdle && !Borrowed(mount).isUnique { return nil }
      old = take(mount)
      return t.remove(mount)
    }
    withExtendedLifetime(old) {}
    return gone
  }

  /// Whether nobody but the table holds `mount`, which is in it.
  func isIdle(_ mount: Borrowed<Mount>) -> Bool { table.withLock { _ in mount.isUnique } }
  /// Makes `new` the root of the tree in place of `old`, which goes to `place`: pivot_root(2).
  func pivot(_ new: Mount, _ old: Mount, to place: Path) {
    var dropped: ((Mount?, Dentry?), (Mount?, Dentry?)) = ((nil, nil), (nil, nil))
    change { _ in
      dropped.0 = take(new)
      dropped.1 = take(old)
      if let parent = dropped.1.0, let mountpoint = dropped.1.1 {
        put(new, at: Path(mount: parent, dentry: mountpoint))
      }
      put(old, at: place)
    }
    withExtendedLifetime(dropped) {}
  }

  /// A change that walks without a lock may notice.
  private func change<R>(_ body: (inout MountList) -> R) -> R {
    table.withLock { t in dentries.borrowed.with { $0.changeMounts { body(&t) } } }
  }
  private func put(_ mount: Mount, at place: Path) {
    _ = mount.move(to: place)
    place.dentry.mountCount += 1
    let hash = mount.placeIdentity.hash
    mount.next.set(chains.first(hash))
    chains.setFirst(hash, Borrowed(mount))
  }
  private func take(_ mount: Mount) -> (Mount?, Dentry?) {
    guard let mountpoint = mount.mountpoint else { return (nil, nil) }
    mountpoint.mountCount -= 1
    let hash = mount.placeIdentity.hash
    var before: Borrowed<Mount>?
    var at = chains.first(hash)
    while let here = at, !(here == mount) {
      before = here
      at = here.with { $0.next.borrowed }
    }
    let after = mount.next.borrowed
    if let before { before.with { $0.next.set(after) } } else { chains.setFirst(hash, after) }
    return mount.move(to: nil)
  }

  /// What is mounted on `place`, if anything.
  @inline(__always) public func mounted(on place: Path) -> Mount? {
    if place.dentry.mountCount == 0 { return nil }
    return find(place)
  }
  @inline(never) private func find(_ place: Path) -> Mount? {
    table.withLock { _ in look(Borrowed(place.mount), Borrowed(place.dentry))?.object }
  }
  /// The same without the lock or a count: good until the caller sleeps.
  func look(_ mount: Borrowed<Mount>, _ dentry: Borrowed<Dentry>) -> Borrowed<Mount>? {
    let place = PlaceIdentity(mount, dentry)
    var at = chains.first(place.hash)
    while let here = at {
      if here.with({ $0.placeIdentity == place }) { return here }
      at = here.with { $0.next.borrowed }
    }
    return nil
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
  mutating func remove(_ mount: Mount) -> Mount? {
    for i in all.indices where all[i] === mount { return all.remove(at: i) }
    return nil
  }
}
