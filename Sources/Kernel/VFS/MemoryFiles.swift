import CLinux
import Machine

/// Files of memfd_create(2): in a tmpfs that is mounted nowhere.
final class MemoryFiles {
  private let mount: Mount

  init() {
    let fileSystem = Tmpfs()
    let root = Dentry(root: TmpfsDirectory(fileSystem, mode: 0o1777, uid: 0, gid: 0))
    mount = mounts.with { $0.make(root, flags: 0) }
  }

  /// A new one, open for reading and writing. /proc shows it as `/memfd:NAME (deleted)`.
  static func make(_ name: [UInt8], mode: UInt32, _ c: Credentials, sealable: Bool) throws(Errno) -> File {
    try memoryFiles.with { (files) throws(Errno) -> File in
      let fileSystem = files.mount.fileSystem
      let inode = CachedInode(
        fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: FileType.regular | mode, uid: c.fsuid,
        gid: c.fsgid)
      inode.linkCount = 0
      if sealable { inode.data.seals = 0 }
      let dentry = Dentry(name: (Array("memfd:".utf8) + name).span, in: files.mount.root, inode: inode)
      dentry.isDeleted = true
      return try RegularFile(
        inode, path: Path(mount: files.mount, dentry: dentry), flags: O_RDWR | O_LARGEFILE, notesAccess: true)
    }
  }
}
let memoryFiles = KernelGlobal<MemoryFiles>()
