import CLinux
import Machine

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
  public internal(set) var parent: Mount?          // nil: the root of the tree, or not in it
  public internal(set) var mountpoint: Dentry?

  init(id: Int, root: Dentry, flags: UInt) {
    self.id = id
    self.root = root
    fileSystem = root.inode.fileSystem
    self.flags = flags
  }
  public var isReadOnly: Bool { flags & UInt(MS_RDONLY) != 0 || fileSystem.isReadOnly }
  public func has(_ flag: Int32) -> Bool { flags & UInt(flag) != 0 }
}
