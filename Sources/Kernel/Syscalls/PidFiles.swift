import CLinux
import Machine

// Descriptors of processes: pidfd_open(2).

/// Implements pidfd_open(2). Errors: EINVAL for a thread that leads no group, ESRCH, EMFILE.
func sysPidfdOpen(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.i1 & ~O_NONBLOCK != 0 || args.i0 <= 0 { throw .invalid }
  guard let process = Processes.find(Int(args.i0)) else {
    throw Processes.findTask(Int(args.i0)) == nil ? .noProcess : .invalid
  }
  let file = PidFile(process, isNonBlocking: args.i1 & O_NONBLOCK != 0)
  return .value(try install(task, file, closeOnExec: true))
}

/// Implements pidfd_send_signal(2). Errors: EBADF, EINVAL, EPERM, ESRCH, EFAULT.
func sysPidfdSendSignal(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let signal = args.i1
  guard args.i3 == 0 || args.i3 == 2 else { throw .invalid }  // PIDFD_SIGNAL_THREAD_GROUP
  let target = try task.withPidFile(args.i0) { (file) throws(Errno) in file.process }
  var info = task.userInfo(signal)
  if args.a2 != 0 {
    info = try SignalInfo.copyIn(from: UInt(bitPattern: args.a2))
    if info.signal != signal { throw .invalid }
    if target !== task.process && (info.code >= 0 || info.code == SI_TKILL) { throw .notPermitted }
  }
  if withProcessTree({ target.state == .dead }) { throw .noProcess }
  try task.kill(target, info)
  return .value(0)
}

/// Implements pidfd_getfd(2). Errors: EBADF, EINVAL, EPERM, ESRCH, EMFILE.
func sysPidfdGetfd(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.i2 != 0 { throw .invalid }
  let target = try task.withPidFile(args.i0) { (file) throws(Errno) in file.process }
  guard let other = target.anyTask else { throw .noProcess }
  if !task.mayInspect(other) { throw .notPermitted }
  guard let file = other.takeFiles()?.file(Int(args.i1)) else { throw .badDescriptor }
  return .value(try install(task, file, closeOnExec: true))
}
