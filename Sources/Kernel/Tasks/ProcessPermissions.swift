import CLinux
import Machine

extension Task {
  /// Whether this task may look into `other` (ptrace_may_access with PTRACE_MODE_READ_REALCREDS): the same user in all
  /// ids and a process that is dumpable, or CAP_SYS_PTRACE.
  public func mayInspect(_ other: Task) -> Bool {
    if other.process === process { return true }
    let its = other.takeCredentials()
    return credentials.borrowed.with { mine in
      if mine.has(CAP_SYS_PTRACE) { return true }
      let isSame =
        mine.uid == its.euid && mine.uid == its.suid && mine.uid == its.uid && mine.gid == its.egid
        && mine.gid == its.sgid
        && mine.gid == its.gid
      return isSame && other.process.dumpable == 1 && its.permitted & ~mine.permitted == 0
    }
  }
  /// Whether the caller's effective user is the real or effective one of `other`, or it has CAP_SYS_NICE: what
  /// sched_setaffinity(2), setpriority(2) and ioprio_set(2) ask for.
  func maySchedule(_ other: Task) -> Bool {
    let its = other.takeCredentials()
    return credentials.borrowed.with { $0.euid == its.uid || $0.euid == its.euid || $0.has(CAP_SYS_NICE) }
  }
}
