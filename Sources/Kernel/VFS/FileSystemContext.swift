import CLinux
import Machine

/// Where a process's paths begin, and its umask(2): what clone(2) shares with CLONE_FS.
public final class FileSystemContext {
  private let state: SpinLock<FileSystemContextState>

  public init(root: Path, directory: Path, umask: UInt32 = 0o022) {
    state = SpinLock(FileSystemContextState(root: root, directory: directory, umask: umask), rank: .descriptors)
  }
  /// A copy of its own for a new process.
  public func copy() -> FileSystemContext {
    let s = state.withLock { $0 }
    return FileSystemContext(root: s.root, directory: s.directory, umask: s.umask)
  }

  public var root: Path {
    get { state.withLock { $0.root } }
    set { exchangeRoot(newValue) }
  }
  public var directory: Path {
    get { state.withLock { $0.directory } }
    set { exchangeDirectory(newValue) }
  }
  public var umask: UInt32 { state.withLock { $0.umask } }
  /// Sets the mask; returns the one before.
  public func exchangeUmask(_ mask: UInt32) -> UInt32 {
    state.withLock { s in
      let old = s.umask
      s.umask = mask & 0o777
      return old
    }
  }
  // What was there is dropped after the lock.
  private func exchangeRoot(_ path: Path) {
    let old = state.withLock { s -> Path in
      let old = s.root
      s.root = path
      return old
    }
    withExtendedLifetime(old) {}
  }
  private func exchangeDirectory(_ path: Path) {
    let old = state.withLock { s -> Path in
      let old = s.directory
      s.directory = path
      return old
    }
    withExtendedLifetime(old) {}
  }
}
struct FileSystemContextState {
  var root: Path
  var directory: Path
  var umask: UInt32
}
