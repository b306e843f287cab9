import CBoot
import CLinux
import Machine

// hostfs: a host directory as a file system. It keeps no file data: reads and writes are the host's, straight into the
// guest's buffers, and mappings are of the host's file; so what others change is seen. Names are looked up in the host at
// every use, too (`revalidate`).
//
// An inode is known by the host's device and inode number. What it is reached by is a *handle*, an O_PATH descriptor: it
// stays on the file whatever happens to its name. The handles of a few thousand inodes are kept; one that was dropped is
// opened again by the name under which the file was last found, from the nearest directory above whose handle is there,
// and checked to be the same file. All paths that the host sees are below the one directory descriptor that Martlet was
// given, pass through no symbolic link, and end in one that is not followed.
//
// Calls that may block (a network's file system) are made in place for now: they hold up their vCPU.

/// A descriptor of the host that several share.
public final class HostFileReference: Deferred {
  public let descriptor: HostDescriptor
  public init(_ descriptor: consuming HostDescriptor) { self.descriptor = descriptor }
}

/// What makes a host file the same file.
struct HostFileKey: Equatable {
  let device: UInt64
  let inode: UInt64
  /// An inode number may be used again, by another type or later.
  let type: UInt32
  let born: Int

  init(_ s: linux_statx) {
    device = UInt64(s.stx_dev_major) << 32 | UInt64(s.stx_dev_minor)
    inode = s.stx_ino
    type = UInt32(s.stx_mode) & FileType.mask
    born = s.stx_mask & STATX_BTIME != 0 ? Int(s.stx_btime.tv_sec) &* 1_000_000_000 &+ Int(s.stx_btime.tv_nsec) : 0
  }
  static func == (a: HostFileKey, b: HostFileKey) -> Bool {
    a.inode == b.inode && a.device == b.device && a.type == b.type && a.born == b.born
  }
  var hash: Int { Int(truncatingIfNeeded: (inode ^ device &* 0x9e37) &* 0x9e37_79b9_7f4a_7c15 >> 40) }
}

public final class Hostfs: FileSystem {
  let root: HostFileReference
  /// Where the root is a file: it, open for reading and, if it may be, writing.
  let rootContents: HostFileReference?
  let state: SpinLock<HostfsState>

  /// Below `descriptor`, which stays open. Errors: the host's.
  private init(_ root: consuming HostDescriptor, contents: HostFileReference?, isReadOnly: Bool) {
    self.root = HostFileReference(root)
    rootContents = contents
    state = SpinLock(HostfsState(), rank: .fileSystem)
    super.init(type: "hostfs", magic: Int(HOSTFS_SUPER_MAGIC), isConfirmed: true)
    self.isReadOnly = isReadOnly
  }

  /// The root of a file system over the directory or file that the boot block gave as `descriptor` (O_PATH); `source` is
  /// its path on the host. Errors: the host's.
  static func make(_ descriptor: Int32, isReadOnly: Bool, source: [UInt8]) throws(Errno) -> Dentry {
    guard let root = HostDescriptor.inherited(descriptor) else { throw .badDescriptor }
    let attributes = try root.attributes()
    var contents: HostFileReference?
    if let opened = HostDescriptor.contents(ofMounted: descriptor) { contents = HostFileReference(opened) }
    if UInt32(attributes.stx_mode) & FileType.mask != FileType.directory && contents == nil { throw .notSupported }
    let fileSystem = Hostfs(root, contents: contents, isReadOnly: isReadOnly)
    fileSystem.source = source
    return Dentry(root: fileSystem.inode(attributes, in: nil, []))
  }

  public override var revalidates: Bool { true }
  public override var cachesAbsence: Bool { false }

  /// All of the host's file system that the directory is on.
  public override func sync() throws(Errno) {
    if isReadOnly { return }
    if let rootContents { return try rootContents.descriptor.syncFileSystem() }
    try root.descriptor.reopen(O_RDONLY | O_DIRECTORY).syncFileSystem()
  }

  public override func statistics() throws(Errno) -> FileSystemStatistics {
    let s = try root.descriptor.statistics()
    var result = FileSystemStatistics(magic: magic)
    result.blockSize = Int(s.f_bsize)
    result.blocks = UInt64(s.f_blocks)
    result.freeBlocks = UInt64(s.f_bfree)
    result.availableBlocks = UInt64(s.f_bavail)
    result.files = UInt64(s.f_files)
    result.freeFiles = UInt64(s.f_ffree)
    result.nameLength = Int(s.f_namelen)
    return result
  }

  /// st_dev for a file on the host's `device`: the root's is this file system's, every other gets one of its own.
  func guestDevice(_ device: UInt64) -> UInt32 {
    let known = state.withLock { state -> UInt32? in
      if state.devices.isEmpty { state.devices.append((device, self.device)) }
      for entry in state.devices where entry.host == device { return entry.guest }
      return nil
    }
    if let known { return known }
    let new = FileSystem.newDevice()
    return state.withLock { state in
      for entry in state.devices where entry.host == device { return entry.guest }
      state.devices.append((device, new))
      return new
    }
  }

  // MARK: inodes

  /// The inode of what `attributes` tell of, found as `name` in `parent`.
  func inode(_ attributes: linux_statx, in parent: HostInode?, _ name: [UInt8]) -> HostInode {
    let key = HostFileKey(attributes)
    if let found = state.withLock({ $0.find(key) }) {
      found.refresh(attributes)
      found.wasFound(in: parent, name)
      return found
    }
    let new = HostInode(self, attributes, key, parent, name)
    return state.withLock { state -> HostInode in
      if let found = state.find(key) { return found }
      state.insert(new)
      return new
    }
  }

  /// What stands for `name` in `parent`, which the host does not have: `HostInode.addMountPoint`.
  func mountPoint(_ name: Span<UInt8>, in parent: HostInode) -> Inode? {
    state.withLock { state in
      for point in state.mountPoints where point.parent === parent && isSame(point.name, name) { return point.inode }
      return nil
    }
  }

  /// Keeps `handle` for `inode`, and drops those of others where there are too many.
  func keep(_ handle: HostFileReference, of inode: HostInode) {
    state.withLock { $0.keep(handle, of: inode) }
  }
}

struct HostMountPoint {
  let parent: HostInode
  let name: [UInt8]
  let inode: Inode
}

/// Under the file system's lock.
struct HostfsState: ~Copyable {
  private var buckets: [Borrowed<HostInode>?]  // chains through `tableNext`; each leaves in its deinit
  private var count = 0
  private var handles: [Borrowed<HostInode>?] = []  // those that have one
  private var free: [Int] = []
  private var hand = 0
  private var limit: Int
  var devices: [(host: UInt64, guest: UInt32)] = []
  /// Those whose owners the host refused: kept for the machine's life.
  var kept: [HostInode] = []
  var mountPoints: [HostMountPoint] = []

  init() {
    buckets = [Borrowed<HostInode>?](repeating: nil, count: 1024)
    limit = max(8, min(4096, HostDescriptor.limit / 4))
  }

  func find(_ key: HostFileKey) -> HostInode? {
    var at = buckets[key.hash & (buckets.count - 1)]
    while let here = at {
      // One that is being destroyed waits for this lock, to leave.
      if here.with({ $0.key == key }), here.retainUnlessDying() {
        let result = here.object
        here.release()
        return result
      }
      at = here.with { $0.tableNext }
    }
    return nil
  }
  mutating func insert(_ inode: HostInode) {
    if count >= buckets.count { grow() }
    let bucket = inode.key.hash & (buckets.count - 1)
    inode.tableNext = buckets[bucket]
    inode.isListed = true
    buckets[bucket] = Borrowed(inode)
    count += 1
  }
  private mutating func grow() {
    guard buckets.count < 1 << 20 else { return }
    let old = buckets
    buckets = [Borrowed<HostInode>?](repeating: nil, count: old.count * 2)
    for first in old {
      var at = first
      while let here = at {
        at = here.with { $0.tableNext }
        let bucket = here.with { $0.key.hash } & (buckets.count - 1)
        here.with { $0.tableNext = buckets[bucket] }
        buckets[bucket] = here
      }
    }
  }
  /// `inode` is being destroyed.
  mutating func remove(_ inode: HostInode) {
    if inode.isListed {
      let bucket = inode.key.hash & (buckets.count - 1)
      var previous: Borrowed<HostInode>?
      var at = buckets[bucket]
      while let here = at {
        let next = here.with { $0.tableNext }
        if here == inode {
          if let previous { previous.with { $0.tableNext = next } } else { buckets[bucket] = next }
          count -= 1
          break
        }
        previous = here
        at = next
      }
      inode.isListed = false
    }
    dropHandle(inode)
  }

  // MARK: handles

  mutating func keep(_ handle: HostFileReference, of inode: HostInode) {
    inode.handle.replace(handle)
    inode.wasUsed = true
    if inode.slot >= 0 { return }
    if handles.count - free.count >= limit { sweep() }
    if let slot = free.popLast() {
      inode.slot = slot
      handles[slot] = Borrowed(inode)
    } else {
      inode.slot = handles.count
      handles.append(Borrowed(inode))
    }
  }
  private mutating func dropHandle(_ inode: HostInode) {
    guard inode.slot >= 0 else { return }
    handles[inode.slot] = nil
    free.append(inode.slot)
    inode.slot = -1
    inode.handle.replace(nil)
  }
  /// A second-chance sweep.
  private mutating func sweep() {
    let start = free.count
    for _ in 0..<min(handles.count * 2, 512) where free.count - start < 16 {
      hand = (hand + 1) % handles.count
      guard let here = handles[hand] else { continue }
      here.with { inode in
        if inode.wasUsed || inode.isUnnamed {
          inode.wasUsed = false
        } else {
          dropHandle(inode)
        }
      }
    }
  }
}
