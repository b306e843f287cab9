/// The order in which locks are taken: a lock is taken only while every held lock has a lower rank. docs/locking.md has
/// the same order as a tree; the checked kernel panics where it is broken.
public enum LockRank: UInt8, Sendable {
  case machine = 1  // nothing is taken before it: power-off, the kernel's one-time work
  case mount
  case rename  // one rename between directories at a time
  case directory
  case inode
  case processTree  // parents, children, groups, sessions
  case process  // one thread group
  case signals
  case descriptors
  case fileSystem  // what one file system shares among its inodes
  case addressSpace
  case mappings  // the mappings of one cached file
  case dentries
  case file
  case terminal
  case socket
  case pipe
  case poll
  case futex
  case leaf  // takes no other but those below
  case waitQueue
  case epoll  // an epoll's ready list and its waiters; they nest, and never in a circle
  case timers
  case allocator
  case log
  case scheduler  // the last: host calls that wake come after it
}
