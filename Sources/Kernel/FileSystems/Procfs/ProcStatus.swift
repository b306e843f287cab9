import CLinux
import Machine
import Synchronization

/// /proc/PID/stat, statm, status, limits and other small ones: proc(5).
enum ProcStatus {
  // MARK: small ones

  static func name(_ view: ProcView, _ text: inout TextBuilder) {
    text.add(view.name)
    text.newline()
  }
  /// Errors: EINVAL where another process writes.
  static func setName(_ view: ProcView, _ bytes: [UInt8]) throws(Errno) {
    guard let task = view.task, Task.withCurrentTask({ (reader: Task) in reader.process === view.process }) else {
      throw .invalid
    }
    let name = [UInt8](bytes.prefix(15).prefix(while: { $0 != 0 && $0 != 10 }))
    task.name = name
    if task.isLeader { view.process.name = name }
  }
  static func personality(_ view: ProcView, _ text: inout TextBuilder) {
    text.add(hex: UInt64(view.process.personality), width: 8)
    text.newline()
  }
  static func killPriority(_ view: ProcView, _ text: inout TextBuilder) {
    text.add(view.process.killPriority)
    text.newline()
  }
  /// Errors: EINVAL, EACCES for less than it is without CAP_SYS_RESOURCE.
  static func setKillPriority(_ view: ProcView, _ bytes: [UInt8]) throws(Errno) {
    let value = try parseWritten(bytes)
    guard value >= -1000, value <= 1000 else { throw .invalid }
    let isPrivileged = Task.withCurrentTask { (task: Task) in
      task.credentials.borrowed.with { $0.has(CAP_SYS_RESOURCE) }
    }
    guard value >= Int(view.process.killPriority) || isPrivileged else { throw .access }
    view.process.killPriority = Int32(value)
  }
  /// oom_score: 0…2000.
  static func killScore(_ view: ProcView, _ text: inout TextBuilder) {
    let pages = max(MemoryUsage.current.total >> 12, 1)
    text.add(OutOfMemory.badness(view.process).map { max(0, (1000 + $0 * 1000 / pages) * 2 / 3) } ?? 0)
    text.newline()
  }
  static func inputOutput(_ view: ProcView, _ text: inout TextBuilder) {
    text.add("rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n")
  }

  // MARK: memory

  struct Memory {
    var totals = AreaTotals()
    var peak = 0
    var residentPeak = 0
    var resident = 0, residentAnonymous = 0, residentFile = 0, residentShared = 0
  }
  static func memory(of view: ProcView) -> Memory? {
    guard let space = view.task?.takeAddressSpace() else { return nil }
    space.look()
    var result = Memory()
    result.residentAnonymous = space.residency.anonymous.load(ordering: .relaxed)
    result.residentFile = space.residency.hostFiles.load(ordering: .relaxed)
    space.state.withLock { state in
      result.totals = state.areas.totals
      result.peak = max(state.peak, state.areas.totals.total)
      state.areas.tree.forEach { area in
        if area.isPresentUnknown { return }
        if area.mapping?.file == nil {
          result.residentShared += area.filled.count
        } else {
          result.residentFile += area.filled.count
        }
      }
    }
    result.resident = result.residentAnonymous + result.residentFile + result.residentShared
    result.residentPeak = max(space.residency.peak.load(ordering: .relaxed), result.resident)
    return result
  }
  static func memory(_ view: ProcView, _ text: inout TextBuilder) {
    let memory = memory(of: view) ?? Memory()
    for value in [
      memory.totals.total, memory.resident, memory.residentFile + memory.residentShared, memory.totals.text, 0,
      memory.totals.data + memory.totals.stack,
    ] {
      text.add(value)
      text.space()
    }
    text.add("0\n")
  }

  // MARK: limits

  static func limits(_ view: ProcView, _ text: inout TextBuilder) {
    let rows: [(Int32, StaticString, StaticString)] = [
      (RLIMIT_CPU, "Max cpu time", "seconds"), (RLIMIT_FSIZE, "Max file size", "bytes"),
      (RLIMIT_DATA, "Max data size", "bytes"), (RLIMIT_STACK, "Max stack size", "bytes"),
      (RLIMIT_CORE, "Max core file size", "bytes"), (RLIMIT_RSS, "Max resident set", "bytes"),
      (RLIMIT_NPROC, "Max processes", "processes"), (RLIMIT_NOFILE, "Max open files", "files"),
      (RLIMIT_MEMLOCK, "Max locked memory", "bytes"), (RLIMIT_AS, "Max address space", "bytes"),
      (RLIMIT_LOCKS, "Max file locks", "locks"), (RLIMIT_SIGPENDING, "Max pending signals", "signals"),
      (RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"), (RLIMIT_NICE, "Max nice priority", ""),
      (RLIMIT_RTPRIO, "Max realtime priority", ""), (RLIMIT_RTTIME, "Max realtime timeout", "us"),
    ]
    text.add("Limit                     Soft Limit           Hard Limit           Units     \n")
    for (resource, name, unit) in rows {
      let limit = view.process.limits[resource]
      text.add(name.bytes, leftIn: 26)
      for value in [limit.soft, limit.hard] {
        var number = TextBuilder()
        if value == .max { number.add("unlimited") } else { number.add(value) }
        text.add(number.bytes, leftIn: 21)
      }
      if unit.utf8CodeUnitCount > 0 { text.add(unit.bytes, leftIn: 10) }
      text.newline()
    }
  }

  // MARK: stat

  static func stat(_ view: ProcView, _ text: inout TextBuilder) {
    let process = view.process
    let task = view.task
    let usage = view.usage
    let reaped = process.reapedUsage()
    let session = process.session
    let terminal = session.terminal
    let memory = memory(of: view)
    let signals = ProcSignals(view)
    let isOpen = view.isOpenToReader
    let space = isOpen ? task?.takeAddressSpace() : nil

    text.add(view.isThread ? task?.id ?? process.id : process.id)
    text.add(" (")
    text.add(escaped: view.name, also: [10, 92])
    text.add(") ")
    text.add(byte: view.state.letter)
    func number(_ value: Int) {
      text.space()
      text.add(value)
    }
    func unsigned(_ value: UInt64) {
      text.space()
      text.add(value)
    }
    number(process.parentID)
    number(process.group.id)
    number(session.id)
    number(terminal.map { Int($0.device) } ?? 0)
    number(terminal.map { t in t.state.withLock { $0.foreground?.id ?? -1 } } ?? -1)
    number(process.hasExecuted ? 0x40_0000 : 0x40_0040)  // PF_RANDOMIZE, PF_FORKNOEXEC
    number(usage.minorFaults)
    number(reaped.minorFaults)
    number(usage.majorFaults)
    number(reaped.majorFaults)
    unsigned(ProcSystem.ticks(usage.user))
    unsigned(ProcSystem.ticks(usage.system))
    unsigned(ProcSystem.ticks(reaped.user))
    unsigned(ProcSystem.ticks(reaped.system))
    number(20 + (task?.nice ?? 0))
    number(task?.nice ?? 0)
    number(view.threadCount)
    number(0)
    unsigned(ProcSystem.ticks(process.startTime &- min(process.startTime, Clock.machineStart)))
    number((memory?.totals.total ?? 0) * 4096)
    number(memory?.resident ?? 0)
    unsigned(process.limits[RLIMIT_RSS].soft)
    unsigned(UInt64(space?.codeRange.lowerBound ?? 0))
    unsigned(UInt64(space?.codeRange.upperBound ?? 0))
    unsigned(UInt64(space?.stackStart ?? 0))
    unsigned(0)
    unsigned(0)
    unsigned(signals.pending.bits & 0x7fff_ffff)
    unsigned(signals.blocked.bits & 0x7fff_ffff)
    unsigned(signals.ignored.bits & 0x7fff_ffff)
    unsigned(signals.caught.bits & 0x7fff_ffff)
    number(0)
    number(0)
    number(0)
    number(Int(process.exitSignal))
    number(task?.lastProcessor ?? 0)
    number(0)
    number(Int(task?.policy ?? 0))
    number(0)
    number(0)
    number(0)
    unsigned(UInt64(space?.dataRange.lowerBound ?? 0))
    unsigned(UInt64(space?.dataRange.upperBound ?? 0))
    unsigned(UInt64(space.map { s in s.state.withLock { $0.breakStart } } ?? 0))
    unsigned(UInt64(space?.commandLine.lowerBound ?? 0))
    unsigned(UInt64(space?.commandLine.upperBound ?? 0))
    unsigned(UInt64(space?.environment.lowerBound ?? 0))
    unsigned(UInt64(space?.environment.upperBound ?? 0))
    number(isOpen && task == nil ? Int(process.waitStatus) : 0)
    text.newline()
  }

  // MARK: status

  static func status(_ view: ProcView, _ text: inout TextBuilder) {
    let process = view.process
    let task = view.task
    func line(_ name: StaticString, _ value: Int) {
      text.add(name)
      text.add(value)
      text.newline()
    }
    text.add("Name:\t")
    text.add(escaped: view.name, also: [10, 92])
    text.newline()
    if let context = task?.takeFileSystem() {
      text.add("Umask:\t")
      text.add(octal: context.umask, width: 4)
      text.newline()
    }
    text.add("State:\t")
    text.add(byte: view.state.letter)
    text.add(" (")
    text.add(view.state.name)
    text.add(")\n")
    let id = view.isThread ? task?.id ?? process.id : process.id
    let group = process.group.id, session = process.session.id
    line("Tgid:\t", process.id)
    text.add("Ngid:\t0\n")
    line("Pid:\t", id)
    line("PPid:\t", process.parentID)
    text.add("TracerPid:\t0\n")
    credentials(view, &text)
    line("NStgid:\t", process.id)
    line("NSpid:\t", id)
    line("NSpgid:\t", group)
    line("NSsid:\t", session)
    text.add("Kthread:\t0\n")
    if let memory = memory(of: view) { memoryLines(memory, &text) }
    text.add("CoreDumping:\t0\nTHP_enabled:\t0\n")
    line("Threads:\t", view.threadCount)
    ProcSignals(view).write(process.limits[RLIMIT_SIGPENDING].soft, &text)
    capabilities(view, &text)
    processors(view, &text)
    let usage = view.usage
    line("voluntary_ctxt_switches:\t", usage.voluntarySwitches)
    line("nonvoluntary_ctxt_switches:\t", usage.involuntarySwitches)
  }

  private static func credentials(_ view: ProcView, _ text: inout TextBuilder) {
    let c = view.task?.takeCredentials()
    for (name, ids) in [
      ("Uid:" as StaticString, [c?.uid ?? 0, c?.euid ?? 0, c?.suid ?? 0, c?.fsuid ?? 0]),
      ("Gid:", [c?.gid ?? 0, c?.egid ?? 0, c?.sgid ?? 0, c?.fsgid ?? 0]),
    ] {
      text.add(name)
      for id in ids {
        text.tab()
        text.add(id)
      }
      text.newline()
    }
    text.add("FDSize:\t")
    text.add(view.task?.takeFiles()?.size ?? 0)
    text.add("\nGroups:\t")
    for group in c?.groups ?? [] {
      text.add(group)
      text.space()
    }
    text.newline()
  }

  private static func memoryLines(_ memory: Memory, _ text: inout TextBuilder) {
    func line(_ name: StaticString, _ pages: Int) {
      text.add(name)
      text.add(pages * 4, width: 8)
      text.add(" kB\n")
    }
    line("VmPeak:\t", memory.peak)
    line("VmSize:\t", memory.totals.total)
    line("VmLck:\t", memory.totals.locked)
    line("VmPin:\t", 0)
    line("VmHWM:\t", memory.residentPeak)
    line("VmRSS:\t", memory.resident)
    line("RssAnon:\t", memory.residentAnonymous)
    line("RssFile:\t", memory.residentFile)
    line("RssShmem:\t", memory.residentShared)
    line("VmData:\t", memory.totals.data)
    line("VmStk:\t", memory.totals.stack)
    line("VmExe:\t", memory.totals.text)
    line("VmLib:\t", 0)
    line("VmPTE:\t", 0)
    line("VmSwap:\t", 0)
    line("HugetlbPages:\t", 0)
  }

  private static func capabilities(_ view: ProcView, _ text: inout TextBuilder) {
    let c = view.task?.takeCredentials()
    for (name, bits) in [
      ("CapInh:\t" as StaticString, c?.inheritable ?? 0), ("CapPrm:\t", c?.permitted ?? 0),
      ("CapEff:\t", c?.effective ?? 0), ("CapBnd:\t", c?.bounding ?? 0), ("CapAmb:\t", c?.ambient ?? 0),
    ] {
      text.add(name)
      text.add(hex: bits, width: 16)
      text.newline()
    }
    text.add("NoNewPrivs:\t")
    text.add(c?.noNewPrivileges == true ? 1 : 0)
    text.add("\nSeccomp:\t0\nSeccomp_filters:\t0\n")
  }

  private static func processors(_ view: ProcView, _ text: inout TextBuilder) {
    let count = Scheduler.processorCount
    let all = count >= 64 ? UInt64.max : 1 << UInt64(count) - 1
    let allowed = (view.task?.affinity ?? all) & all
    text.add("Cpus_allowed:\t")
    text.add(hex: allowed, width: (count + 3) / 4)
    text.add("\nCpus_allowed_list:\t")
    text.add(list: allowed, below: count)
    text.add("\nMems_allowed:\t1\nMems_allowed_list:\t0\n")
  }
}

/// The signal sets of a process or thread.
struct ProcSignals {
  var pending = SignalSet(), shared = SignalSet(), blocked = SignalSet(), ignored = SignalSet(), caught = SignalSet()

  init(_ view: ProcView) {
    let signals = view.process.signals
    let task = view.task
    var own = SignalSet(), all = SignalSet(), mask = SignalSet()
    signals.state.withLock { state in
      all = state.pending.set
      if let task {
        own = task.signals.pending.set
        mask = task.signals.mask
      }
    }
    pending = own
    shared = all
    blocked = mask
    if task != nil {
      signals.actions.with { actions in
        ignored = actions.ignoredSet
        caught = actions.handledSet
      }
    }
  }
  func write(_ limit: UInt64, _ text: inout TextBuilder) {
    text.add("SigQ:\t0/")
    text.add(limit)
    for (name, set) in [
      ("\nSigPnd:\t" as StaticString, pending), ("\nShdPnd:\t", shared), ("\nSigBlk:\t", blocked),
      ("\nSigIgn:\t", ignored), ("\nSigCgt:\t", caught),
    ] {
      text.add(name)
      text.add(hex: set.bits, width: 16)
    }
    text.newline()
  }
}
