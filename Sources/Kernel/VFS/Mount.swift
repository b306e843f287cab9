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
  // Under the mount table's lock:
  public internal(set) var parent: Mount?  // nil: the root of the tree, or not in it
  public internal(set) var mountpoint: Dentry?

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
  /// The flags of mount(2) that a mount keeps.
  static var kept: UInt {
    UInt(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
  }
  /// umount2(2) with MNT_EXPIRE has marked it, and nobody used it since.
  var isExpiring = false
  public var isReadOnly: Bool { flags & UInt(MS_RDONLY) != 0 || fileSystem.isReadOnly }
  public func has(_ flag: Int32) -> Bool { flags & UInt(flag) != 0 }
}
