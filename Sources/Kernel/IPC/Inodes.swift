import CLinux
import Machine

/// The inode of a pipe without a name: 0600, its owner's.
func makePipeInode() -> Inode { AnonymousInode(.pipe, mode: FileType.fifo | 0o600) }
