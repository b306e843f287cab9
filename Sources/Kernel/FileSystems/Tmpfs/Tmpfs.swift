import CLinux
import Machine
import Synchronization

/// tmpfs(5): files that live in the page cache alone, directories in kernel memory.
public final class Tmpfs: FileSystem {
  /// Bounds `size=`; its limit is `.max` where there is none but `mem=`.
  let quota: PageQuota
  private let inodes = Atomic<Int>(0)
  private let inodeLimit: Atomic<Int>
  private let rootMode: UInt32

  init(type: StaticString = "tmpfs", options: TmpfsOptions = TmpfsOptions()) {
    quota = PageQuota(limit: options.pages ?? .max)
    inodeLimit = Atomic(options.inodes ?? .max)
    rootMode = options.mode ?? 0o1777
    super.init(type: type, magic: Int(TMPFS_MAGIC), isPlain: true)
  }

  /// Counts a file that is about to be made. Errors: ENOSPC.
  func chargeInode() throws(Errno) {
    try withReleased { () throws(Errno) in
      try MemoryBound.check(1024, or: .noSpace)
      if inodes.add(1, ordering: .relaxed).newValue > inodeLimit.load(ordering: .relaxed) {
        inodes.subtract(1, ordering: .relaxed)
        throw .noSpace
      }
    }
  }
  public override func inodeFreed() { inodes.subtract(1, ordering: .relaxed) }
  func makeFile(_ new: NewFile) -> CachedInode {
    CachedInode(fileSystem: self, number: newInodeNumber(), mode: new.mode, uid: new.uid, gid: new.gid, quota: quota)
  }

  public override func statistics() throws(Errno) -> FileSystemStatistics {
    var s = FileSystemStatistics(magic: magic)
    let usage = MemoryUsage.current
    let limit = min(quota.limit, usage.total >> 12)
    let free = max(0, min(limit - quota.count, (usage.total - usage.charged) >> 12))
    s.blocks = UInt64(limit)
    s.freeBlocks = UInt64(free)
    s.availableBlocks = UInt64(free)
    let files = min(inodeLimit.load(ordering: .relaxed), usage.total >> 10)
    s.files = UInt64(files)
    s.freeFiles = UInt64(max(0, files - inodes.load(ordering: .relaxed)))
    return s
  }

  public override var options: [UInt8] {
    var text = ""
    if quota.limit != .max { text += ",size=\(quota.limit * 4)k" }
    if rootMode != 0o1777 { text += ",mode=" + String(rootMode, radix: 8) }
    return Array(text.utf8)
  }
  public override func remount(_ options: [UInt8]) throws(Errno) {
    let new = try TmpfsOptions(options)
    if let pages = new.pages {
      if pages < quota.count { throw .invalid }
      quota.limit = pages
    }
    if let count = new.inodes { inodeLimit.store(count, ordering: .relaxed) }
  }

  /// Takes the tree apart, one directory after the other: its depth must not become the depth of a stack.
  public override func shutDown(_ root: Dentry) {
    dentries.borrowed.with { $0.removeAll(of: self) }
    var rest: [Inode] = [root.inode]
    while let inode = rest.popLast() {
      guard let directory = inode as? TmpfsDirectory else { continue }
      rest.append(contentsOf: directory.lock.withLock { _ in directory.table.removeAll() })
    }
  }
}

/// Mount options of tmpfs.
struct TmpfsOptions {
  var pages: Int?
  var inodes: Int?
  var mode: UInt32?
  var uid: UInt32?, gid: UInt32?

  init() {}
  /// Errors: EINVAL.
  init(_ text: [UInt8]) throws(Errno) {
    for option in MountOptions(text) {
      if option.isKey("size") {
        guard let value = option.value else { throw .invalid }
        if value.last == 37 {  // size=50%
          guard let percent = parseNumber(value.dropLast(), radix: 10), percent <= 1000 else { throw .invalid }
          pages = (MemoryUsage.current.total / 100 * percent) >> 12
        } else {
          guard let bytes = parseSize(value) else { throw .invalid }
          pages = bytes == 0 ? Int.max : (bytes + 4095) >> 12
        }
      } else if option.isKey("nr_blocks") {
        guard let value = option.value, let count = parseSize(value) else { throw .invalid }
        pages = count == 0 ? Int.max : count
      } else if option.isKey("nr_inodes") {
        guard let value = option.value, let count = parseSize(value) else { throw .invalid }
        inodes = count == 0 ? Int.max : count
      } else if option.isKey("mode") {
        guard let value = option.value, let bits = parseNumber(value[...], radix: 8), bits <= 0o7777 else {
          throw .invalid
        }
        mode = UInt32(bits)
      } else if option.isKey("uid") {
        guard let value = option.value, let id = parseNumber(value[...], radix: 10), id < UInt32.max else {
          throw .invalid
        }
        uid = UInt32(id)
      } else if option.isKey("gid") {
        guard let value = option.value, let id = parseNumber(value[...], radix: 10), id < UInt32.max else {
          throw .invalid
        }
        gid = UInt32(id)
      } else if option.isKey("huge") || option.isKey("mpol") || option.isKey("inode64") || option.isKey("inode32") {
        continue
      } else {
        throw .invalid
      }
    }
  }
}

/// mount -t tmpfs.
final class TmpfsType: FileSystemType {
  init() { super.init(name: "tmpfs") }
  override func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry {
    var parsed = try TmpfsOptions(options)
    if parsed.pages == nil { parsed.pages = (MemoryUsage.current.total / 2) >> 12 }
    return Tmpfs.make(source: source, parsed)
  }
}
extension Tmpfs {
  /// A new one's root.
  static func make(source: [UInt8], _ options: TmpfsOptions = TmpfsOptions()) -> Dentry {
    let fileSystem = Tmpfs(options: options)
    fileSystem.source = source
    let (uid, gid) = (options.uid ?? 0, options.gid ?? 0)
    fileSystem.inodes.add(1, ordering: .relaxed)
    return Dentry(root: TmpfsDirectory(fileSystem, mode: options.mode ?? 0o1777, uid: uid, gid: gid))
  }
}
