import CBoot
import CLinux
import Machine

/// The objects that paths and files need, before the first task.
func prepareVFS() {
  dentries.set(DentryCache())
  execFiles.set(ExecFiles())
  fileSystemTypes.set(FileSystemTypeList())
  let anonymous = AnonymousFileSystems()
  anonymousFileSystems.set(anonymous)
  anonymous.sharedInode.replace(AnonymousInode(.other, mode: 0o600))
  characterDevices.set(CharacterDeviceList())
  mounts.set(MountTable())
  fileLocks.set(LockTable())
  inotify.set(InotifyTable())
  memoryFiles.set(MemoryFiles())
  FileSystemTypes.register(TmpfsType())
  FileSystemTypes.register(DevtmpfsType())
  MemoryDevices.register()
}

/// The root and what is mounted below it whatever it is.
func mountRoot() throws(Errno) -> Path {
  if let host = try HostMounts.root() {
    let root = mounts.with { $0.setRoot(host) }
    mountSystem(root)
    try HostMounts.mountVolumes(root)
    return root
  }
  let tmpfs = Tmpfs()
  tmpfs.source = ("tmpfs" as StaticString).bytes
  let inode = TmpfsDirectory(tmpfs, mode: 0o755, uid: 0, gid: 0)
  let header = bootBlock.header
  if header.rootDescriptor >= 0 && header.rootKind == UInt32(truncatingIfNeeded: MARTLET_ROOT_ARCHIVE) {
    let archive = try HostArchive(descriptor: header.rootDescriptor)
    try RootArchive.unpack(archive.bytes, into: inode)
    closeBootDescriptor(header.rootDescriptor)
  }
  let root = mounts.with { $0.setRoot(Dentry(root: inode)) }
  mountSystem(root)
  try HostMounts.mountVolumes(root)
  return root
}

/// What is Martlet's own whatever the root is. A mount that cannot be made is a line in the log.
func mountSystem(_ root: Path) {
  mountAtBoot(root, "devtmpfs", "/dev", MS_NOSUID, "mode=0755")
  if FileSystemTypes.find(("devpts" as StaticString).bytes) != nil { mountDevpts(root) }
  mountAtBoot(root, "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777")
  mountAtBoot(root, "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "")
  mountAtBoot(root, "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, "")
  mountAtBoot(root, "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755")
}

/// Mounts `type` at `path`, which is made where it is missing and can be.
func mountAtBoot(_ root: Path, _ type: StaticString, _ path: StaticString, _ flags: Int32, _ options: StaticString) {
  guard FileSystemTypes.find(type.bytes) != nil else { return }
  do throws(Errno) {
    let place = try directoryAtBoot(root, path)
    try Mounting.mount(type: type.bytes, source: type.bytes, at: place, flags: UInt(flags), options: options.bytes)
  } catch {
    Log.warning("\(path): \(type) is not mounted: errno \(error.number)")
  }
}
private func mountDevpts(_ root: Path) {
  do throws(Errno) {
    try Mounting.attach(
      Terminals.makeDevpts(), at: try directoryAtBoot(root, "/dev/pts"), flags: UInt(MS_NOSUID | MS_NOEXEC))
  } catch {
    Log.warning("/dev/pts: devpts is not mounted: errno \(error.number)")
  }
}
/// The directory `path`, made where it is missing. Errors: those of mkdir(2).
func directoryAtBoot(_ root: Path, _ path: StaticString) throws(Errno) -> Path {
  let kernel = Credentials()
  do throws(Errno) {
    var walk = try PathWalk.begin(path.bytes, from: root, root: root, kernel, [.follow, .directory])
    return try walk.finish()
  } catch {
    if error != .noEntry { throw error }
    var walk = try PathWalk.begin(path.bytes, from: root, root: root, kernel, [])
    return try Names.make(&walk, kernel, isDirectory: true) { (parent, name) throws(Errno) -> Inode in
      try parent.mkdir(name, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0))
    }
  }
}
