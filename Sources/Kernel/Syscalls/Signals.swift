import CLinux
import Machine

// System calls on signals: signal(7). The work is in Signals/.

/// The size of sigset_t that callers must state.
private func checkSetSize(_ size: Int) throws(Errno) { if size != 8 { throw .invalid } }

/// Implements rt_sigaction(2). Errors: EINVAL, EFAULT.
func sysRtSigaction(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkSetSize(a.a3)
  let signal = a.i0
  let newPointer: UserPointer<SignalAction> = a.pointer1(), oldPointer: UserPointer<SignalAction> = a.pointer2()
  let old: SignalAction
  if newPointer.isNull {
    guard Signal.isValid(signal) else { throw .invalid }
    old = task.process.signalAction(signal)
  } else {
    var action = try newPointer.copyIn()
    guard Signal.canBeCaught(signal) else { throw .invalid }
    action.mask = action.mask.blockable
    action.flags &= SignalAction.knownFlags
    old = task.process.setSignalAction(signal, action)
  }
  if !oldPointer.isNull { try oldPointer.copyOut(old) }
  return .value(0)
}

extension SignalAction {
  /// Flags beyond these vanish, by which programs find out what a kernel knows.
  static var knownFlags: UInt {
    UInt(SA_NOCLDSTOP) | UInt(SA_NOCLDWAIT) | UInt(SA_SIGINFO) | UInt(SA_ONSTACK) | UInt(SA_RESTART) | UInt(SA_NODEFER)
      | UInt(SA_RESETHAND) | UInt(SA_RESTORER) | UInt(SA_EXPOSE_TAGBITS)
  }
}

/// Implements rt_sigprocmask(2). Errors: EINVAL, EFAULT.
func sysRtSigprocmask(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkSetSize(a.a3)
  let old = task.signals.mask
  let pointer: UserPointer<SignalSet> = a.pointer1(), oldPointer: UserPointer<SignalSet> = a.pointer2()
  if !pointer.isNull {
    let set = try pointer.copyIn()
    let new: SignalSet
    switch a.i0 {
    case SIG_BLOCK: new = old.union(set)
    case SIG_UNBLOCK: new = old.subtracting(set)
    case SIG_SETMASK: new = set
    default: throw .invalid
    }
    task.process.setSignalMask(task, new)
  }
  if !oldPointer.isNull { try oldPointer.copyOut(old) }
  return .value(0)
}

/// Implements rt_sigreturn(2).
func sysRtSigreturn(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if !task.hasAllRegisters { return .wantsRegisters }
  task.returnFromSignal()
  return .registersSet
}

/// Implements rt_sigpending(2). Errors: EINVAL, EFAULT.
func sysRtSigpending(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.a1 >= 0, a.a1 <= 8 else { throw .invalid }
  let (own, shared) = task.process.signals.pendingSets(task)
  let blocked = own.bits & task.signals.mask.bits | shared.bits & task.signals.mask.bits
  if a.a1 == 8 {
    try (a.pointer0() as UserPointer<SignalSet>).copyOut(SignalSet(bits: blocked))
  } else {
    let bytes: UserPointer<UInt8> = a.pointer0()
    for i in 0..<a.a1 { try bytes.advanced(by: i).copyOut(UInt8(truncatingIfNeeded: blocked &>> UInt64(8 * i))) }
  }
  return .value(0)
}

/// Implements rt_sigtimedwait(2). Errors: EINVAL, EFAULT, EAGAIN, EINTR.
func sysRtSigtimedwait(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkSetSize(a.a3)
  let set = SignalSet(bits: try (a.pointer0() as UserPointer<UInt64>).copyIn())
  let timeout: UserPointer<TimeSpec> = a.pointer2()
  let deadline: Deadline = timeout.isNull ? .never : .after(nanoseconds: try timeout.copyIn().checked())
  let info = try task.awaitSignal(set, until: deadline)
  if a.a1 != 0 { try info.copyOut(to: UInt(bitPattern: a.a1)) }
  return .value(Int(info.signal))
}

/// Implements rt_sigsuspend(2). Errors: EINVAL, EFAULT, EINTR.
func sysRtSigsuspend(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try checkSetSize(a.a1)
  task.setTemporaryMask(try (a.pointer0() as UserPointer<UInt64>).copyIn())
  try task.waitForSignal()
}

/// Implements pause(2). Errors: EINTR.
func sysPause(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome { try task.waitForSignal() }

/// Implements kill(2). Errors: EINVAL, EPERM, ESRCH.
func sysKill(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.kill(a.i0, a.i1)
  return .value(0)
}

/// The task `id` of the process `group`, which 0 leaves open.
private func findTask(_ task: Task, _ group: Int32, _ id: Int32) throws(Errno) -> Task {
  guard let task = task.id == Int(id) ? task : Processes.findTask(Int(id)), group == 0 || task.process.id == Int(group)
  else { throw .noProcess }
  return task
}

/// Implements tkill(2). Errors: EINVAL, EPERM, ESRCH, EAGAIN.
func sysTkill(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.i0 > 0 else { throw .invalid }
  try task.kill(findTask(task, 0, a.i0), task.userInfo(a.i1, code: SI_TKILL))
  return .value(0)
}

/// Implements tgkill(2). Errors: as tkill(2).
func sysTgkill(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.i0 > 0, a.i1 > 0 else { throw .invalid }
  try task.kill(findTask(task, a.i0, a.i1), task.userInfo(a.i2, code: SI_TKILL))
  return .value(0)
}

/// A program's own siginfo_t, which must not pretend to come from the kernel or from kill(2), but to itself.
private func queuedInfo(_ task: Task, _ address: Int, _ signal: Int32, to id: Int32) throws(Errno) -> SignalInfo {
  let info = try SignalInfo.copyIn(from: UInt(bitPattern: address), for: signal)
  if (info.code >= 0 || info.code == SI_TKILL) && Int(id) != task.process.id { throw .notPermitted }
  return info
}

/// Implements rt_sigqueueinfo(2). Errors: EAGAIN, EFAULT, EINVAL, EPERM, ESRCH.
func sysRtSigqueueinfo(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let info = try queuedInfo(task, a.a2, a.i1, to: a.i0)
  guard let target = Processes.find(Int(a.i0)) ?? Processes.findTask(Int(a.i0))?.process else { throw .noProcess }
  try task.kill(target, info)
  return .value(0)
}

/// Implements rt_tgsigqueueinfo(2). Errors: as rt_sigqueueinfo(2).
func sysRtTgsigqueueinfo(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.i0 > 0, a.i1 > 0 else { throw .invalid }
  let info = try queuedInfo(
    task, a.a3, a.i2, to: a.i1 == Int32(truncatingIfNeeded: task.id) ? Int32(truncatingIfNeeded: task.process.id) : 0)
  try task.kill(findTask(task, a.i0, a.i1), info)
  return .value(0)
}

/// Implements sigaltstack(2). Errors: EFAULT, EINVAL, ENOMEM, EPERM.
func sysSigaltstack(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let new: UserPointer<SignalStack> = a.pointer0(), old: UserPointer<SignalStack> = a.pointer1()
  let sp = task.stackPointer
  let before = task.signals.alternateStackReport(sp: sp)
  if !new.isNull {
    if let error = task.signals.setAlternateStack(try new.copyIn(), sp: sp, minimum: 2048) { throw error }
  }
  if !old.isNull { try old.copyOut(before) }
  return .value(0)
}

/// Implements restart_syscall(2): what an interrupted call set aside goes on. Errors: EINTR where there is nothing, and the
/// call's own.
func sysRestartSyscall(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard let block = task.signals.restartBlock else { throw .interrupted }
  task.signals.restartBlock = nil
  return try block.run(task, block)
}
