import CLinux
import Machine

// <linux/eventfd.h> came after the headers that this is built with.
private var semaphoreFlag: Int32 { 1 }  // EFD_SEMAPHORE

/// Implements Linux syscall eventfd(2).
func sysEventfd(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeEventFile(task, UInt32(truncatingIfNeeded: arguments.a0), 0)
}

/// Implements Linux syscall eventfd2, the eventfd(2) with flags.
func sysEventfd2(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makeEventFile(task, UInt32(truncatingIfNeeded: arguments.a0), arguments.i1)
}

private func makeEventFile(_ task: Task, _ value: UInt32, _ flags: Int32) throws(Errno) -> SyscallOutcome {
  guard flags & ~(O_CLOEXEC | O_NONBLOCK | semaphoreFlag) == 0 else { throw .invalid }
  let file = EventFile(
    UInt64(value), inode: AnonymousInode.shared, flags: O_RDWR | flags & O_NONBLOCK,
    isSemaphore: flags & semaphoreFlag != 0)
  return .value(try install(task, file, closeOnExec: flags & O_CLOEXEC != 0))
}
