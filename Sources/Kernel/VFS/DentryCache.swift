import CLinux
import Machine

/// Names that were looked up, by directory and name. It holds one count of each dentry in it; beyond `limit` it drops
/// those that nobody else holds and that were not used of late.
public final class DentryCache {
  private let table: SpinLock<DentryTable>
  public init(limit: Int = 16384) { table = SpinLock(DentryTable(limit: limit), rank: .dentries) }

  /// The hash of a name, to be computed once for each use.
  @inline(__always) public static func hash(_ name: Span<UInt8>) -> UInt {
    var h = hashStart
    for i in name.indices { h = hash(h, name[i]) }
    return h
  }
  @inline(__always) static var hashStart: UInt { 0xcbf2_9ce4_8422_2325 }
  /// The hash of one byte more.
  @inline(__always) static func hash(_ h: UInt, _ byte: UInt8) -> UInt { (h ^ UInt(byte)) &* 0x100_0000_01b3 }

  /// For the other things that this lock guards.
  @inline(__always) func withLock<R, E: Error>(_ body: (inout DentryTable) throws(E) -> R) throws(E) -> R {
    try table.withLock(body)
  }

  /// `name` in `parent`, if the cache has it: the one function by which walks read the cache.
  @inline(__always) func find(_ name: Span<UInt8>, _ nameHash: UInt, in parent: Dentry) -> Dentry? {
    table.withLock { t -> Dentry? in t.find(name, nameHash, in: Borrowed(parent))?.object }
  }

  /// Puts `dentry` in, unless another one took the name first, which is then returned. A negative one that has the name
  /// gives way to a positive one.
  func insert(_ dentry: Dentry) -> Dentry {
    var old: Dentry?
    var victims: [Dentry] = []
    let result = table.withLock { t -> Dentry in
      guard let parent = dentry.parent else { return dentry }
      let name = dentry.name.array
      let hash = DentryTable.combine(Self.hash(name.span), Borrowed(parent))
      var at = t.buckets[Int(hash & t.mask)]
      while let here = at {
        if here.with({ $0.hash == hash && $0.parent === parent && $0.name.isEqual(to: name.span) }) {
          let found = here.object
          if !found.isNegative || dentry.isNegative { return found }
          old = found
          t.remove(found)
          break
        }
        at = here.with { $0.next }
      }
      t.insert(dentry, hash)
      if t.count > t.limit { t.sweep(&victims) }
      return dentry
    }
    withExtendedLifetime((old, victims)) {}  // dropped here, without the lock
    return result
  }

  /// The name of `dentry` is gone; others may hold it on.
  func remove(_ dentry: Dentry, isDeleted: Bool = true) {
    table.withLock { t in
      if isDeleted { dentry.isDeleted = true }
      if dentry.isHashed { t.remove(dentry) }
    }
  }

  /// `dentry` becomes `name` in `parent`, in place of what has that name in the cache.
  func move(_ dentry: Dentry, to parent: Dentry, name: [UInt8], replacing replaced: Dentry?) {
    var old: Dentry?
    table.withLock { t in
      if let replaced {
        replaced.isDeleted = true
        if replaced.isHashed { t.remove(replaced) }
      }
      if dentry.isHashed { t.remove(dentry) }
      old = dentry.move(to: parent, name: name)
      t.insert(dentry, DentryTable.combine(Self.hash(name.span), Borrowed(parent)))
    }
    withExtendedLifetime(old) {}
  }
  /// The two change places.
  func exchange(_ a: Dentry, _ b: Dentry) {
    var old: (Dentry?, Dentry?) = (nil, nil)
    table.withLock { t in
      guard let parentA = a.parent, let parentB = b.parent else { return }
      if a.isHashed { t.remove(a) }
      if b.isHashed { t.remove(b) }
      let nameA = a.name.array, nameB = b.name.array
      old.0 = a.move(to: parentB, name: nameB)
      old.1 = b.move(to: parentA, name: nameA)
      t.insert(a, DentryTable.combine(Self.hash(nameB.span), Borrowed(parentB)))
      t.insert(b, DentryTable.combine(Self.hash(nameA.span), Borrowed(parentA)))
    }
    withExtendedLifetime(old) {}
  }

  /// Drops every cached name of the file system of `root`, but those in use, before it is shut down.
  func removeAll(of fileSystem: FileSystem) {
    while true {
      var victims: [Dentry] = []
      table.withLock { $0.takeUnused(of: fileSystem, &victims) }
      if victims.isEmpty { return }
    }
  }

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
}
/// The machine's dentry cache.
public let dentries = KernelGlobal<DentryCache>()

struct DentryTable: ~Copyable {
  var buckets: [Borrowed<Dentry>?]
  var mask: UInt
  var count = 0
  let limit: Int
  private var hand = 0

  init(limit: Int) {
    self.limit = limit
    buckets = [Borrowed<Dentry>?](repeating: nil, count: 1024)
    mask = 1023
  }

  @inline(__always) static func combine(_ nameHash: UInt, _ parent: Borrowed<Dentry>) -> UInt {
    let h = nameHash ^ (parent.identity &>> 4 &* 0x9e37_79b9_7f4a_7c15)
    return h ^ h &>> 32
  }

  /// `name` in `parent`; it stays while the lock is held.
  @inline(__always)
  func find(_ name: Span<UInt8>, _ nameHash: UInt, in parent: Borrowed<Dentry>) -> Borrowed<Dentry>? {
    let hash = Self.combine(nameHash, parent)
    var at = buckets[Int(hash & mask)]
    while let here = at {
      let isFound = here.with { d in
        guard d.hash == hash, d.name.isEqual(to: name), let p = d.parent, parent == p else { return false }
        d.wasUsed = true
        return true
      }
      if isFound { return here }
      at = here.with { $0.next }
    }
    return nil
  }

  mutating func insert(_ dentry: Dentry, _ hash: UInt) {
    if count >= 2 * buckets.count && buckets.count < 1 << 20 { grow() }
    let new = Borrowed(dentry)
    new.retain()
    dentry.hash = hash
    dentry.next = buckets[Int(hash & mask)]
    dentry.isHashed = true
    dentry.wasUsed = true
    buckets[Int(hash & mask)] = new
    count += 1
  }

  /// The caller holds a reference of its own, so the cache's is never the last.
  mutating func remove(_ dentry: Dentry) {
    let bucket = Int(dentry.hash & mask)
    var previous: Borrowed<Dentry>?
    var at = buckets[bucket]
    while let here = at {
      let next = here.with { $0.next }
      if here == dentry {
        if let previous { previous.with { $0.next = next } } else { buckets[bucket] = next }
        dentry.next = nil
        dentry.isHashed = false
        count -= 1
        here.release()
        return
      }
      previous = here
      at = next
    }
  }

  private mutating func grow() {
    let old = buckets
    buckets = [Borrowed<Dentry>?](repeating: nil, count: old.count * 2)
    mask = UInt(buckets.count - 1)
    for first in old {
      var at = first
      while let here = at {
        at = here.with { $0.next }
        let bucket = here.with { Int($0.hash & mask) }
        here.with { $0.next = buckets[bucket] }
        buckets[bucket] = here
      }
    }
  }

  /// A second-chance sweep over part of the table: takes out some that only the cache holds.
  mutating func sweep(_ victims: inout [Dentry]) {
    for _ in 0..<256 where victims.count < 32 {
      hand = (hand + 1) & Int(mask)
      var at = buckets[hand]
      while let here = at {
        at = here.with { $0.next }
        if here.with({ $0.wasUsed }) {
          here.with { $0.wasUsed = false }
        } else if here.isUnique {
          let victim = here.object
          remove(victim)
          victims.append(victim)
        }
      }
    }
  }
  mutating func takeUnused(of fileSystem: FileSystem, _ victims: inout [Dentry]) {
    for bucket in 0..<buckets.count where victims.count < 256 {
      var at = buckets[bucket]
      while let here = at {
        at = here.with { $0.next }
        if here.isUnique && here.with({ $0.inode.fileSystem === fileSystem }) {
          let victim = here.object
          remove(victim)
          victims.append(victim)
        }
      }
    }
  }
}
