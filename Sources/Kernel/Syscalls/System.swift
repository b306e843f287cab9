import CBoot
import CLinux
import Machine

// The system as a whole: its names, its state, its log, its end.

/// Names of the system: uname(2).
public final class SystemNames {
  private struct State {
    var host: [UInt8]
    var domain: [UInt8]
  }
  private let state: SpinLock<State>

  /// The host name is what the tool says, "martlet" where it says nothing.
  public init(host: [UInt8]) {
    let name = host.isEmpty ? ("martlet" as StaticString).bytes : [UInt8](host.prefix(64))
    state = SpinLock(State(host: name, domain: ("(none)" as StaticString).bytes), rank: .leaf)
  }
  public var host: [UInt8] {
    get { state.withLock { $0.host } }
    set { state.withLock { $0.host = newValue } }
  }
  public var domain: [UInt8] {
    get { state.withLock { $0.domain } }
    set { state.withLock { $0.domain = newValue } }
  }
  public static var system: StaticString { "Linux" }
  public static var release: StaticString { "6.12.0-martlet" }
  public static var version: StaticString { "#1 SMP PREEMPT_DYNAMIC Martlet" }
}

/// Set at boot.
public let systemNames = KernelGlobal<SystemNames>()

/// Implements uname(2).
func sysUname(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var result: [UInt8] = []
  result.reserveCapacity(390)
  let machine: StaticString = task.process.personality & 0xff == 8 ? "i686" : "x86_64"  // PER_LINUX32
  let (host, domain) = systemNames.with { ($0.host, $0.domain) }
  for field in [
    SystemNames.system.bytes, host, SystemNames.release.bytes, SystemNames.version.bytes, machine.bytes, domain,
  ] {
    result.append(contentsOf: field)
    for _ in field.count..<65 { result.append(0) }
  }
  let pointer: UserPointer<UInt8> = args.pointer0()
  try pointer.copyOut(result)
  return .value(0)
}

private func copyInSystemName(_ task: Task, _ args: SyscallArguments) throws(Errno) -> [UInt8] {
  if !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) { throw .notPermitted }
  guard args.i1 >= 0, args.i1 <= 64 else { throw .invalid }
  let pointer: UserPointer<UInt8> = args.pointer0()
  let bytes = try pointer.copyIn(count: Int(args.i1))
  return [UInt8](bytes.prefix(while: { $0 != 0 }))
}
/// Implements sethostname(2).
func sysSethostname(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let name = try copyInSystemName(task, args)
  systemNames.with { $0.host = name }
  return .value(0)
}
/// Implements setdomainname(2).
func sysSetdomainname(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let name = try copyInSystemName(task, args)
  systemNames.with { $0.domain = name }
  return .value(0)
}

/// Implements sysinfo(2).
func sysSysinfo(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  var information = linux_sysinfo()
  let memory = MemoryUsage.current
  information.uptime = Int((Clock.monotonic() &- Clock.machineStart) / 1_000_000_000)
  information.totalram = UInt(memory.total)
  information.freeram = UInt(memory.free)
  information.bufferram = 0
  information.procs = UInt16(truncatingIfNeeded: pids.with { $0.taskCount })
  information.mem_unit = 1
  let pointer: UserPointer<linux_sysinfo> = args.pointer0()
  try pointer.copyOut(information)
  return .value(0)
}

// MARK: the log

/// syslog(2)'s own state: where READ and CLEAR left off, in bytes since boot.
public final class LogReader {
  fileprivate let state = SpinLock((read: 0, cleared: 0), rank: .leaf)
  fileprivate let queue = WaitQueue()
  public init() {}
}
public let logReader = KernelGlobal<LogReader>()

/// Implements syslog(2), klogctl(3): what dmesg reads.
func sysSyslog(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let type = args.i0, count = Int(args.i2)
  let pointer: UserPointer<UInt8> = args.pointer1()
  // As with dmesg_restrict off: anyone may read all, and ask for the size.
  if type != 3 && type != 10 && !task.credentials.borrowed.with({ $0.has(CAP_SYSLOG) || $0.has(CAP_SYS_ADMIN) }) {
    throw .notPermitted
  }
  switch type {
  case 0, 1: return .value(0)
  case 2: return .value(try readLog(pointer, count))
  case 3, 4:
    guard !pointer.isNull, count >= 0 else { throw .invalid }
    let end = Log.end
    let start = max(logReader.with { $0.state.withLock { $0.cleared } }, end - count, Log.start)
    let bytes = wholeLines(Log.bytes(from: start, limit: end - start), isCut: start > 0)
    try pointer.copyOut(bytes)
    if type == 4 { logReader.with { $0.state.withLock { $0.cleared = end } } }
    return .value(bytes.count)
  case 5:
    let end = Log.end
    logReader.with { $0.state.withLock { $0.cleared = end } }
  case 6: Log.level = 1
  case 7: Log.level = 4
  case 8:
    guard count >= 1, count <= 8 else { throw .invalid }
    Log.level = UInt32(count) - 1
  case 9: return .value(logReader.with { $0.state.withLock { max(Log.end - max($0.read, Log.start), 0) } })
  case 10: return .value(Log.capacity)
  default: throw .invalid
  }
  return .value(0)
}

/// SYSLOG_ACTION_READ: waits for bytes that were not read so before. The log wakes nobody: it is looked at twice a second.
private func readLog(_ pointer: UserPointer<UInt8>, _ count: Int) throws(Errno) -> Int {
  guard !pointer.isNull, count >= 0 else { throw .invalid }
  if count == 0 { return 0 }
  while true {
    let (from, bytes) = logReader.with { reader -> (Int, [UInt8]) in
      let from = max(reader.state.withLock { $0.read }, Log.start)
      return (from, Log.bytes(from: from, limit: min(count, Log.capacity)))
    }
    if !bytes.isEmpty {
      try pointer.copyOut(bytes)
      logReader.with { $0.state.withLock { $0.read = from + bytes.count } }
      return bytes.count
    }
    do throws(Errno) {
      try logReader.borrowed.with { (reader) throws(Errno) in
        try reader.queue.wait(until: .after(nanoseconds: 500_000_000)) { Log.end > from }
      }
    } catch {
      if error != .timedOut { throw error }
    }
  }
}

/// Drops a first line that was cut.
private func wholeLines(_ bytes: [UInt8], isCut: Bool) -> [UInt8] {
  guard isCut, bytes.first != 60, let end = bytes.firstIndex(of: 10) else { return bytes }
  return [UInt8](bytes[(end + 1)...])
}

// MARK: the end

/// Implements reboot(2): whatever ends Linux ends the machine, with status 0.
func sysReboot(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  if !task.credentials.borrowed.with({ $0.has(CAP_SYS_BOOT) }) { throw .notPermitted }
  guard UInt32(bitPattern: args.i0) == 0xfee1_dead else { throw .invalid }
  switch UInt32(bitPattern: args.i1) {
  case 672_274_793, 85_072_278, 369_367_448, 537_993_216: break
  default: throw .invalid
  }
  switch UInt32(truncatingIfNeeded: args.a2) {
  case 0: return .value(0)  // Ctrl-Alt-Del is off, as there is none
  case 0x0123_4567, 0xcdef_0123, 0x4321_fedc, 0xa1b2_c3d4:
    Log.notice("reboot: power down")
    powerOff(0)
    let never = Completion()
    while true { try? never.wait(.uninterruptible) }
  default: throw .invalid
  }
}

// MARK: namespaces

/// Implements unshare(2) for what is not a namespace.
func sysUnshare(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt64(UInt(bitPattern: args.a0))
  let namespaces =
    UInt64(CLONE_NEWNS) | UInt64(CLONE_NEWCGROUP) | UInt64(CLONE_NEWUTS) | UInt64(CLONE_NEWIPC) | UInt64(CLONE_NEWUSER)
    | UInt64(CLONE_NEWPID) | UInt64(CLONE_NEWNET) | UInt64(CLONE_NEWTIME)
  let alone = UInt64(CLONE_THREAD) | UInt64(CLONE_SIGHAND) | UInt64(CLONE_VM)
  let parts = UInt64(CLONE_FS) | UInt64(CLONE_FILES) | UInt64(CLONE_SYSVSEM)
  if flags & ~(namespaces | alone | parts) != 0 { throw .invalid }
  if flags & alone != 0 {
    if task.process.lock.withLock({ $0.tasks.count > 1 }) { throw .invalid }
    if flags & UInt64(CLONE_VM) != 0, task.addressSpace.borrowed.map({ $0.with { $0.userCount > 1 } }) == true {
      throw .invalid
    }
  }
  if flags & namespaces != 0 {
    if flags & UInt64(CLONE_NEWUSER) == 0 && !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) {
      throw .notPermitted
    }
    Log.info("unshare: namespaces are not implemented (flags \(String(flags, radix: 16)))")
    throw .invalid
  }
  if flags & UInt64(CLONE_FILES) != 0 { task.unshareFiles() }
  if flags & UInt64(CLONE_FS) != 0, let context = task.fileSystem.borrowed {
    task.setFileSystem(context.with { FileSystemContext(copying: $0) })
  }
  return .value(0)
}

extension Task {
  /// A descriptor table of its own: unshare(2), close_range(2), and execve(2).
  public func unshareFiles() {
    guard let shared = files.borrowed?.object, shared.users > 1 else { return }
    setFiles(shared.copy())
    shared.leave(self)
  }
}

/// Implements setns(2): no descriptor is a namespace's.
func sysSetns(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard let files = task.files.borrowed, files.with({ $0.file(Int(args.i0)) }) != nil else { throw .badDescriptor }
  throw .invalid
}
