import CBoot
import CLinux
import CMachine

/// Files that are mounted one by one (-v FILE:FILE): an O_PATH descriptor cannot be opened again once the machine is
/// locked in, so they are opened at boot, for what they may be used.
enum HostMountFiles {
  static func prepare() {
    var limit = linux_rlimit64()
    if unsafe hostCall(__NR_prlimit64, 0, Int(RLIMIT_NOFILE), 0, address(&limit)) == 0 {
      unsafe hostDescriptorLimit = Int(clamping: limit.rlim_cur)
    }
    _ = hostCall(__NR_umask, 0)  // the guest has masks of its own
    let mounts = bootBlock.mounts
    for mount in mounts where mount.descriptor >= 0 {
      var status = linux_stat()
      guard unsafe hostCall(__NR_fstat, Int(mount.descriptor), address(&status)) == 0 else { continue }
      guard status.st_mode & 0o170000 == 0o100000 else { continue }
      let opened = open(mount.descriptor, isReadOnly: mount.flags & UInt32(MARTLET_MOUNT_READ_ONLY) != 0)
      if opened >= 0 { unsafe mountFiles.append((mount.descriptor, Int32(truncatingIfNeeded: opened))) }
    }
  }
  private static func open(_ descriptor: Int32, isReadOnly: Bool) -> Int {
    let path = [UInt8]("/proc/self/fd/\(descriptor)\0".utf8)
    return unsafe path.withUnsafeBufferPointer { b in
      let address = unsafe Int(bitPattern: b.baseAddress)
      if !isReadOnly {
        let result = hostCall(__NR_openat, Int(AT_FDCWD), address, Int(O_RDWR | O_CLOEXEC))
        if result >= 0 { return result }
      }
      return hostCall(__NR_openat, Int(AT_FDCWD), address, Int(O_RDONLY | O_CLOEXEC))
    }
  }
}
nonisolated(unsafe) private var mountFiles: [(path: Int32, contents: Int32)] = []  // SAFETY: written at boot

extension HostDescriptor {
  /// The contents of the file that was mounted as the O_PATH descriptor `number`; nil for directories.
  public static func contents(ofMounted number: Int32) -> HostDescriptor? {
    for entry in unsafe mountFiles where entry.path == number { return HostDescriptor(keeping: entry.contents) }
    return nil
  }
  /// How many descriptors the host lets Martlet have.
  public static var limit: Int { unsafe hostDescriptorLimit }
}
nonisolated(unsafe) private var hostDescriptorLimit = 1024  // SAFETY: written at boot
