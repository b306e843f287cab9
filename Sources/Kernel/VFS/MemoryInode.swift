import CLinux
import Machine

/// An inode that lives in memory alone: the base of tmpfs's, and by itself its FIFOs, sockets and devices.
open class MemoryInode: Inode {
  private final var attributes = ExtendedAttributes()  // under `lock`
  deinit { fileSystem.inodeFreed() }

  open override func extendedAttribute(_ name: [UInt8]) throws(Errno) -> [UInt8] {
    try lock.withLock { (_) throws(Errno) -> [UInt8] in try attributes.value(name) }
  }
  open override func setExtendedAttribute(_ name: [UInt8], _ value: [UInt8], _ flags: Int32) throws(Errno) {
    try MemoryBound.check(name.count + value.count + 256, or: .noSpace)
    try lock.withLock { (_) throws(Errno) in try attributes.set(name, value, flags) }
    changed = FileTime.now()
  }
  open override func removeExtendedAttribute(_ name: [UInt8]) throws(Errno) {
    try lock.withLock { (_) throws(Errno) in try attributes.remove(name) }
    changed = FileTime.now()
  }
  open override func extendedAttributeNames() throws(Errno) -> [UInt8] { lock.withLock { _ in attributes.names } }
}

/// Names and values, xattr(7).
struct ExtendedAttributes {
  private var all: [(name: [UInt8], value: [UInt8])] = []

  private func index(_ name: [UInt8]) -> Int? {
    for i in all.indices where all[i].name == name { return i }
    return nil
  }
  func value(_ name: [UInt8]) throws(Errno) -> [UInt8] {
    guard let i = index(name) else { throw .noData }
    return all[i].value
  }
  mutating func set(_ name: [UInt8], _ value: [UInt8], _ flags: Int32) throws(Errno) {
    if let i = index(name) {
      if flags & XATTR_CREATE != 0 { throw .exists }
      all[i].value = value
    } else {
      if flags & XATTR_REPLACE != 0 { throw .noData }
      if all.count >= 1024 { throw .noSpace }
      all.append((name, value))
    }
  }
  mutating func remove(_ name: [UInt8]) throws(Errno) {
    guard let i = index(name) else { throw .noData }
    all.remove(at: i)
  }
  /// Each with a NUL.
  var names: [UInt8] {
    var result: [UInt8] = []
    for entry in all {
      result.append(contentsOf: entry.name)
      result.append(0)
    }
    return result
  }
}
