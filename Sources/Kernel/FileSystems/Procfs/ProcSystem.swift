import CBoot
import CLinux
import Machine
import Synchronization

// Files at the top of /proc that tell of the machine: proc(5).

enum ProcSystem {
  /// Ticks of sysconf(_SC_CLK_TCK): 100 a second.
  static func ticks(_ nanoseconds: UInt64) -> UInt64 { nanoseconds / 10_000_000 }
  static var uptime: UInt64 { Clock.monotonic() &- Clock.machineStart }

  static func uptimeText(_ text: inout TextBuilder) {
    let up = uptime
    text.add(seconds: up)
    text.space()
    var idle: UInt64 = 0
    for id in 0..<Scheduler.processorCount { idle &+= up &- min(ProcessorUse.of(id).busy, up) }
    text.add(seconds: idle)
    text.newline()
  }

  static func loadText(_ text: inout TextBuilder) {
    let counts = TaskCounts.now()
    let load = loadAverage.with { $0.update(counts.running) }
    for value in load {
      let rounded = value &+ 10  // FIXED_1 / 200
      text.add(rounded &>> 11)
      text.add(".")
      text.add(((rounded & 2047) &* 100) &>> 11, width: 2, padding: 48)
      text.space()
    }
    text.add(counts.running)
    text.add("/")
    text.add(counts.total)
    text.space()
    text.add(pids.with { $0.lastNumber })
    text.newline()
  }

  static func statText(_ text: inout TextBuilder) {
    let up = uptime
    var busy: UInt64 = 0, switches = 0, runnable = 0
    var lines = TextBuilder()
    for id in 0..<Scheduler.processorCount {
      let use = ProcessorUse.of(id)
      busy &+= use.busy
      switches &+= use.switches
      runnable &+= use.runnable
      lines.add("cpu")
      lines.add(id)
      cpuLine(&lines, use.busy, up, separator: " ")
    }
    text.add("cpu ")
    cpuLine(&text, busy, up &* UInt64(Scheduler.processorCount), separator: " ")
    text.add(lines.bytes)
    text.add("intr 0\nctxt ")
    text.add(switches)
    text.add("\nbtime ")
    text.add((Clock.realtime() &- up) / 1_000_000_000)
    text.add("\nprocesses ")
    text.add(processTree.with { $0.forks.load(ordering: .relaxed) })
    text.add("\nprocs_running ")
    text.add(max(runnable, 1))
    text.add("\nprocs_blocked ")
    text.add(TaskCounts.now().blocked)
    text.add("\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n")
  }
  private static func cpuLine(_ text: inout TextBuilder, _ busy: UInt64, _ up: UInt64, separator: StaticString) {
    text.add(separator)
    text.add(ticks(busy))  // Martlet does not tell system time from the guest's own
    text.add(" 0 0 ")
    text.add(ticks(up &- min(busy, up)))
    text.add(" 0 0 0 0 0 0\n")
  }

  private static func kilobytes(_ text: inout TextBuilder, _ name: StaticString, _ bytes: Int) {
    text.add(name.bytes, leftIn: 16)
    text.add(max(bytes, 0) / 1024, width: 8)
    text.add(" kB\n")
  }
  static func memoryText(_ text: inout TextBuilder) {
    let memory = MemoryUsage.current
    let free = memory.free
    kilobytes(&text, "MemTotal:", memory.total)
    kilobytes(&text, "MemFree:", free)
    kilobytes(&text, "MemAvailable:", free)
    kilobytes(&text, "Buffers:", 0)
    kilobytes(&text, "Cached:", memory.cached)
    kilobytes(&text, "SwapCached:", 0)
    kilobytes(&text, "Active:", memory.cached)
    kilobytes(&text, "Inactive:", 0)
    kilobytes(&text, "Unevictable:", 0)
    kilobytes(&text, "Mlocked:", 0)
    kilobytes(&text, "SwapTotal:", 0)
    kilobytes(&text, "SwapFree:", 0)
    kilobytes(&text, "Dirty:", 0)
    kilobytes(&text, "Writeback:", 0)
    kilobytes(&text, "AnonPages:", MemoryUsage.privateBytes)
    kilobytes(&text, "Mapped:", 0)
    kilobytes(&text, "Shmem:", memory.cached)
    kilobytes(&text, "KReclaimable:", 0)
    kilobytes(&text, "Slab:", memory.charged - memory.cached)
    kilobytes(&text, "SReclaimable:", 0)
    kilobytes(&text, "SUnreclaim:", memory.charged - memory.cached)
    kilobytes(&text, "KernelStack:", pids.with { $0.taskCount } * 32768)
    kilobytes(&text, "PageTables:", 0)
    kilobytes(&text, "CommitLimit:", memory.total)
    kilobytes(&text, "Committed_AS:", 0)
    text.add("VmallocTotal:   34359738367 kB\n")
    kilobytes(&text, "VmallocUsed:", 0)
    kilobytes(&text, "VmallocChunk:", 0)
    text.add("HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n")
    kilobytes(&text, "Hugepagesize:", 2 << 20)
    kilobytes(&text, "Hugetlb:", 0)
  }

  static func vmstatText(_ text: inout TextBuilder) {
    let memory = MemoryUsage.current
    func line(_ name: StaticString, _ value: Int) {
      text.add(name)
      text.space()
      text.add(max(value, 0))
      text.newline()
    }
    line("nr_free_pages", memory.free / 4096)
    line("nr_anon_pages", MemoryUsage.privateBytes / 4096)
    line("nr_file_pages", memory.cached / 4096)
    line("nr_shmem", memory.cached / 4096)
    line("nr_dirty", 0)
    line("nr_writeback", 0)
    line("pgpgin", 0)
    line("pgpgout", 0)
    line("pswpin", 0)
    line("pswpout", 0)
    line("pgfault", 0)
    line("pgmajfault", 0)
    line("oom_kill", OutOfMemory.kills)
  }

  static func versionText(_ text: inout TextBuilder) {
    text.add(SystemNames.system)
    text.add(" version ")
    text.add(SystemNames.release)
    text.add(" (martlet@martlet) (Swift) ")
    text.add(SystemNames.version)
    text.newline()
  }

  static func commandLineText(_ text: inout TextBuilder) {
    text.add("mem=")
    text.add(MemoryUsage.current.total >> 20)
    text.add(bootBlock.has(MARTLET_MMU_NONE) ? "m mmu=none" : "m mmu=host")
    text.add(bootBlock.has(MARTLET_NO_ASLR) ? " norandmaps hook=" : " hook=")
    text.add(Hook.ofMachine.name)
    text.newline()
  }

  static func fileSystemsText(_ text: inout TextBuilder) {
    for type in FileSystemTypes.all {
      text.add(type.needsDevice ? "" : "nodev")
      text.tab()
      text.add(type.name)
      text.newline()
    }
  }

  static func devicesText(_ text: inout TextBuilder) {
    text.add("Character devices:\n")
    var seen: [(UInt32, StaticString)] = []
    for device in characterDevices.with({ $0.all }) {
      if seen.contains(where: { $0.0 == device.major }) { continue }
      seen.append((device.major, device.name))
      text.add(Int(device.major), width: 3)
      text.space()
      text.add(device.name)
      text.newline()
    }
    text.add("\nBlock devices:\n")
  }

  static func processorsText(_ text: inout TextBuilder) {
    let cpu = ProcessorInformation.read()
    let count = Scheduler.processorCount
    func line(_ name: StaticString, _ value: UInt32) {
      text.add(name)
      text.add(value)
      text.newline()
    }
    for id in 0..<count {
      text.add("processor\t: ")
      text.add(id)
      text.add("\nvendor_id\t: ")
      text.add(cpu.vendor)
      line("\ncpu family\t: ", cpu.family)
      line("model\t\t: ", cpu.modelNumber)
      text.add("model name\t: ")
      text.add(cpu.model)
      line("\nstepping\t: ", cpu.stepping)
      text.add("cpu MHz\t\t: ")
      text.add(cpu.megahertz)
      text.add(".000\n")
      text.add("physical id\t: 0\nsiblings\t: ")
      text.add(count)
      text.add("\ncore id\t\t: ")
      text.add(id)
      text.add("\ncpu cores\t: ")
      text.add(count)
      text.add("\napicid\t\t: ")
      text.add(id)
      text.add("\ninitial apicid\t: ")
      text.add(id)
      text.add("\nfpu\t\t: yes\nfpu_exception\t: yes\n")
      line("cpuid level\t: ", cpu.maximumLeaf)
      text.add("wp\t\t: yes\nflags\t\t:")
      for flag in cpu.flags {
        text.space()
        text.add(flag)
      }
      text.add("\nbugs\t\t:\nbogomips\t: ")
      text.add(cpu.megahertz &* 2)
      line(".00\nclflush size\t: ", cpu.cacheLine)
      line("cache_alignment\t: ", cpu.cacheLine)
      text.add("address sizes\t: ")
      text.add(cpu.physicalBits)
      text.add(" bits physical, ")
      text.add(cpu.virtualBits)
      text.add(" bits virtual\npower management:\n\n")
    }
  }
}

/// How many threads there are, and what they do.
struct TaskCounts {
  var total = 0, running = 0, blocked = 0

  static func now() -> TaskCounts {
    var result = TaskCounts()
    var at = Processes.next(from: 1)
    while let process = at {
      process.lock.withLock { threads in
        threads.tasks.forEach { task in
          result.total += 1
          switch task.state {
          case .uninterruptible where process.id == 1: break
          case .running: result.running += 1
          case .killable, .uninterruptible: result.blocked += 1
          default: break
          }
        }
      }
      at = Processes.next(from: process.id + 1)
    }
    return result
  }
}

/// The averages of getloadavg(3), in units of 1/2048. There is no timer behind them: who asks brings them up to date, as if
/// what runs now had run since the last time (docs: differs from Linux, which samples every five seconds).
final class LoadAverage {
  private struct State {
    var values: InlineArray<3, UInt64> = InlineArray(repeating: 0)
    var last: UInt64
  }
  private let state: SpinLock<State>
  private static var period: UInt64 { 5_000_000_000 }

  init() { state = SpinLock(State(last: Clock.monotonic()), rank: .leaf) }

  func update(_ running: Int) -> [UInt64] {
    let now = Clock.monotonic()
    return state.withLock { state in
      var steps = (now &- state.last) / Self.period
      state.last &+= steps &* Self.period
      steps = min(steps, 720)  // an hour: by then only what is now counts
      let active = UInt64(max(running, 0)) &<< 11
      let decays: InlineArray<3, UInt64> = [1884, 2014, 2037]
      while steps > 0 {
        for i in 0..<3 {
          let sum = state.values[i] &* decays[i] &+ active &* (2048 &- decays[i])
          state.values[i] = (sum &+ (active >= state.values[i] ? 2047 : 0)) &>> 11
        }
        steps &-= 1
      }
      return [state.values[0], state.values[1], state.values[2]]
    }
  }
}
let loadAverage = KernelGlobal<LoadAverage>()
