import CLinux
import Machine

// Processes: clone, exit, wait, and who is in which group.

extension Task {
  /// clone(2) as the calls make it: a child begins with all its maker's registers.
  fileprivate func makeChild(_ request: CloneRequest) throws(Errno) -> SyscallOutcome {
    hasAllRegisters ? .value(try clone(request)) : .wantsRegisters
  }
}

/// Implements clone(2): x86-64's order of arguments.
func sysClone(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var request = CloneRequest()
  let flags = UInt64(UInt32(truncatingIfNeeded: args.a0))
  request.flags = flags & ~UInt64(CSIGNAL)
  request.exitSignal = Int32(flags & UInt64(CSIGNAL))
  request.stack = UInt(bitPattern: args.a1)
  request.parentTid = UInt(bitPattern: args.a2)
  request.pidDescriptor = request.parentTid
  request.childTid = UInt(bitPattern: args.a3)
  request.threadPointer = UInt64(UInt(bitPattern: args.a4))
  if request.has(CLONE_PIDFD) && (request.has(CLONE_PARENT_SETTID) || request.has(CLONE_DETACHED)) { throw .invalid }
  return try task.makeChild(request)
}

/// Implements clone3(2). Errors: E2BIG for fields that this kernel does not know and that are not zero.
func sysClone3(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let size = UInt(bitPattern: args.a1), known = UInt(MemoryLayout<linux_clone_args>.size)
  if size > 4096 { throw .tooBig }
  if size < UInt(CLONE_ARGS_SIZE_VER0) { throw .invalid }
  let pointer: UserPointer<UInt8> = args.pointer0()
  let bytes = try pointer.copyIn(count: Int(size))
  for i in 0..<Int(size) where i >= Int(known) && bytes[i] != 0 { throw .tooBig }
  /// The field at word `index`; 0 where the caller's structure ends before.
  func word(_ index: Int) -> UInt64 {
    guard (index + 1) * 8 <= bytes.count else { return 0 }
    var value: UInt64 = 0
    for i in (0..<8).reversed() { value = value << 8 | UInt64(bytes[index * 8 + i]) }
    return value
  }
  var request = CloneRequest()
  request.flags = word(0)
  request.pidDescriptor = UInt(word(1))
  request.childTid = UInt(word(2))
  request.parentTid = UInt(word(3))
  let signal = word(4), stack = UInt(word(5)), stackSize = UInt(word(6))
  request.threadPointer = word(7)
  let setTid = word(8), setTidSize = word(9)
  let known64 = UInt64(0xffff_ffff) | UInt64(CLONE_CLEAR_SIGHAND) | UInt64(CLONE_INTO_CGROUP)
  if request.flags & ~known64 != 0 || request.flags & (UInt64(CSIGNAL) | UInt64(CLONE_DETACHED)) != 0 { throw .invalid }
  if signal > 64 || request.has(UInt64(CLONE_INTO_CGROUP)) { throw .invalid }
  if (request.has(CLONE_THREAD) || request.has(CLONE_PARENT)) && signal != 0 { throw .invalid }
  if setTid != 0 || setTidSize != 0 {
    Log.info("clone3: set_tid is not implemented")
    throw .invalid
  }
  if (stack == 0) != (stackSize == 0) { throw .invalid }
  if stack != 0 && !isGuestRange(stack, stackSize) { throw .invalid }
  request.exitSignal = Int32(signal)
  request.stack = stack &+ stackSize
  return try task.makeChild(request)
}

/// Implements fork(2). Errors: EINVAL in `mmu=none`, as on Linux without an MMU.
func sysFork(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var request = CloneRequest()
  request.exitSignal = SIGCHLD
  return try task.makeChild(request)
}

/// Implements vfork(2): the caller waits until the child has left its address space.
func sysVfork(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var request = CloneRequest()
  request.flags = UInt64(CLONE_VFORK) | UInt64(CLONE_VM)
  request.exitSignal = SIGCHLD
  return try task.makeChild(request)
}

/// Implements exit(2): of this thread only.
func sysExit(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  task.exit(WaitStatus.exited(args.i0))
}

/// Implements exit_group(2).
func sysExitGroup(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  task.exitGroup(WaitStatus.exited(args.i0))
}

/// Implements wait4(2).
func sysWait4(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pid = args.i0, options = UInt32(bitPattern: args.i2)
  let known = UInt32(WNOHANG) | UInt32(WUNTRACED) | UInt32(WCONTINUED)
  if options & ~(known | UInt32(bitPattern: __WNOTHREAD | __WALL) | waitClone) != 0 { throw .invalid }
  if pid == Int32.min { throw .noProcess }
  let children: WaitRequest.Children =
    switch pid {
    case -1: .any
    case ..<0: .group(Int(-pid))
    case 0: .group(task.process.group.id)
    default: .process(Int(pid))
    }
  guard let found = try task.waitForChild(WaitRequest(children: children, options: options | UInt32(WEXITED))) else {
    return .value(0)
  }
  let status: UserPointer<Int32> = args.pointer1()
  if !status.isNull { try status.copyOut(found.status) }
  let usage: UserPointer<linux_rusage> = args.pointer3()
  if !usage.isNull { try usage.copyOut(found.usage.abi) }
  return .value(found.pid)
}
/// __WCLONE, which C gives as an unsigned constant.
var waitClone: UInt32 { 0x8000_0000 }

/// Implements waitid(2), and the kernel's fifth argument, a rusage.
func sysWaitid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let id = args.i1, options = UInt32(bitPattern: args.i3)
  let states = UInt32(WEXITED) | UInt32(WSTOPPED) | UInt32(WCONTINUED)
  let others = UInt32(WNOHANG) | UInt32(WNOWAIT) | UInt32(bitPattern: __WNOTHREAD | __WALL) | waitClone
  if options & ~(states | others) != 0 || options & states == 0 { throw .invalid }
  let children: WaitRequest.Children
  var isNonBlocking = false
  switch args.i0 {
  case P_ALL: children = .any
  case P_PID:
    if id <= 0 { throw .invalid }
    children = .process(Int(id))
  case P_PGID:
    if id < 0 { throw .invalid }
    children = .group(id == 0 ? task.process.group.id : Int(id))
  case P_PIDFD:
    if id < 0 { throw .invalid }
    let (process, flag) = try task.withPidFile(id) { (file) throws(Errno) in (file.process.id, file.isNonBlocking) }
    children = .process(process)
    isNonBlocking = flag && options & UInt32(WNOHANG) == 0
  default: throw .invalid
  }
  let request = WaitRequest(children: children, options: isNonBlocking ? options | UInt32(WNOHANG) : options)
  let found = try task.waitForChild(request)
  if found == nil && isNonBlocking { throw .wouldBlock }
  let usage: UserPointer<linux_rusage> = args.pointer4()
  if let found, !usage.isNull { try usage.copyOut(found.usage.abi) }
  let info: UserPointer<UInt32> = args.pointer2()
  if !info.isNull {
    // Linux writes these fields and no other.
    try info.copyOut([found == nil ? 0 : UInt32(SIGCHLD), 0, UInt32(bitPattern: found?.code ?? 0)])
    try info.advanced(by: 4).copyOut([
      UInt32(truncatingIfNeeded: found?.pid ?? 0), found?.uid ?? 0, UInt32(bitPattern: found?.value ?? 0),
    ])
  }
  return .value(0)
}

/// Implements set_tid_address(2).
func sysSetTidAddress(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  task.clearChildTid = UInt(bitPattern: args.a0)
  return .value(task.id)
}

/// Of struct robust_list_head.
private var robustListHeadSize: Int { 24 }

/// Implements set_robust_list(2).
func sysSetRobustList(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.a1 != robustListHeadSize { throw .invalid }
  task.robustList = UInt(bitPattern: args.a0)
  return .value(0)
}

/// Implements get_robust_list(2).
func sysGetRobustList(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let other = args.i0 == 0 ? task : Processes.findTask(Int(args.i0))
  guard let other else { throw .noProcess }
  if other.process !== task.process && !task.mayInspect(other) { throw .notPermitted }
  let size: UserPointer<UInt> = args.pointer2(), head: UserPointer<UInt> = args.pointer1()
  try size.copyOut(UInt(robustListHeadSize))
  try head.copyOut(other.robustList)
  return .value(0)
}

/// Implements getpid(2).
func sysGetpid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome { .value(task.process.id) }
/// Implements gettid(2).
func sysGettid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome { .value(task.id) }
/// Implements getppid(2).
func sysGetppid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.process.parentID)
}
/// Implements getpgrp(2).
func sysGetpgrp(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.process.group.id)
}
/// Implements getpgid(2).
func sysGetpgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try processOrSelf(task, args.i0).group.id)
}
/// Implements getsid(2).
func sysGetsid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try processOrSelf(task, args.i0).session.id)
}
/// Implements setpgid(2).
func sysSetpgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.setGroup(Int(args.i0), Int(args.i1))
  return .value(0)
}
/// Implements setsid(2).
func sysSetsid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try task.makeSession())
}

/// The process that `id` names, which may be any of its threads'; 0 is the caller's. Errors: ESRCH.
func processOrSelf(_ task: Task, _ id: Int32) throws(Errno) -> Process {
  if id == 0 { return task.process }
  if let found = Processes.find(Int(id)) { return found }
  if let thread = Processes.findTask(Int(id)) { return thread.process }
  throw .noProcess
}
/// The thread `id`; 0 is the caller. Errors: ESRCH.
func taskOrSelf(_ task: Task, _ id: Int32) throws(Errno) -> Task {
  if id == 0 { return task }
  if let found = Processes.findTask(Int(id)) { return found }
  if let process = Processes.find(Int(id)), let any = process.anyTask { return any }
  throw .noProcess
}
