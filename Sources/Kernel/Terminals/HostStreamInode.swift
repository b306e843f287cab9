import CBoot
import CLinux
import Machine

/// The inode of a host stream: its attributes are the host's, asked for each time.
public final class HostStreamInode: Inode {
  /// The stream's; it stays open for the machine's life.
  let descriptor: HostDescriptor
  /// Nil where it is always ready.
  let readiness: HostReadiness?

  /// Without `isWatched` somebody else waits for the descriptor. Errors: EBADF.
  init(_ number: Int32, isWatched: Bool = true) throws(Errno) {
    guard let descriptor = HostDescriptor.inherited(number) else { throw .badDescriptor }
    let status = try descriptor.status()
    self.descriptor = descriptor
    let type = status.st_mode & FileType.mask
    var readiness: HostReadiness?
    if isWatched && (type == FileType.characterDevice || type == FileType.fifo || type == FileType.socket) {
      readiness = HostReadiness(descriptor: number)
      // EPERM: /dev/null and its like, which never block.
      do throws(Errno) { try readiness?.watch(0) } catch { readiness = nil }
    }
    self.readiness = readiness
    super.init(
      fileSystem: hostStreams.with { $0.fileSystem }, number: UInt64(status.st_ino), mode: status.st_mode,
      uid: HostIdentity.guest(uid: status.st_uid), gid: HostIdentity.guest(gid: status.st_gid),
      rdev: deviceNumber(hostDevice: status.st_rdev))
  }

  public override var size: Int { (try? descriptor.status().st_size) ?? 0 }
  public override func getStatus(_ s: inout FileStatus) throws(Errno) { s = FileStatus(try descriptor.status()) }

  // /dev/stdout and its like.
  public override var opensSpecialFiles: Bool { true }
  /// Opens it anew. Errors: EACCES for a way that the descriptor itself is not open for, ENXIO for a socket.
  public override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    if type == FileType.socket { throw .noDeviceOrAddress }
    let wanted = flags & O_ACCMODE, there = try descriptor.statusFlags() & O_ACCMODE
    if there != O_RDWR && wanted != there { throw .access }
    return HostStream(self, path: path, flags: flags)
  }

  public override var label: [UInt8] {
    switch type {
    case FileType.fifo: Array("pipe:[\(number)]".utf8)
    case FileType.socket: Array("socket:[\(number)]".utf8)
    case FileType.characterDevice: Array((rdev == deviceNumber(1, 3) ? "/dev/null" : "/dev/char").utf8)
    default: Array("/host/file".utf8)
    }
  }

  /// ftruncate(2) and fchmod(2) of a file; the rest belongs to whoever started Martlet.
  public override func setAttributes(_ change: AttributeChange) throws(Errno) {
    guard isRegular else { throw .notPermitted }
    if let size = change.size { try descriptor.truncate(size) }
    if let mode = change.mode { try descriptor.changeMode(mode & 0o7777) }
    if let uid = change.uid, uid != self.uid { throw .notPermitted }
    if let gid = change.gid, gid != self.gid { throw .notPermitted }
  }
}

/// What host streams share.
final class HostStreams {
  let fileSystem = FileSystem(type: "hoststream", magic: 0)
}
let hostStreams = KernelGlobal<HostStreams>()

/// Ids of the host as the guest sees them: those that Martlet runs under are 0 inside and back; all others are as they are.
enum HostIdentity {
  static func guest(uid: UInt32) -> UInt32 { uid == bootBlock.header.hostUid ? 0 : uid }
  static func guest(gid: UInt32) -> UInt32 { gid == bootBlock.header.hostGid ? 0 : gid }
  static func host(uid: UInt32) -> UInt32 { uid == 0 ? bootBlock.header.hostUid : uid }
  static func host(gid: UInt32) -> UInt32 { gid == 0 ? bootBlock.header.hostGid : gid }
}

/// A device number of the host in the guest's 32 bits.
func deviceNumber(hostDevice device: UInt) -> UInt32 {
  deviceNumber(
    UInt32(truncatingIfNeeded: device >> 8 & 0xfff), UInt32(truncatingIfNeeded: device & 0xff | device >> 12 & 0xfff00))
}

extension FileStatus {
  /// What the host says of a file of its own.
  init(_ status: linux_stat) {
    self.init()
    device = deviceNumber(hostDevice: status.st_dev)
    inode = UInt64(status.st_ino)
    mode = status.st_mode
    linkCount = UInt32(truncatingIfNeeded: status.st_nlink)
    uid = HostIdentity.guest(uid: status.st_uid)
    gid = HostIdentity.guest(gid: status.st_gid)
    rdev = deviceNumber(hostDevice: status.st_rdev)
    size = Int(status.st_size)
    blockSize = Int(status.st_blksize)
    blocks = Int(status.st_blocks)
    accessed = FileTime(
      seconds: Int(bitPattern: status.st_atime), nanoseconds: Int32(truncatingIfNeeded: status.st_atime_nsec))
    modified = FileTime(
      seconds: Int(bitPattern: status.st_mtime), nanoseconds: Int32(truncatingIfNeeded: status.st_mtime_nsec))
    changed = FileTime(
      seconds: Int(bitPattern: status.st_ctime), nanoseconds: Int32(truncatingIfNeeded: status.st_ctime_nsec))
  }
}
