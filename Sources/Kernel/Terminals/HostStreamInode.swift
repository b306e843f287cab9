import CLinux
import Machine

/// The inode of a host stream: its attributes are the host's.
public final class HostStreamInode: Inode {
  let descriptor: Int32
  init(_ descriptor: Int32, _ status: linux_stat) {
    self.descriptor = descriptor
    let fileSystem = anonymousFileSystems.borrowed.with { $0.of(.other) }
    super.init(
      fileSystem: fileSystem, number: UInt64(status.st_ino), mode: status.st_mode, uid: status.st_uid, gid: status.st_gid,
      rdev: UInt32(truncatingIfNeeded: status.st_rdev))
  }
}
