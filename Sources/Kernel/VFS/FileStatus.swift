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
  /// The time now.
  public static func now() -> FileTime {
    let time = Clock.realtime()
    return FileTime(seconds: Int(time / 1_000_000_000), nanoseconds: Int32(time % 1_000_000_000))
  }
  public static func <= (a: FileTime, b: FileTime) -> Bool {
    a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds <= b.nanoseconds)
  }
}

/// What stat(2) and statx(2) tell of a file.
public struct FileStatus: Sendable {
  public var device: UInt32 = 0
  public var inode: UInt64 = 0
  public var mode: UInt32 = 0
  public var linkCount: UInt32 = 1
  public var uid: UInt32 = 0, gid: UInt32 = 0
  public var rdev: UInt32 = 0
  public var size = 0
  public var blockSize = 4096
  /// In units of 512 bytes.
  public var blocks = 0
  public var accessed = FileTime(seconds: 0), modified = FileTime(seconds: 0), changed = FileTime(seconds: 0)
  /// Nil where the file system does not know it.
  public var born: FileTime?
  public init() {}
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
