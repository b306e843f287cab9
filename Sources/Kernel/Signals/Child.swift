import CLinux
import Machine

/// Tells `parent` of a child: `code` is CLD_…, `status` what that says. Under `processTree`; takes `process` and `signals`.
func sendChildSignal(_ signal: Int32, code: Int32, status: Int32, of child: Process, to parent: Process) {
  let isZombie = child.state != .running
  let usage = isZombie ? child.usage : child.livingUsage()
  let uid = isZombie ? child.exitUser : child.anyTask.map { $0.takeCredentials().uid } ?? 0
  var info = SignalInfo.child(
    code: code, pid: child.id, uid: uid, status: status, userTime: clockTicks(usage.user),
    systemTime: clockTicks(usage.system))
  info.signal = signal
  if signal >= Signal.firstRealtime {
    try? sendSignal(info, to: parent)
  } else {
    parent.post(info, isForced: true)
  }
}

/// Nanoseconds as clock_t: hundredths of a second (USER_HZ).
func clockTicks(_ nanoseconds: UInt64) -> Int { Int(truncatingIfNeeded: nanoseconds / 10_000_000) }

extension Process {
  /// Whether nobody could continue it: signals from the terminal do not stop it then. Takes `processTree`.
  func isInOrphanedGroup() -> Bool { withProcessTree { membership.borrowed.with { isOrphaned($0, ignoring: nil) } } }
}
