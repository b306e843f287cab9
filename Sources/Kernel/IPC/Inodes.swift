import CLinux
import Machine

/// The inode of a pipe without a name: 0600, its owner's. Opening it through /proc/PID/fd gives another end.
final class PipeInode: Inode {
  let pipe: Pipe

  init(_ pipe: Pipe, _ credentials: Credentials) {
    self.pipe = pipe
    let fileSystem = anonymousFileSystems.borrowed.with { $0.of(.pipe) }
    super.init(
      fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: FileType.fifo | 0o600,
      uid: credentials.fsuid, gid: credentials.fsgid)
  }
  override var label: [UInt8] { Array("pipe:[\(number)]".utf8) }
  override var opensSpecialFiles: Bool { true }
  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    if flags & O_ACCMODE == O_ACCMODE { throw .invalid }
    return PipeFile(pipe, inode: self, path: path, flags: flags)
  }
}
