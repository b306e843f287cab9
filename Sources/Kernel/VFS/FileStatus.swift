import CLinux
import Machine

/// A time stamp of a file, on CLOCK_REALTIME.
public struct FileTime: Sendable, Equatable {
  public var seconds: Int
  public var nanoseconds: Int32

  @inline(__always) public init(seconds: Int, nanoseconds: Int32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
  /// The time now, to a tick, as Linux stamps files.
  public static func now() -> FileTime {
    let time = Clock.coarseRealtime()
    return FileTime(seconds: Int(time / 1_000_000_000), nanoseconds: Int32(time % 1_000_000_000))
  }
  public static func <= (a: FileTime, b: FileTime) -> Bool {
    a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds <= b.nanoseconds)
  }
}

/// What stat(2) and statx(2) tell of a file. It is kept as stat(2) gives it out.
public struct FileStatus: Sendable {
  // Field by field, which the compiler makes stores of; of the whole at once it makes a call.
  var abi = linux_stat(
    st_dev: 0, st_ino: 0, st_nlink: 1, st_mode: 0, st_uid: 0, st_gid: 0, __pad0: 0, st_rdev: 0, st_size: 0,
    st_blksize: 4096, st_blocks: 0, st_atime: 0, st_atime_nsec: 0, st_mtime: 0, st_mtime_nsec: 0, st_ctime: 0,
    st_ctime_nsec: 0, __unused: (0, 0, 0))
  /// Nil where the file system does not know it.
  public var born: FileTime?
  @inline(__always) public init() {}

  @inline(__always) public var device: UInt32 {
    get { UInt32(truncatingIfNeeded: abi.st_dev) }
    set { abi.st_dev = UInt(newValue) }
  }
  @inline(__always) public var inode: UInt64 {
    get { UInt64(abi.st_ino) }
    set { abi.st_ino = UInt(newValue) }
  }
  @inline(__always) public var mode: UInt32 {
    get { abi.st_mode }
    set { abi.st_mode = newValue }
  }
  @inline(__always) public var linkCount: UInt32 {
    get { UInt32(truncatingIfNeeded: abi.st_nlink) }
    set { abi.st_nlink = UInt(newValue) }
  }
  @inline(__always) public var uid: UInt32 {
    get { abi.st_uid }
    set { abi.st_uid = newValue }
  }
  @inline(__always) public var gid: UInt32 {
    get { abi.st_gid }
    set { abi.st_gid = newValue }
  }
  @inline(__always) public var rdev: UInt32 {
    get { UInt32(truncatingIfNeeded: abi.st_rdev) }
    set { abi.st_rdev = UInt(newValue) }
  }
  @inline(__always) public var size: Int {
    get { abi.st_size }
    set { abi.st_size = newValue }
  }
  @inline(__always) public var blockSize: Int {
    get { abi.st_blksize }
    set { abi.st_blksize = newValue }
  }
  /// In units of 512 bytes.
  @inline(__always) public var blocks: Int {
    get { abi.st_blocks }
    set { abi.st_blocks = newValue }
  }
  @inline(__always) public var accessed: FileTime {
    get { FileTime(abi.st_atime, abi.st_atime_nsec) }
    set { (abi.st_atime, abi.st_atime_nsec) = newValue.words }
  }
  @inline(__always) public var modified: FileTime {
    get { FileTime(abi.st_mtime, abi.st_mtime_nsec) }
    set { (abi.st_mtime, abi.st_mtime_nsec) = newValue.words }
  }
  @inline(__always) public var changed: FileTime {
    get { FileTime(abi.st_ctime, abi.st_ctime_nsec) }
    set { (abi.st_ctime, abi.st_ctime_nsec) = newValue.words }
  }
}
extension FileTime {
  @inline(__always) init(_ seconds: UInt, _ nanoseconds: UInt) {
    self.init(seconds: Int(bitPattern: seconds), nanoseconds: Int32(truncatingIfNeeded: nanoseconds))
  }
  @inline(__always) var words: (UInt, UInt) { (UInt(bitPattern: seconds), UInt(UInt32(bitPattern: nanoseconds))) }
}

/// What statfs(2) tells of a file system.
public struct FileSystemStatistics: Sendable {
  public var magic = 0
  public var blockSize = 4096
  public var blocks: UInt64 = 0, freeBlocks: UInt64 = 0, availableBlocks: UInt64 = 0
  public var files: UInt64 = 0, freeFiles: UInt64 = 0
  public var nameLength = 255
  public init(magic: Int) { self.magic = magic }
}

/// A change of attributes, for `Inode.setAttributes` (chmod, chown, utimensat, truncate). What is nil stays.
public struct AttributeChange: Sendable {
  /// Permission bits; the file's type stays.
  public var mode: UInt32?
  public var uid: UInt32?, gid: UInt32?
  public var size: Int?
  public var accessed: FileTime?, modified: FileTime?
  public init() {}
}

/// What a new file starts with: the caller has applied umask(2) and the directory's set-group-id bit.
public struct NewFile: Sendable {
  /// Type and permissions.
  public var mode: UInt32
  public var uid: UInt32, gid: UInt32
  /// Of a device.
  public var rdev: UInt32 = 0
  public init(mode: UInt32, uid: UInt32, gid: UInt32, rdev: UInt32 = 0) {
    self.mode = mode
    self.uid = uid
    self.gid = gid
    self.rdev = rdev
  }
}
