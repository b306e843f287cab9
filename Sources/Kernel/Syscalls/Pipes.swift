import CLinux
import Machine

/// Implements Linux syscall pipe(2).
func sysPipe(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makePipe(task, arguments.pointer0(), 0)
}

/// Implements Linux syscall pipe2(2).
func sysPipe2(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try makePipe(task, arguments.pointer0(), arguments.i1)
}

private func makePipe(_ task: Task, _ result: UserPointer<Int32>, _ flags: Int32) throws(Errno) -> SyscallOutcome {
  guard flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT) == 0 else { throw .invalid }
  let pipe = try Pipe()
  let inode = task.credentials.borrowed.with { PipeInode(pipe, $0) }
  let status = flags & (O_NONBLOCK | O_DIRECT)
  let reader = PipeFile(pipe, inode: inode, flags: O_RDONLY | status & O_NONBLOCK)
  let writer = PipeFile(pipe, inode: inode, flags: O_WRONLY | status)
  try installPair(task, reader, writer, closeOnExec: flags & O_CLOEXEC != 0, result)
  return .value(0)
}
