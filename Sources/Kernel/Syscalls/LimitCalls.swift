import CLinux
import Machine

// Resource limits and what was used: getrlimit(2), getrusage(2), times(2).

extension Process {
  /// Errors: EINVAL, EPERM.
  func setLimit(_ resource: Int32, _ new: Limit, by task: Task) throws(Errno) {
    let mayRaise = task.credentials.borrowed.with { $0.has(CAP_SYS_RESOURCE) }
    try lock.withLock { (_) throws(Errno) in
      try ResourceLimits.check(resource, new, instead: limits[resource], mayRaise: mayRaise)
      limits[resource] = new
    }
    if resource == RLIMIT_CPU { signals.timers.followLimit(self) }
  }
}
extension ResourceLimits {
  /// fs.nr_open: no descriptor limit goes beyond it.
  static var descriptorMaximum: UInt64 { 1 << 20 }

  /// Whether `new` may take `old`'s place. Errors: EINVAL, EPERM.
  static func check(_ resource: Int32, _ new: Limit, instead old: Limit, mayRaise: Bool) throws(Errno) {
    if new.soft > new.hard { throw .invalid }
    if resource == RLIMIT_NOFILE && new.hard > descriptorMaximum { throw .notPermitted }
    if new.hard > old.hard && !mayRaise { throw .notPermitted }
  }
}

private func resource(_ value: Int) throws(Errno) -> Int32 {
  let number = UInt32(truncatingIfNeeded: value)
  if number >= UInt32(ResourceLimits.count) { throw .invalid }
  return Int32(number)
}
private func copyIn(_ pointer: UserPointer<UInt64>) throws(Errno) -> Limit {
  let words = try pointer.copyIn(count: 2)
  return Limit(soft: words[0], hard: words[1])
}

/// Implements getrlimit(2).
func sysGetrlimit(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let limit = task.process.limits[try resource(args.a0)]
  let pointer: UserPointer<UInt64> = args.pointer1()
  try pointer.copyOut([limit.soft, limit.hard])
  return .value(0)
}
/// Implements setrlimit(2).
func sysSetrlimit(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let new = try copyIn(args.pointer1())
  try task.process.setLimit(try resource(args.a0), new, by: task)
  return .value(0)
}
/// Implements prlimit64(2).
func sysPrlimit64(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let newPointer: UserPointer<UInt64> = args.pointer2(), oldPointer: UserPointer<UInt64> = args.pointer3()
  let new = newPointer.isNull ? nil : try copyIn(newPointer)
  let other = try taskOrSelf(task, args.i0)
  if other.process !== task.process {
    let its = other.takeCredentials()
    let isAllowed = task.credentials.borrowed.with { mine in
      mine.has(CAP_SYS_RESOURCE)
        || (mine.uid == its.euid && mine.uid == its.suid && mine.uid == its.uid && mine.gid == its.egid
          && mine.gid == its.sgid && mine.gid == its.gid)
    }
    if !isAllowed { throw .notPermitted }
  }
  let number = try resource(args.a1)
  let old = other.process.limits[number]
  if let new { try other.process.setLimit(number, new, by: task) }
  if !oldPointer.isNull { try oldPointer.copyOut([old.soft, old.hard]) }
  return .value(0)
}

/// Implements getrusage(2).
/// - Differs from Linux: time in the kernel counts as the user's.
func sysGetrusage(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let usage: ResourceUsage
  switch args.i0 {
  case RUSAGE_SELF:
    task.notePeak()
    usage = task.process.livingUsage()
  case RUSAGE_CHILDREN: usage = task.process.reapedUsage()
  case RUSAGE_THREAD: usage = task.ownUsage()
  default: throw .invalid
  }
  let pointer: UserPointer<linux_rusage> = args.pointer1()
  try pointer.copyOut(usage.abi)
  return .value(0)
}

/// Implements times(2): in hundredths of a second.
func sysTimes(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<Int> = args.pointer0()
  if !pointer.isNull {
    let own = task.process.livingUsage(), reaped = task.process.reapedUsage()
    try pointer.copyOut([own.user, own.system, reaped.user, reaped.system].map { clockTicks($0) })
  }
  return .value(clockTicks(Clock.monotonic()))
}
