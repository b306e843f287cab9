import CLinux
import Machine

/// What opens the character devices of a range of minor numbers.
public final class CharacterDevice {
  public let name: StaticString
  public let major: UInt32
  public let minors: Range<UInt32>
  public let open: (Inode, Path?, Int32) throws(Errno) -> File

  public init(
    _ name: StaticString, major: UInt32, minors: Range<UInt32>,
    open: @escaping (Inode, Path?, Int32) throws(Errno) -> File
  ) {
    self.name = name
    self.major = major
    self.minors = minors
    self.open = open
  }
}

/// The character devices, registered at boot before the second task exists.
public enum Devices {
  /// Registers `open` for the device `major`:`minor`, or `count` of them from there.
  public static func register(
    _ name: StaticString, major: UInt32, minor: UInt32, count: UInt32 = 1,
    open: @escaping (Inode, Path?, Int32) throws(Errno) -> File
  ) {
    let device = CharacterDevice(name, major: major, minors: minor..<minor + count, open: open)
    characterDevices.with { $0.all.append(device) }
  }
  /// Opens the device that `inode` is a node of. Errors: ENXIO where there is none.
  public static func open(_ inode: Inode, _ path: Path?, _ flags: Int32) throws(Errno) -> File {
    let (major, minor) = (major(of: inode.rdev), minor(of: inode.rdev))
    let found = characterDevices.with { list -> CharacterDevice? in
      for device in list.all where device.major == major && device.minors.contains(minor) { return device }
      return nil
    }
    guard let found else { throw .noDeviceOrAddress }
    return try found.open(inode, path, flags)
  }
}
final class CharacterDeviceList {
  var all: [CharacterDevice] = []
}
let characterDevices = KernelGlobal<CharacterDeviceList>()
