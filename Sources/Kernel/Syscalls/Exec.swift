import CLinux
import Machine

/// execve(2).
func sysExecve(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let path = try task.withArena { () throws(Errno) in try task.path(args.a0) }
  if path.isEmpty { throw .noEntry }
  try task.execute(AT_FDCWD, path, 0, arguments: args.pointer1(), environment: args.pointer2())
  return .registersSet
}

/// execveat(2).
func sysExecveat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i4 & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 else { throw .invalid }
  let path = try task.withArena { () throws(Errno) in try task.path(args.a1) }
  if path.isEmpty && args.i4 & AT_EMPTY_PATH == 0 { throw .noEntry }
  try task.execute(args.i0, path, args.i4, arguments: args.pointer2(), environment: args.pointer3())
  return .registersSet
}
