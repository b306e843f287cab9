import CLinux
import Machine

/// What threads used, for getrusage(2), times(2) and SIGCHLD.
public struct ResourceUsage: Sendable {
  /// Nanoseconds.
  public var user: UInt64 = 0, system: UInt64 = 0
  public var minorFaults = 0, majorFaults = 0
  public var voluntarySwitches = 0, involuntarySwitches = 0
  /// KiB.
  public var maximumResident = 0
  public init() {}
  public mutating func add(_ other: ResourceUsage) {
    user &+= other.user
    system &+= other.system
    minorFaults &+= other.minorFaults
    majorFaults &+= other.majorFaults
    voluntarySwitches &+= other.voluntarySwitches
    involuntarySwitches &+= other.involuntarySwitches
    maximumResident = max(maximumResident, other.maximumResident)
  }
}

extension ResourceUsage {
  /// As getrusage(2) has it.
  var abi: linux_rusage {
    var result = linux_rusage()
    result.ru_utime.tv_sec = Int(user / 1_000_000_000)
    result.ru_utime.tv_usec = Int(user % 1_000_000_000 / 1000)
    result.ru_stime.tv_sec = Int(system / 1_000_000_000)
    result.ru_stime.tv_usec = Int(system % 1_000_000_000 / 1000)
    result.ru_maxrss = maximumResident
    result.ru_minflt = minorFaults
    result.ru_majflt = majorFaults
    result.ru_nvcsw = voluntarySwitches
    result.ru_nivcsw = involuntarySwitches
    return result
  }
}

extension Task {
  /// Remembers the largest resident size, for getrusage(2): never more than was mapped.
  func notePeak() {
    guard let space = addressSpace.borrowed, !isInterrupted(Interruption.lostSpace) else { return }
    let mapped = space.with { $0.peakKiB }
    let peak = min(HostUsage.peakResidentKiB, mapped)
    process.lock.withLock { $0.usage.maximumResident = max($0.usage.maximumResident, peak) }
  }

  /// What this thread used.
  func ownUsage() -> ResourceUsage {
    var usage = ResourceUsage()
    usage.user = cpuTime
    usage.voluntarySwitches = voluntarySwitches
    usage.involuntarySwitches = involuntarySwitches
    return usage
  }
}

extension AddressSpace {
  /// The most that was mapped at once.
  var peakKiB: Int { withoutChange { $0.peak &* 4 } }
}

extension Process {
  /// What its threads used, the gone ones and the living. Takes `lock`.
  func livingUsage() -> ResourceUsage {
    lock.withLock { threads in
      var sum = threads.usage
      threads.tasks.forEach { sum.add($0.ownUsage()) }
      return sum
    }
  }
  /// What its reaped children used. Takes `processTree`.
  func reapedUsage() -> ResourceUsage { withProcessTree { childUsage } }
}
