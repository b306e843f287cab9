import CLinux
import Machine
import Synchronization

/// Names that were looked up, by directory and name. It holds one count of each dentry in it; beyond `limit` it drops
/// those that nobody else holds and that were not used of late.
///
/// It is read without a lock, under RCU: what was found stays until the reader sleeps, and is the truth where `changes` says
/// that no name left its place meanwhile. New names do not count as a change: they are there when they are linked.
public final class DentryCache {
  let chains = RCUChains<Dentry>(count: 1024)
  let changes = ChangeCount()
  private let table: SpinLock<DentryTable>
  public init(limit: Int = 16384) { table = SpinLock(DentryTable(limit: limit), rank: .dentries) }

  // MARK: without the lock

  @inline(__always) static func combine(_ nameHash: UInt, _ parent: UInt) -> UInt {
    let h = nameHash ^ (parent &>> 4 &* 0x9e37_79b9_7f4a_7c15)
    return h ^ h &>> 32
  }
  /// What has `nameHash` in `parent` and `isName`. It stays until the caller sleeps or the lock is released.
  @inline(__always)
  func look(_ nameHash: UInt, in parent: Borrowed<Dentry>, _ isName: (Dentry) -> Bool) -> Borrowed<Dentry>? {
    let hash = Self.combine(nameHash, parent.identity)
    var at = chains.first(hash)
    while let here = at {
      let isFound = here.with { d in
        guard d.hash == hash, d.parentIdentity == parent.identity, isName(d) else { return false }
        if !d.wasUsed { d.wasUsed = true }
        return true
      }
      if isFound { return here }
      at = here.with { $0.next.borrowed }
    }
    return nil
  }

  /// `name` in `parent`, if the cache has it.
  func find(_ name: Span<UInt8>, in parent: Dentry) -> Dentry? {
    let hash = NameHash.of(name)
    if let before = changes.read() {
      let found = look(hash, in: Borrowed(parent), { $0.name.isEqual(to: name) })?.object
      if changes.isStill(before) { return found }
    }
    return table.withLock { _ in look(hash, in: Borrowed(parent), { $0.name.isEqual(to: name) })?.object }
  }

  // MARK: changing it

  /// Puts `dentry` in, unless another one took the name first, which is then returned. A negative one that has the name
  /// gives way to a positive one.
  func insert(_ dentry: Dentry) -> Dentry {
    table.withLock { t -> Dentry in
      guard let parent = dentry.parent else { return dentry }
      let name = dentry.name.array
      if let found = look(NameHash.of(name.span), in: Borrowed(parent), { $0.name.isEqual(to: name.span) }) {
        if !found.with({ $0.isNegative }) || dentry.isNegative { return found.object }
        found.with { drop($0, &t) }
      }
      if t.count >= 2 * chains.count && chains.count < 1 << 20 { grow() }
      Borrowed(dentry).retain()  // the cache's
      link(dentry)
      t.count += 1
      if t.count > t.limit { sweep(&t) }
      return dentry
    }
  }

  /// The name of `dentry` is gone; others may hold it on.
  func remove(_ dentry: Dentry, isDeleted: Bool = true) {
    table.withLock { t in
      if isDeleted { dentry.isDeleted = true }
      drop(dentry, &t)
    }
  }

  /// `dentry` becomes `name` in `parent`, in place of what has that name in the cache.
  func move(_ dentry: Dentry, to parent: Dentry, name: [UInt8], replacing replaced: Dentry?) {
    var old: Dentry?
    table.withLock { t in
      if let replaced {
        replaced.isDeleted = true
        drop(replaced, &t)
      }
      changes.begin()
      if dentry.isHashed { unlink(dentry) }
      old = dentry.move(to: parent, name: name)
      // One that the cache has dropped stays out: its count may wait for a grace period.
      if dentry.isHashed { link(dentry) }
      changes.end()
    }
    withExtendedLifetime(old) {}
  }
  /// The two change places.
  func exchange(_ a: Dentry, _ b: Dentry) {
    var old: (Dentry?, Dentry?) = (nil, nil)
    table.withLock { _ in
      guard let parentA = a.parent, let parentB = b.parent else { return }
      changes.begin()
      if a.isHashed { unlink(a) }
      if b.isHashed { unlink(b) }
      let nameA = a.name.array, nameB = b.name.array
      old.0 = a.move(to: parentB, name: nameB)
      old.1 = b.move(to: parentA, name: nameA)
      if a.isHashed { link(a) }
      if b.isHashed { link(b) }
      changes.end()
    }
    withExtendedLifetime(old) {}
  }

  /// Makes a change of the mounts, which walks without a lock read beside the names. `body` drops nothing. The mount
  /// table's lock is held.
  func changeMounts<R>(_ body: () -> R) -> R {
    table.withLock { _ in
      changes.begin()
      atomicMemoryFence(ordering: .sequentiallyConsistent)  // before counts are read
      let result = body()
      changes.end()
      return result
    }
  }

  /// Drops every cached name of the file system of `root`, but those in use, before it is shut down.
  func removeAll(of fileSystem: FileSystem) {
    table.withLock { t in
      for chain in 0..<chains.count {
        dropUnused(UInt(chain), &t) { $0.inode.fileSystem === fileSystem }
      }
    }
  }

  // MARK: places

  /// The directory that `dentry` is in; nil for a root.
  public func parent(of dentry: Dentry) -> Dentry? { table.withLock { _ in dentry.parent } }
  public func name(of dentry: Dentry) -> [UInt8] { table.withLock { _ in dentry.name.array } }
  /// Both at once.
  func place(of dentry: Dentry) -> (parent: Dentry?, name: [UInt8]) {
    table.withLock { _ in (dentry.parent, dentry.name.array) }
  }
  /// Whether `ancestor` is `dentry` or above it.
  public func isAncestor(_ ancestor: Dentry, of dentry: Dentry) -> Bool {
    table.withLock { _ in
      var at: Borrowed<Dentry>? = Borrowed(dentry)
      while let here = at {
        if here == ancestor { return true }
        at = here.with { $0.parent.map { Borrowed($0) } }
      }
      return false
    }
  }
  public var count: Int { table.withLock { $0.count } }

  // MARK: the lock is held

  /// Into the chain of its name.
  private func link(_ dentry: Dentry) {
    dentry.hash = Self.combine(NameHash.of(dentry.name.array.span), dentry.parentIdentity)
    dentry.next.set(chains.first(dentry.hash))
    dentry.isHashed = true
    dentry.wasUsed = true
    chains.setFirst(dentry.hash, Borrowed(dentry))
  }
  private func unlink(_ dentry: Dentry) {
    var previous: Borrowed<Dentry>?
    var at = chains.first(dentry.hash)
    while let here = at, !(here == dentry) {
      previous = here
      at = here.with { $0.next.borrowed }
    }
    if let previous {
      previous.with { $0.next.set(dentry.next.borrowed) }
    } else {
      chains.setFirst(dentry.hash, dentry.next.borrowed)
    }
  }
  private func drop(_ dentry: Dentry, _ t: inout DentryTable) {
    guard dentry.isHashed else { return }
    changes.begin()
    unlink(dentry)
    dentry.isHashed = false
    changes.end()
    t.count -= 1
    RCU.release(Borrowed(dentry))
  }

  private func grow() {
    changes.begin()
    chains.double { count, first in
      for chain in 0..<count {
        var at = first(chain)
        while let here = at {
          at = here.with { $0.next.borrowed }
          here.with { dentry in
            dentry.next.set(chains.first(dentry.hash))
            chains.setFirst(dentry.hash, here)
          }
        }
      }
    }
    changes.end()
  }

  /// A second-chance sweep over part of the table: drops some that only the cache holds.
  private func sweep(_ t: inout DentryTable) {
    let start = t.count
    for _ in 0..<256 where start - t.count < 32 {
      t.hand &+= 1
      dropUnused(t.hand, &t) { dentry in
        defer { dentry.wasUsed = false }
        return !dentry.wasUsed
      }
    }
  }
  private func dropUnused(_ chain: UInt, _ t: inout DentryTable, _ isUnwanted: (Dentry) -> Bool) {
    var at = chains.first(chain)
    while let here = at {
      at = here.with { $0.next.borrowed }
      // A walk that takes a count of it just now looks at `changes` afterwards.
      if here.isUnique && here.with(isUnwanted) { here.with { drop($0, &t) } }
    }
  }
}
/// The machine's dentry cache.
public let dentries = KernelGlobal<DentryCache>()

struct DentryTable: ~Copyable {
  var count = 0
  let limit: Int
  var hand: UInt = 0  // of the sweep
  init(limit: Int) { self.limit = limit }
}
