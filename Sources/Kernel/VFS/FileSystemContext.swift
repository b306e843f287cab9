import CLinux
import Machine
import Synchronization

/// Where a process's paths begin, and its umask(2): what clone(2) shares with CLONE_FS. The two paths are under the lock of
/// the dentry cache, so that a walk of cached names starts there without another lock or a count.
public final class FileSystemContext {
  private var ownRoot: OwnedPath
  private var ownDirectory: OwnedPath
  private let mask: Atomic<UInt32>

  public init(root: Path, directory: Path, umask: UInt32 = 0o022) {
    ownRoot = OwnedPath(root)
    ownDirectory = OwnedPath(directory)
    mask = Atomic(umask)
  }
  /// A copy of its own for a new process.
  public func copy() -> FileSystemContext {
    let (root, directory) = withLock { (ownRoot.path, ownDirectory.path) }
    return FileSystemContext(root: root, directory: directory, umask: umask)
  }

  // What was there is dropped after the lock.
  public var root: Path {
    get { withLock { ownRoot.path } }
    set {
      let old = withLock { ownRoot.replace(newValue) }
      withExtendedLifetime(old) {}
    }
  }
  public var directory: Path {
    get { withLock { ownDirectory.path } }
    set {
      let old = withLock { ownDirectory.replace(newValue) }
      withExtendedLifetime(old) {}
    }
  }
  /// Where a path begins: the root where it `isAbsolute`, else the directory. The cache's lock is held.
  @inline(__always) func start(isAbsolute: Bool) -> BorrowedPath {
    isAbsolute ? ownRoot.borrowed : ownDirectory.borrowed
  }
  public var umask: UInt32 { mask.load(ordering: .relaxed) }
  /// Sets the mask; returns the one before.
  public func exchangeUmask(_ new: UInt32) -> UInt32 { mask.exchange(new & 0o777, ordering: .relaxed) }

  private func withLock<R>(_ body: () -> R) -> R {
    dentries.borrowed.with { cache in cache.withLock { _ in body() } }
  }
}

/// A path in a field that can be replaced and is read without a count.
struct OwnedPath: ~Copyable {
  private var mount: Owned<Mount>
  private var dentry: Owned<Dentry>

  init(_ path: Path) {
    mount = Owned(path.mount)
    dentry = Owned(path.dentry)
  }
  @inline(__always) var borrowed: BorrowedPath { BorrowedPath(mount: mount.borrowed, dentry: dentry.borrowed) }
  var path: Path { borrowed.path }
  /// Returns what was there, for the caller to drop.
  mutating func replace(_ path: Path) -> Path {
    let old = self.path
    mount.replace(path.mount)
    dentry.replace(path.dentry)
    return old
  }
}
