import CLinux
import Machine

/// A place in the tree: a dentry as seen through a mount.
public struct Path: @unchecked Sendable {
  public let mount: Mount
  public let dentry: Dentry
  @inline(__always) public init(mount: Mount, dentry: Dentry) {
    self.mount = mount
    self.dentry = dentry
  }
  @inline(__always) public static func == (a: Path, b: Path) -> Bool { a.mount === b.mount && a.dentry === b.dentry }
  /// The file there. A path that is handed out has one.
  public var inode: Inode? { dentry.inode }
}

/// A path that does not own, found by a walk of cached names: whoever stores or returns one says what keeps it.
public struct BorrowedPath {
  public let mount: Borrowed<Mount>
  public internal(set) var dentry: Borrowed<Dentry>
  /// The name by which it was found; nil where the path has none.
  public internal(set) var last: PathName?
  @inline(__always) init(mount: Borrowed<Mount>, dentry: Borrowed<Dentry>) {
    self.mount = mount
    self.dentry = dentry
  }
  /// What stat(2) tells of `inode`, which is there and was confirmed where that is needed.
  @inline(__always) func getStatus(_ inode: Inode, _ s: inout FileStatus) throws(Errno) {
    if last != nil && inode.fileSystem.isConfirmed {
      try inode.getConfirmedStatus(&s)
    } else {
      try inode.getStatus(&s)
    }
  }
  /// A path of its own: two counts.
  @inline(__always) public var path: Path { Path(mount: mount.object, dentry: dentry.object) }
}

/// A name in a directory: the bytes of `text` from `start` to `end`.
public struct PathName {
  public let parent: Borrowed<Dentry>
  public let text: ShortPath
  public let start: Int, end: Int
}
