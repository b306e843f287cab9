import CLinux
import Machine

// prctl(2), arch_prctl(2), personality(2).

/// Implements prctl(2): its common part. Other options are EINVAL and a line in the log.
func sysPrctl(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let process = task.process, value = args.a1
  let hasMore = args.a2 != 0 || args.a3 != 0 || args.a4 != 0
  let word: UserPointer<Int32> = args.pointer1()
  switch args.i0 {
  case PR_SET_PDEATHSIG:
    guard value >= 0, value <= 64 else { throw .invalid }
    withProcessTree {
      task.parentDeathSignal = Int32(value)
      process.usesDeathSignals = true
      process.parent?.with { $0.mayHaveDeathSignals = true }
    }
  case PR_GET_PDEATHSIG: try word.copyOut(task.parentDeathSignal)
  case PR_GET_DUMPABLE: return .value(Int(process.dumpable))
  case PR_SET_DUMPABLE:
    guard value == 0 || value == 1 else { throw .invalid }
    process.dumpable = Int32(value)
  case PR_SET_NAME:
    let name: UserPointer<UInt8> = args.pointer1()
    task.setName(try copyInName(name))
  case PR_GET_NAME:
    var bytes = task.name
    while bytes.count < 16 { bytes.append(0) }
    let name: UserPointer<UInt8> = args.pointer1()
    try name.copyOut(bytes)
  case PR_GET_TIMING: return .value(0)
  case PR_SET_TIMING: if value != 0 { throw .invalid }
  case PR_GET_SECCOMP: return .value(0)
  case PR_GET_TSC: try word.copyOut(PR_TSC_ENABLE)
  case PR_SET_TSC: if value != Int(PR_TSC_ENABLE) { throw missing(args.i0) }
  case PR_SET_TIMERSLACK: task.timerSlack = value <= 0 ? task.defaultTimerSlack : UInt64(value)
  case PR_GET_TIMERSLACK: return .value(Int(truncatingIfNeeded: task.timerSlack))
  case PR_SET_CHILD_SUBREAPER:
    withProcessTree {
      process.isSubreaper = value != 0
      if value != 0 { process.children.forEach { $0.noteSubreaper() } }
    }
  case PR_GET_CHILD_SUBREAPER: try word.copyOut(process.isSubreaper ? 1 : 0)
  case PR_SET_NO_NEW_PRIVS:
    if value != 1 || hasMore { throw .invalid }
    try task.changeCredentials { (c) throws(Errno) in c.noNewPrivileges = true }
  case PR_GET_NO_NEW_PRIVS:
    if value != 0 || hasMore { throw .invalid }
    return .value(task.credentials.borrowed.with { $0.noNewPrivileges ? 1 : 0 })
  case PR_SET_THP_DISABLE:
    if hasMore { throw .invalid }
    process.disablesHugePages = value != 0
  case PR_GET_THP_DISABLE:
    if value != 0 || hasMore { throw .invalid }
    return .value(process.disablesHugePages ? 1 : 0)
  case PR_GET_TID_ADDRESS:
    let pointer: UserPointer<UInt> = args.pointer1()
    try pointer.copyOut(task.clearChildTid)
  case PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS,
    PR_CAP_AMBIENT:
    return .value(try controlCapabilities(task, args))
  case PR_SET_VMA: throw .invalid  // C libraries ask in passing
  default: throw missing(args.i0)
  }
  return .value(0)
}

private func missing(_ option: Int32) -> Errno {
  Log.info("prctl: option \(option) is not implemented")
  return .invalid
}

/// At most 15 bytes of a string, cut where it is longer.
private func copyInName(_ pointer: UserPointer<UInt8>) throws(Errno) -> [UInt8] {
  var name: [UInt8] = []
  while name.count < 15 {
    let byte = try pointer.advanced(by: name.count).copyIn()
    if byte == 0 { break }
    name.append(byte)
  }
  return name
}

/// The part of prctl(2) that capabilities(7) describes.
private func controlCapabilities(_ task: Task, _ args: SyscallArguments) throws(Errno) -> Int {
  let value = UInt64(UInt(bitPattern: args.a1))
  func bit(_ number: UInt64) throws(Errno) -> UInt64 {
    guard number <= UInt64(CAP_LAST_CAP) else { throw .invalid }
    return 1 << number
  }
  let mine = task.credentials.borrowed.object
  switch args.i0 {
  case PR_CAPBSET_READ: return mine.bounding & (try bit(value)) != 0 ? 1 : 0
  case PR_CAPBSET_DROP:
    if !mine.has(CAP_SETPCAP) { throw .notPermitted }
    let dropped = try bit(value)
    try task.changeCredentials { (c) throws(Errno) in c.bounding &= ~dropped }
  case PR_GET_SECUREBITS: return Int(mine.secureBits)
  case PR_SET_SECUREBITS:
    let old = UInt64(mine.secureBits), locks = UInt64(Secure.allLocks)
    if (old & locks) >> 1 & (old ^ value) != 0 || old & locks & ~value != 0
      || value & ~(locks | UInt64(Secure.allBits)) != 0 || !mine.has(CAP_SETPCAP)
    {
      throw .notPermitted
    }
    try task.changeCredentials { (c) throws(Errno) in c.secureBits = UInt32(value) }
  case PR_GET_KEEPCAPS: return mine.secureBits & Secure.keepCaps != 0 ? 1 : 0
  case PR_SET_KEEPCAPS:
    if value > 1 { throw .invalid }
    if mine.secureBits & Secure.keepCapsLocked != 0 { throw .notPermitted }
    try task.changeCredentials { (c) throws(Errno) in
      c.secureBits = value == 1 ? c.secureBits | Secure.keepCaps : c.secureBits & ~Secure.keepCaps
    }
  default: return try controlAmbient(task, mine, args)
  }
  return 0
}

/// PR_CAP_AMBIENT.
private func controlAmbient(_ task: Task, _ mine: Credentials, _ args: SyscallArguments) throws(Errno) -> Int {
  let number = UInt64(UInt(bitPattern: args.a2))
  if args.a3 != 0 || args.a4 != 0 { throw .invalid }
  if args.a1 == Int(PR_CAP_AMBIENT_CLEAR_ALL) {
    if number != 0 { throw .invalid }
    try task.changeCredentials { (c) throws(Errno) in c.ambient = 0 }
    return 0
  }
  guard number <= UInt64(CAP_LAST_CAP) else { throw .invalid }
  let bit: UInt64 = 1 << number
  switch args.a1 {
  case Int(PR_CAP_AMBIENT_IS_SET): return mine.ambient & bit != 0 ? 1 : 0
  case Int(PR_CAP_AMBIENT_RAISE):
    if mine.permitted & mine.inheritable & bit == 0 || mine.secureBits & Secure.noAmbientRaise != 0 {
      throw .notPermitted
    }
    try task.changeCredentials { (c) throws(Errno) in c.ambient |= bit }
  case Int(PR_CAP_AMBIENT_LOWER): try task.changeCredentials { (c) throws(Errno) in c.ambient &= ~bit }
  default: throw .invalid
  }
  return 0
}

extension Task {
  /// Its comm: prctl(2), execve(2), /proc/PID/comm. At most 15 bytes count.
  public func setName(_ new: [UInt8]) {
    let name = new.count > 15 ? [UInt8](new[0..<15]) : new
    process.lock.withLock { _ in self.name = name }
  }
  /// The name of another task. Takes its process's lock.
  public func takeName() -> [UInt8] { process.lock.withLock { _ in name } }
}

extension Process {
  /// It and all below have an ancestor who takes orphans. Under `processTree`. The depth of the tree is bounded by the
  /// number of processes; the walk keeps no stack.
  func noteSubreaper() {
    var at: Borrowed<Process>? = Borrowed(self)
    while let here = at {
      var next: Borrowed<Process>?
      here.with { process in
        if !process.hasSubreaper {
          process.hasSubreaper = true
          next = process.children.first
        }
      }
      // Down where there are children, else along, else up.
      var up: Borrowed<Process>? = here
      while next == nil, let candidate = up, !(candidate == self) {
        next = candidate.with { $0.childNeighbours.next }
        if next == nil { up = candidate.with { $0.parent } }
      }
      at = next
    }
  }
}

/// Implements arch_prctl(2). GS belongs to the machine: ARCH_SET_GS is EINVAL and a line in the log.
func sysArchPrctl(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<UInt64> = args.pointer1()
  switch args.i0 {
  case ARCH_SET_FS: try task.setThreadPointer(UInt64(UInt(bitPattern: args.a1)))
  case ARCH_GET_FS: try pointer.copyOut(task.liveThreadPointer)
  case ARCH_GET_GS: try pointer.copyOut(0)
  case ARCH_SET_GS:
    Log.info("arch_prctl: ARCH_SET_GS: programs that use GS do not run here")
    throw .invalid
  case ARCH_GET_CPUID: return .value(1)
  case ARCH_SET_CPUID: if args.a1 == 0 { throw .noDevice }
  default: throw .invalid
  }
  return .value(0)
}

/// Implements personality(2).
func sysPersonality(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let new = UInt32(truncatingIfNeeded: args.a0), old = task.process.personality
  if new != 0xffff_ffff { task.process.personality = new }
  return .value(Int(old))
}
