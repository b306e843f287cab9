import CLinux
import Machine

/// Implements Linux syscall signalfd(2). Errors: EBADF, EFAULT, EINVAL, EMFILE.
func sysSignalfd(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try signalFile(task, a, flags: 0)
}

/// Implements Linux syscall signalfd4: signalfd(2) with flags. Errors: as above.
func sysSignalfd4(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try signalFile(task, a, flags: a.i3)
}

private func signalFile(_ task: Task, _ a: SyscallArguments, flags: Int32) throws(Errno) -> SyscallOutcome {
  guard a.a2 == 8 else { throw .invalid }
  let wanted = SignalSet(bits: try (a.pointer1() as UserPointer<UInt64>).copyIn())
  guard flags & ~(O_CLOEXEC | O_NONBLOCK) == 0 else { throw .invalid }
  if a.i0 == -1 {
    let file = SignalFile(wanted, flags: O_RDWR | flags & O_NONBLOCK)
    return .value(try install(task, file, closeOnExec: flags & O_CLOEXEC != 0))
  }
  try task.withFile(a.i0) { (file) throws(Errno) in
    guard let file = file as? SignalFile else { throw .invalid }
    file.change(wanted)
  }
  return .value(Int(a.i0))
}
