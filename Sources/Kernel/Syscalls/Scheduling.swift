import CLinux
import Machine

// Scheduling: sched(7). There is one class of threads, Linux's fair one; its policies differ in name only, and the
// real-time ones are refused.

/// struct sched_param.
private struct SchedulingParameter {
  var priority: Int32 = 0
}

/// Implements sched_yield(2).
func sysSchedYield(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  Scheduler.yield()
  return .value(0)
}

/// Implements getcpu(2): the vCPU; there is one node.
func sysGetcpu(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let cpu: UserPointer<UInt32> = args.pointer0(), node: UserPointer<UInt32> = args.pointer1()
  if !cpu.isNull { try cpu.copyOut(UInt32(Processors.current)) }
  if !node.isNull { try node.copyOut(0) }
  return .value(0)
}

/// Implements sched_setaffinity(2).
func sysSchedSetaffinity(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let count = min(Int(UInt32(truncatingIfNeeded: args.a1)), 8)
  let pointer: UserPointer<UInt8> = args.pointer2()
  var mask: UInt64 = 0
  for (i, byte) in try pointer.copyIn(count: count).enumerated() { mask |= UInt64(byte) << UInt64(8 * i) }
  let other = try taskOrSelf(task, args.i0)
  if !task.maySchedule(other) { throw .notPermitted }
  mask &= Processors.all
  if mask == 0 { throw .invalid }
  Scheduler.setAffinity(other, mask)
  return .value(0)
}

/// Implements sched_getaffinity(2): returns the bytes written.
func sysSchedGetaffinity(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let size = UInt32(truncatingIfNeeded: args.a1)
  if size & 7 != 0 || UInt64(size) * 8 < UInt64(Processors.count) { throw .invalid }
  let other = try taskOrSelf(task, args.i0)
  let mask: UserPointer<UInt64> = args.pointer2()
  try mask.copyOut(other.affinity & Processors.all)
  return .value(8)
}

// MARK: policies

private let resetOnFork: Int32 = 0x4000_0000

/// Sets policy and nice after Linux's checks. Errors: EINVAL, EPERM.
private func setPolicy(_ task: Task, _ other: Task, _ policy: Int32, priority: Int32, resets: Bool) throws(Errno) {
  switch policy {
  case SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE: if priority != 0 { throw .invalid }
  case SCHED_FIFO, SCHED_RR:
    if priority < 1 || priority > 99 { throw .invalid }
    if !task.credentials.borrowed.with({ $0.has(CAP_SYS_NICE) }) { throw .notPermitted }
    Log.info("sched_setscheduler: real-time policies are not implemented")
    throw .invalid
  default: throw .invalid
  }
  if !task.maySchedule(other) { throw .notPermitted }
  if other.resetsOnFork && !resets && !task.credentials.borrowed.with({ $0.has(CAP_SYS_NICE) }) { throw .notPermitted }
  other.policy = policy
  other.resetsOnFork = resets
}

/// Implements sched_setscheduler(2).
func sysSchedSetscheduler(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let parameter: UserPointer<Int32> = args.pointer2()
  if args.i0 < 0 || args.i1 < 0 || parameter.isNull { throw .invalid }
  let priority = try parameter.copyIn()
  let other = try taskOrSelf(task, args.i0)
  try setPolicy(task, other, args.i1 & ~resetOnFork, priority: priority, resets: args.i1 & resetOnFork != 0)
  return .value(0)
}
/// Implements sched_getscheduler(2).
func sysSchedGetscheduler(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.i0 < 0 { throw .invalid }
  let other = try taskOrSelf(task, args.i0)
  return .value(Int(other.policy | (other.resetsOnFork ? resetOnFork : 0)))
}
/// Implements sched_setparam(2).
func sysSchedSetparam(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let parameter: UserPointer<Int32> = args.pointer1()
  if args.i0 < 0 || parameter.isNull { throw .invalid }
  let priority = try parameter.copyIn()
  let other = try taskOrSelf(task, args.i0)
  try setPolicy(task, other, other.policy, priority: priority, resets: other.resetsOnFork)
  return .value(0)
}

/// Implements sched_getparam(2).
func sysSchedGetparam(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let parameter: UserPointer<SchedulingParameter> = args.pointer1()
  if args.i0 < 0 || parameter.isNull { throw .invalid }
  _ = try taskOrSelf(task, args.i0)
  try parameter.copyOut(SchedulingParameter())
  return .value(0)
}
/// Implements sched_get_priority_max(2).
func sysSchedGetPriorityMax(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try priorities(args.i0).1)
}
/// Implements sched_get_priority_min(2).
func sysSchedGetPriorityMin(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try priorities(args.i0).0)
}
private func priorities(_ policy: Int32) throws(Errno) -> (Int, Int) {
  switch policy {
  case SCHED_FIFO, SCHED_RR: (1, 99)
  case SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE: (0, 0)
  default: throw .invalid
  }
}
/// Implements sched_rr_get_interval(2): the slice of the fair class.
func sysSchedRrGetInterval(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if args.i0 < 0 { throw .invalid }
  _ = try taskOrSelf(task, args.i0)
  let time: UserPointer<linux_timespec> = args.pointer1()
  var slice = linux_timespec()
  slice.tv_nsec = 4_000_000
  try time.copyOut(slice)
  return .value(0)
}

private var attributeSize: Int { 56 }  // of this kernel's struct sched_attr
private var firstAttributeSize: Int { 48 }

/// Implements sched_setattr(2). Errors: E2BIG, EINVAL, EOPNOTSUPP for utilisation clamps.
func sysSchedSetattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<UInt32> = args.pointer1()
  if pointer.isNull || args.i0 < 0 || args.i2 != 0 { throw .invalid }
  var size = Int(try pointer.copyIn())
  if size == 0 { size = firstAttributeSize }
  let bytes = size >= firstAttributeSize && size <= 4096 ? try pointer.cast(to: UInt8.self).copyIn(count: size) : []
  if bytes.isEmpty || bytes.dropFirst(attributeSize).contains(where: { $0 != 0 }) {
    try pointer.copyOut(UInt32(attributeSize))
    throw .tooBig
  }
  func word(_ offset: Int) -> UInt32 {
    UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
      | UInt32(bytes[offset + 3]) << 24
  }
  let flags = word(8)
  if flags & ~0x7f != 0 || word(12) != 0 { throw .invalid }
  if flags & 0x60 != 0 { throw .notSupported }
  let other = try taskOrSelf(task, args.i0)
  let policy = flags & 8 != 0 ? other.policy : Int32(bitPattern: word(4))
  try setPolicy(task, other, policy, priority: Int32(bitPattern: word(20)), resets: flags & 1 != 0)
  if flags & 0x10 == 0 && policy != SCHED_IDLE {
    try task.setNice(of: other, Int(max(min(Int32(bitPattern: word(16)), 19), -20)))
  }
  return .value(0)
}

/// Implements sched_getattr(2).
func sysSchedGetattr(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<UInt32> = args.pointer1()
  let size = UInt32(bitPattern: args.i2)
  if pointer.isNull || args.i0 < 0 || size > 4096 || size < UInt32(firstAttributeSize) || args.i3 != 0 {
    throw .invalid
  }
  let other = try taskOrSelf(task, args.i0)
  let count = min(Int(size), attributeSize)
  var words = [UInt32](repeating: 0, count: count / 4)
  words[0] = UInt32(count)
  words[1] = UInt32(bitPattern: other.policy)
  words[2] = other.resetsOnFork ? 1 : 0
  words[4] = UInt32(bitPattern: Int32(other.nice))
  try pointer.copyOut(words)
  return .value(0)
}

// MARK: nice and I/O priority

/// The threads that getpriority(2) and ioprio_get(2) mean by `which` (0 process, 1 group, 2 user) and `who`.
private func threads(_ task: Task, _ which: Int32, _ who: Int32) throws(Errno) -> [Task] {
  var found: [Task] = []
  switch which {
  case PRIO_PROCESS:
    if let other = try? taskOrSelf(task, who) { found.append(other) }
  case PRIO_PGRP:
    let group = who == 0 ? task.process.group : Processes.findGroup(Int(who))
    if let group { for process in group.processes { found.append(contentsOf: process.allTasks) } }
  case PRIO_USER:
    let user = who == 0 ? task.credentials.borrowed.with { $0.uid } : UInt32(bitPattern: who)
    var at = Processes.next(from: 1)
    while let process = at {
      for other in process.allTasks where other.takeCredentials().uid == user { found.append(other) }
      at = Processes.next(from: process.id + 1)
    }
  default: throw .invalid
  }
  if found.isEmpty { throw .noProcess }
  return found
}

/// Implements getpriority(2): 20 minus the least nice value, as the kernel returns it.
func sysGetpriority(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var best = 1
  for other in try threads(task, args.i0, args.i1) { best = max(best, 20 - other.nice) }
  return .value(best)
}

/// Implements setpriority(2). Errors: EINVAL, ESRCH, EPERM, EACCES.
func sysSetpriority(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let nice = Int(max(min(args.i2, 19), -20))
  var failure: Errno?
  for other in try threads(task, args.i0, args.i1) {
    do throws(Errno) {
      if !task.maySchedule(other) { throw .notPermitted }
      try task.setNice(of: other, nice)
    } catch {
      failure = error
    }
  }
  if let failure { throw failure }
  return .value(0)
}

extension Task {
  /// Errors: EACCES where neither RLIMIT_NICE nor CAP_SYS_NICE allows a lower value.
  func setNice(of other: Task, _ nice: Int) throws(Errno) {
    if nice < other.nice && !credentials.borrowed.with({ $0.has(CAP_SYS_NICE) }) {
      if 20 - nice > other.process.limits.soft(RLIMIT_NICE) { throw .access }
    }
    other.nice = nice
  }
}

/// Implements ioprio_get(2): kept for programs to see; the host does the I/O.
func sysIoprioGet(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var best = Int.max
  for other in try threads(task, args.i0 &- 1, args.i1) { best = min(best, Int(other.ioPriority)) }
  return .value(best)
}
/// Implements ioprio_set(2).
func sysIoprioSet(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let value = args.i2, level = value & 0x1fff & 7
  switch value >> 13 {
  case 0: if level != 0 { throw .invalid }
  case 1: if !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) || $0.has(CAP_SYS_NICE) }) { throw .notPermitted }
  case 2, 3: break
  default: throw .invalid
  }
  var failure: Errno?
  for other in try threads(task, args.i0 &- 1, args.i1) {
    if task.maySchedule(other) { other.ioPriority = value } else { failure = .notPermitted }
  }
  if let failure { throw failure }
  return .value(0)
}
