/// The order of sleeping locks: one is taken only while every sleeping lock that the thread holds has a lower rank, and
/// no spinlock is held at all. docs/locking.md shows the order as a tree; the checked kernel panics where it is broken.
public enum MutexRank: UInt8, Sendable {
  case machine = 1  // nothing is taken before it: the kernel's one-time work
  case position  // a file's position: held over the whole read(2) or write(2)
  case text  // a synthetic file's text: what makes it may take any below
  case binding  // bind(2) and connect(2) of a socket, which look names up
  case mount
  case rename  // one rename between directories at a time
  case directory  // an ancestor before what is below it
  case inode
  case fileSystem  // what one file system shares among its inodes
  case epoll  // an epoll's items; each epoll before those that it watches
  case socket
  case pipe  // two of them in the order of their addresses
  case keyboard  // the console's: what is typed is echoed
  case screen  // the console's output on its way
  case terminal
  case file  // what one open file keeps
  case execImage  // the sites of one exec image
  case addressSpace  // the last: a user copy's page fault takes it; a fork's new one after its parent's

  /// Ranks of which several may be held together; the places that do so say in what order.
  var nests: Bool {
    switch self {
    case .directory, .inode, .pipe, .epoll, .addressSpace: true
    case .machine, .position, .text, .binding, .mount, .rename, .fileSystem, .socket, .keyboard, .screen, .terminal,
      .file, .execImage:
      false
    }
  }
}

/// The order of spinlocks: one is taken only while every spinlock that the carrier holds has a lower rank. All of them
/// come after all sleeping locks.
public enum LockRank: UInt8, Sendable {
  case machine = 1  // nothing is taken before it: power-off
  case mount
  case processTree  // parents, children, groups, sessions
  case process  // one thread group
  case signals
  case descriptors
  case fileSystem  // what one file system shares among its inodes
  case mappings  // the mappings of one cached file
  case dentries
  case file
  case socket
  case poll
  case futex
  case leaf  // takes no other but those below
  case waitQueue
  case epoll  // an epoll's ready list and its waiters; they nest, and never in a circle
  case timers
  case allocator
  case log
  case scheduler  // the last: host calls that wake come after it

  var nests: Bool { self == .epoll }
}
