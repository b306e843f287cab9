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
      let place = try find(path, root, isDirectory: true)
      var options = TmpfsOptions()
      options.mode = 0o1777
      _ = try Mounting.attach(Tmpfs.make(source: Array("tmpfs".utf8), options), at: place, flags: 0)
      return
    }
    let source = bootBlock.string(mount.source)
    let top = try Hostfs.make(mount.descriptor, isReadOnly: isReadOnly, source: source)
    let place = try find(path, root, isDirectory: top.inode.isDirectory)
    _ = try Mounting.attach(top, at: place, flags: isReadOnly ? UInt(MS_RDONLY) : 0)
  }

  /// Where to mount: what is there, or a new directory or file.
  private static func find(_ path: [UInt8], _ root: Path, isDirectory: Bool) throws(Errno) -> Path {
    let kernel = Credentials()
    do throws(Errno) {
      var walk = try PathWalk.begin(path, from: root, root: root, kernel, .follow)
      return try walk.finish()
    } catch {
      if error != .noEntry { throw error }
    }
    if let slash = path.lastIndex(of: 47), slash > 0 {
      _ = try find(Array(path[..<slash]), root, isDirectory: true)
    }
    var walk = try PathWalk.begin(path, from: root, root: root, kernel, [])
    return try Names.make(&walk, kernel, isDirectory: isDirectory) { (parent, name) throws(Errno) -> Inode in
      if isDirectory { return try parent.mkdir(name, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0)) }
      return try parent.create(name, NewFile(mode: FileType.regular | 0o644, uid: 0, gid: 0))
    }
  }
}
