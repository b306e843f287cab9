import CLinux
import Machine
import Synchronization

/// An instance of a file system: what Linux calls a superblock. Its inodes keep it; its root is kept by its mounts.
open class FileSystem {
  /// Its type's name, as in /proc/filesystems.
  public final let type: StaticString
  /// f_type of statfs(2).
  public final let magic: Int
  /// st_dev of its files: an anonymous device.
  public final let device: UInt32
  /// What /proc/mounts shows as the device.
  public final var source: [UInt8] = []
  /// MS_RDONLY of the file system as a whole.
  public final var isReadOnly = false
  /// Held by a rename between two of its directories.
  public final let renameLock = Mutex<Void>((), rank: .rename)
  /// Whether its cached names, its modes and `Inode.status` serve as they are under the dentry cache's lock: it does not
  /// revalidate, permission is what the modes say, and nothing of that sleeps or locks.
  public final let isPlain: Bool
  /// Whether the same serves once `Inode.confirm` has looked at each name.
  public final let isConfirmed: Bool
  private let nextNumber = Atomic<UInt64>(1)
  /// Its files that are open for writing: with one it does not become read-only.
  public final let writers = Atomic<Int>(0)
  let mountCount = Atomic<Int>(0)

  public init(type: StaticString, magic: Int, isPlain: Bool = false, isConfirmed: Bool = false) {
    self.type = type
    self.isPlain = isPlain
    self.isConfirmed = isConfirmed
    self.magic = magic
    device = FileSystem.newDevice()
  }

  /// A fresh inode number.
  public final func newInodeNumber() -> UInt64 { nextNumber.add(1, ordering: .relaxed).oldValue }

  /// Implements statfs(2).
  open func statistics() throws(Errno) -> FileSystemStatistics { FileSystemStatistics(magic: magic) }
  /// Implements sync(2) and syncfs(2).
  open func sync() throws(Errno) {}
  /// What /proc/mounts shows behind the flags: empty, or with a leading comma.
  open var options: [UInt8] { [] }
  /// MS_REMOUNT with options. `isReadOnly` is set by the caller.
  open func remount(_ options: [UInt8]) throws(Errno) {}
  /// The last mount of it is gone, with everything open in it. `root` is its root. Called without locks.
  open func shutDown(_ root: Dentry) {}
  /// A `MemoryInode` of it is gone.
  open func inodeFreed() {}
  /// Whether a cached name must be looked at again at every use: see `Inode.revalidate`.
  open var revalidates: Bool { false }
  /// Whether names may be kept as known not to be there.
  open var cachesAbsence: Bool { true }
  /// Whether a name that is not there is ENOENT to who would make it, too: procfs in Linux has none to give.
  open var refusesNewNames: Bool { false }

  static func newDevice() -> UInt32 { deviceNumber(0, anonymousDevices.add(1, ordering: .relaxed).oldValue) }
}
private let anonymousDevices = Atomic<UInt32>(1)

/// A device number as the guest sees it in 32 bits: 12 bits of major, 20 of minor, spread as Linux does.
@inline(__always) public func deviceNumber(_ major: UInt32, _ minor: UInt32) -> UInt32 {
  minor & 0xff | (major & 0xfff) << 8 | (minor & ~0xff) << 12
}
@inline(__always) public func major(of device: UInt32) -> UInt32 { device >> 8 & 0xfff }
@inline(__always) public func minor(of device: UInt32) -> UInt32 { device & 0xff | device >> 12 & 0xfff00 }

/// A kind of file system that mount(2) knows by name.
open class FileSystemType {
  public final let name: StaticString
  /// Whether mount(2) ignores its source: "nodev" in /proc/filesystems.
  public final let needsDevice: Bool

  public init(name: StaticString, needsDevice: Bool = false) {
    self.name = name
    self.needsDevice = needsDevice
  }
  /// A new instance, or the only one again: its root dentry, made with `Dentry(root:)`. Errors: EINVAL for an option that
  /// it does not know.
  open func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry { throw .noDevice }
}

/// The types of file systems, registered at boot before the second task exists.
public enum FileSystemTypes {
  public static func register(_ type: FileSystemType) { fileSystemTypes.with { $0.all.append(type) } }
  public static func find(_ name: [UInt8]) -> FileSystemType? {
    fileSystemTypes.with { list in
      for type in list.all where name.isEqual(to: type.name) { return type }
      return nil
    }
  }
  public static var all: [FileSystemType] { fileSystemTypes.with { $0.all } }
}
final class FileSystemTypeList {
  var all: [FileSystemType] = []
}
let fileSystemTypes = KernelGlobal<FileSystemTypeList>()

extension [UInt8] {
  /// Whether it has the bytes of `text`.
  public func isEqual(to text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    return text.withUTF8Bytes(equal: self)
  }
}
