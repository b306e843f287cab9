import CLinux
import Machine

extension Task {
  /// Whether it may send `signal` (0: only asks) to `target`: kill(2). Errors: EPERM, EINVAL where there is no such signal.
  func checkMaySignal(_ target: Process, _ signal: Int32) throws(Errno) {
    guard signal == 0 || Signal.isValid(signal) else { throw .invalid }
    if target === process { return }
    let isAllowed = credentials.borrowed.with { mine -> Bool in
      if mine.has(CAP_KILL) { return true }
      let (uid, saved) = target.signalOwner
      return mine.euid == uid || mine.euid == saved || mine.uid == uid || mine.uid == saved
    }
    if isAllowed { return }
    if signal == SIGCONT && process.session === target.session { return }
    throw .notPermitted
  }

  /// kill(2)'s info, or tkill(2)'s with SI_TKILL.
  func userInfo(_ signal: Int32, code: Int32 = SI_USER) -> SignalInfo {
    .user(signal, code: code, pid: process.id, uid: credentials.borrowed.with { $0.uid })
  }
}

extension Process {
  /// The real and the saved user of its leader, or of what is left of it.
  fileprivate var signalOwner: (uid: UInt32, saved: UInt32) {
    guard let task = anyTask else { return (exitUser, exitUser) }
    let credentials = task.takeCredentials()
    return (credentials.uid, credentials.suid)
  }

  /// The bound that a realtime signal for it is counted against.
  var signalLimit: SignalLimit {
    SignalLimit(user: signalOwner.uid, limit: UInt64(truncatingIfNeeded: limits.soft(RLIMIT_SIGPENDING)))
  }
}
