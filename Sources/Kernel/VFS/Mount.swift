import CLinux
import Machine
import Synchronization

/// A file system, or a part of one, at a place in the tree.
public final class Mount {
  /// For /proc/PID/mountinfo.
  public let id: Int
  /// The file system's root, or the directory that is bound.
  public let root: Dentry
  public let fileSystem: FileSystem
  /// MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME… of this mount.
  public internal(set) var flags: UInt
  // Changed under the mount table's lock:
  public private(set) var parent: Mount?  // nil: the root of the tree, or not in it
  public private(set) var mountpoint: Dentry?
  private(set) var placeIdentity = PlaceIdentity()  // for walks, which compare without a count
  let next = RCULink<Mount>()  // the chain of its place in the table

  init(id: Int, root: Dentry, flags: UInt) {
    self.id = id
    self.root = root
    fileSystem = root.inode.fileSystem
    self.flags = flags
    fileSystem.mountCount.add(1, ordering: .relaxed)
  }
  deinit {
    guard fileSystem.mountCount.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
    var top = root
    while let parent = dentries.borrowed.with({ $0.parent(of: top) }) { top = parent }
    fileSystem.shutDown(top)
  }
  /// Returns where it was, to be dropped without the table's lock.
  func move(to place: Path?) -> (Mount?, Dentry?) {
    let old = (parent, mountpoint)
    parent = place?.mount
    mountpoint = place?.dentry
    placeIdentity = place.map { PlaceIdentity(Borrowed($0.mount), Borrowed($0.dentry)) } ?? PlaceIdentity()
    return old
  }
  /// The flags of mount(2) that a mount keeps.
  static var kept: UInt {
    UInt(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
  }
  /// umount2(2) with MNT_EXPIRE has marked it, and nobody used it since.
  var isExpiring = false
  public var isReadOnly: Bool { flags & UInt(MS_RDONLY) != 0 || fileSystem.isReadOnly }
  public func has(_ flag: Int32) -> Bool { flags & UInt(flag) != 0 }
}

/// Which place it is that something is mounted on.
struct PlaceIdentity: Equatable {
  private var mount: UInt = 0, dentry: UInt = 0
  init() {}
  @inline(__always) init(_ mount: Borrowed<Mount>, _ dentry: Borrowed<Dentry>) {
    self.mount = mount.identity
    self.dentry = dentry.identity
  }
  @inline(__always) var hash: UInt { (mount ^ dentry &* 0x9e37_79b9_7f4a_7c15) &>> 32 }
}
