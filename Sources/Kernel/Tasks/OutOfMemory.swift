import CLinux
import Machine
import Synchronization

/// Ends a process when kernel memory and what processes have of their own exceed `mem=` (Linux's OOM killer). Private
/// memory is the host's and known only by looks, so the bound is soft: what is over it lives on until the next one.
enum OutOfMemory {
  /// Processes killed: /proc/vmstat.
  static var kills: Int { killCount.load(ordering: .relaxed) }

  /// Linux's oom_badness(): present pages, moved by a thousandth of all memory for each point of oom_score_adj. Nil: never
  /// to be killed.
  static func badness(_ process: Process) -> Int? {
    guard !process.isInit, process.killPriority != -1000, let space = process.anyTask?.takeAddressSpace() else {
      return nil
    }
    let pages = space.residency.anonymous.load(ordering: .relaxed)
    return pages &+ Int(process.killPriority) &* (MemoryUsage.current.total &>> 12) / 1000
  }

  /// After a look at the caller's memory: is it too much?
  static func check(_ task: Task) {
    let usage = MemoryUsage.current
    if usage.charged &+ MemoryUsage.privateBytes <= usage.total { return }
    // One at a time: the last victim's memory may not be free yet.
    if let last = Processes.find(lastVictim.load(ordering: .relaxed)), last.anyTask?.takeAddressSpace() != nil {
      return
    }
    guard let victim = worst() else { return }
    lastVictim.store(victim.id, ordering: .relaxed)
    killCount.add(1, ordering: .relaxed)
    report(victim, task)
    sendKernelSignal(SIGKILL, to: victim)
  }

  private static func worst() -> Process? {
    var found: Process?
    var most = Int.min
    var id = 1
    while let process = Processes.next(from: id) {
      id = process.id + 1
      guard let points = badness(process), points > most else { continue }
      found = process
      most = points
    }
    return found
  }

  private static func report(_ victim: Process, _ task: Task) {
    func text(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }
    Log.warning("\(text(task.name)) invoked oom-killer: order=0, oom_score_adj=\(task.process.killPriority)")
    guard let space = victim.anyTask?.takeAddressSpace() else { return }
    let total = space.withoutChange { $0.areas.totals.total } &* 4
    let anonymous = space.residency.anonymous.load(ordering: .relaxed) &* 4
    let files = space.residency.hostFiles.load(ordering: .relaxed) &* 4
    let user = victim.anyTask?.takeCredentials().uid ?? 0
    Log.error(
      "Out of memory: Killed process \(victim.id) (\(text(victim.anyTask?.name ?? victim.name))) total-vm:\(total)kB, "
        + "anon-rss:\(anonymous)kB, file-rss:\(files)kB, shmem-rss:0kB, UID:\(user) pgtables:0kB "
        + "oom_score_adj:\(victim.killPriority)")
  }
}
private let killCount = Atomic<Int>(0)
private let lastVictim = Atomic<Int>(0)

extension Task {
  /// Once a second, on the way out to the guest.
  func lookAtMemory() {
    let second = MemorySampling.second
    guard let space = addressSpace.borrowed, !isInterrupted(Interruption.lostSpace) else { return }
    // One look for all its threads.
    if space.with({ $0.residency.second.exchange(second, ordering: .relaxed) }) == second { return }
    space.with { $0.sample() }
    OutOfMemory.check(self)
  }
}
