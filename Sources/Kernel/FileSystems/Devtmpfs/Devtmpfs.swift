import CLinux
import Machine
import Synchronization

/// devtmpfs: one tmpfs with the nodes of all devices, made at boot. Every mount of it shows the same tree.
final class DevtmpfsType: FileSystemType {
  private let root: Dentry

  init() {
    let fileSystem = Tmpfs(type: "devtmpfs")
    fileSystem.source = Array("devtmpfs".utf8)
    fileSystem.mountCount.add(1, ordering: .relaxed)  // it outlives its mounts
    let directory = TmpfsDirectory(fileSystem, mode: 0o755, uid: 0, gid: 0)
    root = Dentry(root: directory)
    super.init(name: "devtmpfs")
    fill(directory)
  }
  override func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry { root }

  private func fill(_ directory: TmpfsDirectory) {
    node(directory, "null", 0o666, 1, 3)
    node(directory, "zero", 0o666, 1, 5)
    node(directory, "full", 0o666, 1, 7)
    node(directory, "random", 0o666, 1, 8)
    node(directory, "urandom", 0o666, 1, 9)
    node(directory, "kmsg", 0o644, 1, 11)
    node(directory, "tty", 0o666, 5, 0, gid: 5)
    node(directory, "console", 0o600, 5, 1)
    node(directory, "ptmx", 0o666, 5, 2, gid: 5)
    link(directory, "fd", "/proc/self/fd")
    link(directory, "stdin", "/proc/self/fd/0")
    link(directory, "stdout", "/proc/self/fd/1")
    link(directory, "stderr", "/proc/self/fd/2")
    for name in ["pts", "shm"] as [StaticString] {
      let bytes = name.bytes
      _ = try? directory.mkdir(bytes.span, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0))
    }
  }
  private func node(
    _ directory: TmpfsDirectory, _ name: StaticString, _ mode: UInt32, _ major: UInt32, _ minor: UInt32, gid: UInt32 = 0
  ) {
    let bytes = name.bytes
    let new = NewFile(mode: FileType.characterDevice | mode, uid: 0, gid: gid, rdev: deviceNumber(major, minor))
    _ = try? directory.mknod(bytes.span, new)
  }
  private func link(_ directory: TmpfsDirectory, _ name: StaticString, _ target: StaticString) {
    let bytes = name.bytes
    _ = try? directory.symlink(
      bytes.span, target: target.bytes, NewFile(mode: FileType.symbolicLink | 0o777, uid: 0, gid: 0))
  }
}
