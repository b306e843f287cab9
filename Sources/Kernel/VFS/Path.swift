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

/// A path that does not own: whoever stores or returns one says what keeps it.
public struct BorrowedPath {
  public let mount: Borrowed<Mount>
  public let dentry: Borrowed<Dentry>
  /// A path of its own: two counts.
  @inline(__always) public var path: Path { Path(mount: mount.object, dentry: dentry.object) }
}
