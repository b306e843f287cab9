import CBoot
import CLinux
import Machine

/// The objects that paths and files need, before the first task.
func prepareVFS() {
  dentries.set(DentryCache())
  execFiles.set(ExecFiles())
  keptTexts.set(KeptTexts())
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

/// The root and what is mounted below it whatever it is. Where each path begins lies where every process has touched it.
func mountRoot() throws(Errno) -> Path {
  let host = try Arena.boot { () throws(Errno) in try HostMounts.root() }
  if let host {
    let root = Arena.boot { mounts.with { $0.setRoot(host) } }
    mountSystem(root)
    try Arena.boot { () throws(Errno) in try HostMounts.mountVolumes(root) }
    return root
  }
  let inode = Arena.boot {
    let tmpfs = Tmpfs()
    tmpfs.source = ("tmpfs" as StaticString).bytes
    return TmpfsDirectory(tmpfs, mode: 0o755, uid: 0, gid: 0)
  }
  let header = bootBlock.header
  if header.rootDescriptor >= 0 && header.rootKind == UInt32(truncatingIfNeeded: MARTLET_ROOT_ARCHIVE) {
    let archive = try HostArchive(descriptor: header.rootDescriptor)
    try RootArchive.unpack(archive.bytes, into: inode)
    closeBootDescriptor(header.rootDescriptor)
  }
  let root = Arena.boot { mounts.with { $0.setRoot(Dentry(root: inode)) } }
  mountSystem(root)
  try Arena.boot { () throws(Errno) in try HostMounts.mountVolumes(root) }
  return root
}

/// What is Martlet's own whatever the root is. A mount that cannot be made is a line in the log.
func mountSystem(_ root: Path) {
  mountAtBoot(root, "devtmpfs", "/dev", MS_NOSUID, "mode=0755")
  if FileSystemTypes.find(("devpts" as StaticString).bytes) != nil { mountDevpts(root) }
  mountAtBoot(root, "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777")
  mountAtBoot(root, "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "")
  mountAtBoot(root, "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, "")
}

/// Mounts `type` at `path`, which is made where it is missing and can be.
func mountAtBoot(_ root: Path, _ type: StaticString, _ path: StaticString, _ flags: Int32, _ options: StaticString) {
  guard FileSystemTypes.find(type.bytes) != nil else { return }
  do throws(Errno) {
    let place = try placeAtBoot(root, path.bytes)
    try Mounting.mount(type: type.bytes, source: type.bytes, at: place, flags: UInt(flags), options: options.bytes)
  } catch {
    Log.warning("\(path): \(type) is not mounted: errno \(error.number)")
  }
}
private func mountDevpts(_ root: Path) {
  do throws(Errno) {
    try Mounting.attach(
      Terminals.makeDevpts(), at: try placeAtBoot(root, Array("/dev/pts".utf8)), flags: UInt(MS_NOSUID | MS_NOEXEC))
  } catch {
    Log.warning("/dev/pts: devpts is not mounted: errno \(error.number)")
  }
}

/// Where to mount something: what is at `path`, or a directory or file made for it. In a host directory nothing is made:
/// the place is Martlet's alone. Errors: those of mkdir(2).
func placeAtBoot(_ root: Path, _ path: [UInt8], isDirectory: Bool = true) throws(Errno) -> Path {
  let kernel = Credentials()
  do throws(Errno) {
    return try resolveAtBoot(root, path, kernel)
  } catch {
    if error != .noEntry { throw error }
  }
  if let slash = path.lastIndex(of: 47), slash > 0 { _ = try placeAtBoot(root, Array(path[..<slash])) }
  var walk = try PathWalk.begin(path, from: root, root: root, kernel, [])
  try walk.toParent()
  if case .name(let start, let end) = walk.last {
    let name = Array(walk.text[start..<end])
    if let parent = walk.dentry.inode as? HostInode {
      parent.addMountPoint(name, isDirectory: isDirectory)
      return try resolveAtBoot(root, path, kernel)
    }
    if let parent = walk.dentry.inode as? FixedDirectory {
      parent.add(name, HostInode.mountPoint(in: parent, isDirectory: isDirectory))
      return try resolveAtBoot(root, path, kernel)
    }
  }
  return try Names.make(&walk, kernel, isDirectory: isDirectory) { (parent, name) throws(Errno) -> Inode in
    if isDirectory { return try parent.mkdir(name, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0)) }
    return try parent.create(name, NewFile(mode: FileType.regular | 0o644, uid: 0, gid: 0))
  }
}
private func resolveAtBoot(_ root: Path, _ path: [UInt8], _ kernel: Credentials) throws(Errno) -> Path {
  var walk = try PathWalk.begin(path, from: root, root: root, kernel, .follow)
  return try walk.finish()
}
