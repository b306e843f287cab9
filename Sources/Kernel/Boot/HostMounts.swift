import CBoot
import CLinux
import Machine

/// The host's directories and files: the root, where it is one, and what `-v` mounts.
enum HostMounts {
  /// The root where it is a host directory. Errors: the host's.
  static func root() throws(Errno) -> Dentry? {
    let header = bootBlock.header
    guard header.rootKind == UInt32(truncatingIfNeeded: MARTLET_ROOT_DIRECTORY) else { return nil }
    return try Hostfs.make(
      header.rootDescriptor, isReadOnly: bootBlock.has(MARTLET_ROOT_READ_ONLY),
      source: bootBlock.string(header.rootSource))
  }

  /// Mounts the boot block's volumes, in its order. One that cannot be is an error that ends the boot.
  static func mountVolumes(_ root: Path) throws(Errno) {
    for mount in bootBlock.mounts {
      let path = bootBlock.string(mount.path)
      do throws(Errno) {
        try attach(mount, path, root)
      } catch {
        Log.error("\(String(decoding: path, as: UTF8.self)): cannot be mounted: errno \(error.number)")
        throw error
      }
    }
  }

  private static func attach(_ mount: martlet_mount, _ path: [UInt8], _ root: Path) throws(Errno) {
    let isReadOnly = mount.flags & UInt32(MARTLET_MOUNT_READ_ONLY) != 0
    if mount.flags & UInt32(MARTLET_MOUNT_TMPFS) != 0 || mount.descriptor < 0 {
      let place = try placeAtBoot(root, path)
      var options = TmpfsOptions()
      options.mode = 0o1777
      _ = try Mounting.attach(Tmpfs.make(source: Array("tmpfs".utf8), options), at: place, flags: 0)
      return
    }
    let source = bootBlock.string(mount.source)
    let top = try Hostfs.make(mount.descriptor, isReadOnly: isReadOnly, source: source)
    let place = try placeAtBoot(root, path, isDirectory: top.inode.isDirectory)
    _ = try Mounting.attach(top, at: place, flags: isReadOnly ? UInt(MS_RDONLY) : 0)
  }
}
