import CBoot
import CTool
import Glibc

/// Something that the kernel mounts beside the root: a host directory or file, or an empty tmpfs.
struct Mount {
  let path: String
  let source: String
  let descriptor: Descriptor?
  let readOnly: Bool

  var flags: UInt32 {
    UInt32(
      (readOnly ? Int(MARTLET_MOUNT_READ_ONLY) : 0) | (descriptor == nil ? Int(MARTLET_MOUNT_TMPFS) : 0))
  }

  static func temporary(_ path: String) -> Mount {
    Mount(path: path, source: "tmpfs", descriptor: nil, readOnly: false)
  }

  init(path: String, source: String, descriptor: Descriptor?, readOnly: Bool) {
    self.path = path
    self.source = source
    self.descriptor = descriptor
    self.readOnly = readOnly
  }

  init(_ volume: Volume) throws(Failure) {
    guard let descriptor = Descriptor.open(volume.host, tool_o_path), let status = descriptor.status() else {
      throw Failure("cannot map \(volume.host) into the guest: \(Failure.reason)")
    }
    guard status.isKind(S_IFDIR) || status.isKind(S_IFREG) else {
      throw Failure("cannot map \(volume.host) into the guest: only directories and regular files can be")
    }
    self.init(
      path: volume.guest, source: HostPath.absolute(volume.host), descriptor: descriptor, readOnly: volume.readOnly)
  }

  /// All mounts in the order in which they are made: what lies deeper comes later.
  static func plan(_ volumes: [Volume], temporaries: [String]) throws(Failure) -> [Mount] {
    var mounts: [Mount] = []
    for volume in volumes {
      guard !mounts.contains(where: { $0.path == volume.guest }) else {
        throw Failure("\(volume.guest) is mapped twice: leave one -v out")
      }
      mounts.append(try Mount(volume))
    }
    for path in temporaries where !mounts.contains(where: { $0.path == path }) { mounts.append(.temporary(path)) }
    let depth = { (mount: Mount) in mount.path.utf8.count { $0 == UInt8(ascii: "/") } }
    return mounts.enumerated().sorted { (depth($0.element), $0.offset) < (depth($1.element), $1.offset) }
      .map(\.element)
  }
}

enum HostPath {
  /// The real path where there is one.
  static func absolute(_ path: String) -> String {
    guard let real = HostText.withCString(path, { realpath($0, nil) }) else { return path }
    defer { free(real) }
    return HostText.string(real)
  }
}
