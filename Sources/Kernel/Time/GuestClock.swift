import CLinux
import Machine

/// A clock as clock_gettime(2) names it: one of the host's, or the processor time of a process or a thread.
enum GuestClock {
  case host(Int32)
  case process(Process)
  case thread(Task)

  /// The clock `id`, as `task` may name it. Errors: EINVAL.
  init(_ id: Int32, for task: Task) throws(Errno) {
    switch id {
    case CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
      CLOCK_BOOTTIME, CLOCK_TAI:
      self = .host(id)
    case CLOCK_REALTIME_ALARM: self = .host(CLOCK_REALTIME)
    case CLOCK_BOOTTIME_ALARM: self = .host(CLOCK_BOOTTIME)
    case CLOCK_PROCESS_CPUTIME_ID: self = .process(task.process)
    case CLOCK_THREAD_CPUTIME_ID: self = .thread(task)
    default:
      // ~pid in the upper bits, then 4 for a thread, then which time: clock_getcpuclockid(3). 3 would be a descriptor.
      guard id < 0, id & 3 != 3 else { throw .invalid }
      let pid = Int(~(id &>> 3))
      if id & 4 != 0 {
        guard let found = pid == 0 ? task : Processes.findTask(pid), found.process === task.process else {
          throw .invalid
        }
        self = .thread(found)
      } else {
        guard let found = pid == 0 ? task.process : Processes.find(pid) else { throw .invalid }
        self = .process(found)
      }
    }
  }

  var now: UInt64 {
    switch self {
    case .host(let id): Clock.read(id)
    case .process(let process): process.cpuTime
    case .thread(let task): task.cpuTime
    }
  }

  /// Its resolution in nanoseconds.
  var resolution: UInt64 {
    if case .host(let id) = self, id == CLOCK_REALTIME_COARSE || id == CLOCK_MONOTONIC_COARSE { return 4_000_000 }
    return 1
  }

  /// Whether one can sleep on it and make timers for it.
  var hasTimers: Bool {
    guard case .host(let id) = self else { return true }
    return id == CLOCK_REALTIME || id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME || id == CLOCK_TAI
  }
}

extension Process {
  /// Processor time of all its threads, the gone ones too, in nanoseconds. Takes `lock` and the scheduler's.
  var cpuTime: UInt64 {
    let usage = livingUsage()
    return usage.user &+ usage.system
  }
}
