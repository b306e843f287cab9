import CLinux
import Machine
import Synchronization

/// Where a process's paths begin, and its umask(2): what clone(2) shares with CLONE_FS. The two paths are read without a lock
/// or a count, under RCU.
public final class FileSystemContext {
  private let ownRoot: RCUReference<Place>
  private let ownDirectory: RCUReference<Place>
  private let mask: Atomic<UInt32>

  public init(root: Path, directory: Path, umask: UInt32 = 0o022) {
    ownRoot = RCUReference(Place(root))
    ownDirectory = RCUReference(Place(directory))
    mask = Atomic(umask)
  }
  /// A copy of its own for a new process.
  public init(copying other: FileSystemContext) {
    ownRoot = RCUReference(Place(copying: other.ownRoot.borrowed))
    ownDirectory = RCUReference(Place(copying: other.ownDirectory.borrowed))
    mask = Atomic(other.umask)
  }

  public var root: Path {
    get { ownRoot.borrowed.with { $0.owner.path } }
    set { ownRoot.replace(Place(newValue)) }
  }
  public var directory: Path {
    get { ownDirectory.borrowed.with { $0.owner.path } }
    set { ownDirectory.replace(Place(newValue)) }
  }
  /// Where a path begins: the root where it `isAbsolute`, else the directory. Good until the caller sleeps.
  @inline(__always) func start(isAbsolute: Bool) -> BorrowedPath {
    (isAbsolute ? ownRoot.borrowed : ownDirectory.borrowed).with { $0.path }
  }
  public var umask: UInt32 { mask.load(ordering: .relaxed) }
  /// Sets the mask; returns the one before.
  public func exchangeUmask(_ new: UInt32) -> UInt32 { mask.exchange(new & 0o777, ordering: .relaxed) }
}

/// A path that is replaced as a whole. Copies of a context have one owner of it: who makes or ends one counts neither mount
/// nor dentry, which lie anywhere (docs/memory.md).
private final class Place: Deferred {
  let owner: PathOwner
  let path: BorrowedPath
  init(_ path: Path) {
    owner = PathOwner(path)
    self.path = BorrowedPath(mount: Borrowed(path.mount), dentry: Borrowed(path.dentry))
  }
  init(copying other: Borrowed<Place>) {
    owner = other.with { $0.owner }
    path = other.with { $0.path }
  }
}
private final class PathOwner {
  let path: Path
  init(_ path: Path) { self.path = path }
}
