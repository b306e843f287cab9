import CBoot
import CLinux
import Machine

/// The objects that paths and files need, before the first task.
func prepareVFS() {
  dentries.set(DentryCache())
  fileSystemTypes.set(FileSystemTypeList())
  let anonymous = AnonymousFileSystems()
  anonymousFileSystems.set(anonymous)
  anonymous.sharedInode.replace(AnonymousInode(.other, mode: 0o600))
  characterDevices.set(CharacterDeviceList())
  mounts.set(MountTable())
  FileSystemTypes.register(TmpfsType())
}

/// The root and what is mounted below it whatever it is.
func mountRoot() throws(Errno) -> Path {
  let tmpfs = Tmpfs()
  let inode = TmpfsDirectory(tmpfs, mode: 0o755, uid: 0, gid: 0)
  let header = bootBlock.header
  if header.rootDescriptor >= 0 && header.rootKind == UInt32(truncatingIfNeeded: MARTLET_ROOT_ARCHIVE) {
    let archive = try HostArchive(descriptor: header.rootDescriptor)
    try RootArchive.unpack(archive.bytes, into: inode)
    closeBootDescriptor(header.rootDescriptor)
  }
  return mounts.with { $0.setRoot(Dentry(root: inode)) }
}
