import CLinux
import Machine

// User and group ids, supplementary groups, capabilities: credentials(7).

/// Implements getuid(2).
func sysGetuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.credentials.borrowed.with { Int($0.uid) })
}
/// Implements geteuid(2).
func sysGeteuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.credentials.borrowed.with { Int($0.euid) })
}
/// Implements getgid(2).
func sysGetgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.credentials.borrowed.with { Int($0.gid) })
}
/// Implements getegid(2).
func sysGetegid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(task.credentials.borrowed.with { Int($0.egid) })
}

/// Implements getresuid(2).
func sysGetresuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let c = task.credentials.borrowed.object
  let real: UserPointer<UInt32> = args.pointer0(), effective: UserPointer<UInt32> = args.pointer1()
  let saved: UserPointer<UInt32> = args.pointer2()
  try real.copyOut(c.uid)
  try effective.copyOut(c.euid)
  try saved.copyOut(c.suid)
  return .value(0)
}
/// Implements getresgid(2).
func sysGetresgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let c = task.credentials.borrowed.object
  let real: UserPointer<UInt32> = args.pointer0(), effective: UserPointer<UInt32> = args.pointer1()
  let saved: UserPointer<UInt32> = args.pointer2()
  try real.copyOut(c.gid)
  try effective.copyOut(c.egid)
  try saved.copyOut(c.sgid)
  return .value(0)
}

private func id(_ value: Int) -> UInt32 { UInt32(truncatingIfNeeded: value) }

/// Implements setuid(2).
func sysSetuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in try c.set(.user, id(args.a0)) }
  return .value(0)
}
/// Implements setgid(2).
func sysSetgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in try c.set(.group, id(args.a0)) }
  return .value(0)
}
/// Implements setreuid(2).
func sysSetreuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in try c.set(.user, real: id(args.a0), effective: id(args.a1)) }
  return .value(0)
}
/// Implements setregid(2).
func sysSetregid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in try c.set(.group, real: id(args.a0), effective: id(args.a1)) }
  return .value(0)
}
/// Implements setresuid(2).
func sysSetresuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in
    try c.set(.user, real: id(args.a0), effective: id(args.a1), saved: id(args.a2))
  }
  return .value(0)
}
/// Implements setresgid(2).
func sysSetresgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.changeCredentials { (c) throws(Errno) in
    try c.set(.group, real: id(args.a0), effective: id(args.a1), saved: id(args.a2))
  }
  return .value(0)
}
/// Implements setfsuid(2): returns the old one, whatever happens.
func sysSetfsuid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let old = task.credentials.borrowed.with { Int($0.fsuid) }
  try task.changeCredentials { (c) throws(Errno) in c.set(.user, fileSystem: id(args.a0)) }
  return .value(old)
}
/// Implements setfsgid(2).
func sysSetfsgid(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let old = task.credentials.borrowed.with { Int($0.fsgid) }
  try task.changeCredentials { (c) throws(Errno) in c.set(.group, fileSystem: id(args.a0)) }
  return .value(old)
}

/// Implements getgroups(2).
func sysGetgroups(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let groups = task.credentials.borrowed.with { $0.groups }
  let size = Int(args.i0)
  if size < 0 { throw .invalid }
  if size > 0 {
    if groups.count > size { throw .invalid }
    let list: UserPointer<UInt32> = args.pointer1()
    try list.copyOut(groups)
  }
  return .value(groups.count)
}
/// Implements setgroups(2). Errors: EPERM, EINVAL (more than NGROUPS_MAX), EFAULT.
func sysSetgroups(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if !task.credentials.borrowed.with({ $0.has(CAP_SETGID) }) { throw .notPermitted }
  let count = UInt32(bitPattern: args.i0)
  if count > UInt32(NGROUPS_MAX) { throw .invalid }
  let list: UserPointer<UInt32> = args.pointer1()
  var groups = try list.copyIn(count: Int(count))
  if groups.contains(.max) { throw .invalid }
  groups.sort()
  try task.changeCredentials { (c) throws(Errno) in c.groups = groups }
  return .value(0)
}

// MARK: capget, capset

/// How many 32-bit halves the version of `header` has. Errors: EINVAL, after the known version was written there.
private func capabilityHalves(_ header: UserPointer<UInt32>) throws(Errno) -> Int {
  switch try header.copyIn() {
  case UInt32(_LINUX_CAPABILITY_VERSION_1): return 1
  case UInt32(_LINUX_CAPABILITY_VERSION_2), UInt32(_LINUX_CAPABILITY_VERSION_3): return 2
  default:
    try header.copyOut(UInt32(_LINUX_CAPABILITY_VERSION_3))
    throw .invalid
  }
}

/// Implements capget(2).
func sysCapget(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let header: UserPointer<UInt32> = args.pointer0(), data: UserPointer<UInt32> = args.pointer1()
  let halves: Int
  do throws(Errno) {
    halves = try capabilityHalves(header)
  } catch {
    if data.isNull && error == .invalid { return .value(0) }
    throw error
  }
  if data.isNull { return .value(0) }
  let pid = Int32(bitPattern: try header.advanced(by: 1).copyIn())
  if pid < 0 { throw .invalid }
  let c = try taskOrSelf(task, pid).takeCredentials()
  var words: [UInt32] = []
  for half in 0..<halves {
    for set in [c.effective, c.permitted, c.inheritable] {
      words.append(UInt32(truncatingIfNeeded: set >> UInt64(half * 32)))
    }
  }
  try data.copyOut(words)
  return .value(0)
}

/// Implements capset(2), for the caller only, as Linux has it.
func sysCapset(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let header: UserPointer<UInt32> = args.pointer0(), data: UserPointer<UInt32> = args.pointer1()
  let halves = try capabilityHalves(header)
  let pid = Int(Int32(bitPattern: try header.advanced(by: 1).copyIn()))
  if pid != 0 && pid != task.id { throw .notPermitted }
  let words = try data.copyIn(count: halves * 3)
  func set(_ index: Int) -> UInt64 {
    UInt64(words[index]) | (halves > 1 ? UInt64(words[index + 3]) << 32 : 0)
  }
  try task.changeCredentials { (c) throws(Errno) in
    try c.setCapabilities(effective: set(0), permitted: set(1), inheritable: set(2))
  }
  return .value(0)
}
