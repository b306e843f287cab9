import CLinux
import Machine

/// The inode of a pipe without a name.
func makePipeInode() -> Inode { AnonymousInode(.pipe, mode: FileType.fifo | 0o600) }
/// The inode that eventfds and epolls share.
func sharedAnonymousInode() -> Inode { AnonymousInode.shared }
