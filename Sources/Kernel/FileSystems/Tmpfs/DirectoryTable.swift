import CLinux
import Machine

/// The names in a directory that lives in memory, in the order of their making, with a hash index over them. A name's
/// cookie never changes, so a listing goes on where it was whatever comes and goes meanwhile.
struct DirectoryTable: ~Copyable {
  struct Entry {
    var name: [UInt8]
    var inode: Inode?  // nil: removed
    let cookie: Int
    let hash: UInt
  }
  private var entries: [Entry] = []  // cookies ascend
  private var index: [Int32] = []  // open addressing over `entries`; empty while there are few
  private(set) var count = 0
  private var nextCookie = 3  // 1 and 2 are behind "." and ".."

  private static var empty: Int32 { -1 }
  private static var removed: Int32 { -2 }

  /// Where `name` is among the entries.
  func find(_ name: Span<UInt8>) -> Int? {
    let hash = NameHash.of(name)
    if index.isEmpty {
      for i in entries.indices where entries[i].hash == hash && entries[i].inode != nil && isName(i, name) { return i }
      return nil
    }
    let mask = UInt(index.count - 1)
    var at = Self.mix(hash) & mask
    while index[Int(at)] != Self.empty {
      let i = Int(index[Int(at)])
      if i >= 0, entries[i].hash == hash, isName(i, name) { return i }
      at = (at + 1) & mask
    }
    return nil
  }
  private func isName(_ i: Int, _ name: Span<UInt8>) -> Bool {
    guard entries[i].name.count == name.count else { return false }
    for k in 0..<name.count where entries[i].name[k] != name[k] { return false }
    return true
  }
  private static func mix(_ hash: UInt) -> UInt { ((hash ^ hash >> 29) &* 0x9e37_79b9_7f4a_7c15) >> 20 }

  func inode(_ i: Int) -> Inode? { entries[i].inode }
  func inode(named name: Span<UInt8>) -> Inode? { find(name).flatMap { entries[$0].inode } }

  /// Adds a name that is not there.
  mutating func insert(_ name: Span<UInt8>, _ inode: Inode) {
    if entries.count >= 16 && entries.count >= 2 * (count + 1) { compact() }
    let hash = NameHash.of(name)
    entries.append(Entry(name: array(of: name), inode: inode, cookie: nextCookie, hash: hash))
    nextCookie += 1
    count += 1
    if entries.count <= 12 { return }
    if index.count < 2 * entries.count { rebuild() } else { place(entries.count - 1) }
  }
  private mutating func place(_ i: Int) {
    let mask = UInt(index.count - 1)
    var at = Self.mix(entries[i].hash) & mask
    while index[Int(at)] >= 0 { at = (at + 1) & mask }
    index[Int(at)] = Int32(truncatingIfNeeded: i)
  }
  private mutating func rebuild() {
    var size = 64
    while size < 3 * entries.count { size *= 2 }
    index = [Int32](repeating: Self.empty, count: size)
    for i in entries.indices where entries[i].inode != nil { place(i) }
  }
  private mutating func compact() {
    var kept: [Entry] = []
    kept.reserveCapacity(count + 1)
    for entry in entries where entry.inode != nil { kept.append(entry) }
    entries = kept
    if entries.count > 12 { rebuild() } else { index = [] }
  }

  /// Removes the entry at `i`.
  mutating func remove(_ i: Int) {
    if !index.isEmpty {
      let mask = UInt(index.count - 1)
      var at = Self.mix(entries[i].hash) & mask
      while index[Int(at)] != Self.empty {
        if Int(index[Int(at)]) == i {
          index[Int(at)] = Self.removed
          break
        }
        at = (at + 1) & mask
      }
    }
    entries[i].inode = nil
    entries[i].name = []
    count -= 1
  }
  /// Another file for the name at `i`.
  mutating func replace(_ i: Int, _ inode: Inode) { entries[i].inode = inode }

  /// The first entry whose cookie is at least `cookie`.
  func first(from cookie: Int) -> Int {
    var low = 0, high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].cookie < cookie { low = middle + 1 } else { high = middle }
    }
    return low
  }
  /// Calls `body` with the entries from the cookie on, until it returns false.
  func forEach(from cookie: Int, _ body: (Span<UInt8>, Inode, Int) -> Bool) {
    var i = first(from: cookie)
    while i < entries.count {
      if let inode = entries[i].inode {
        let name = entries[i].name
        if !body(name.span, inode, entries[i].cookie) { return }
      }
      i += 1
    }
  }
  /// Takes all files out.
  mutating func removeAll() -> [Inode] {
    var result: [Inode] = []
    for entry in entries { if let inode = entry.inode { result.append(inode) } }
    entries = []
    index = []
    count = 0
    return result
  }
}
