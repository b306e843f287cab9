import CLinux
import Machine

extension Task {
  /// kill(2) for one process. `signal` 0 only asks. Errors: EPERM, EINVAL, EAGAIN.
  func kill(_ target: Process, _ info: SignalInfo) throws(Errno) {
    try checkMaySignal(target, info.signal)
    if info.signal == 0 { return }
    if info.signal < Signal.firstRealtime {
      target.post(info)
    } else {
      try sendSignal(info, to: target, limit: target.signalLimit)
    }
  }

  /// tkill(2) and its like, for one task. Errors as above.
  func kill(_ target: Task, _ info: SignalInfo) throws(Errno) {
    try checkMaySignal(target.process, info.signal)
    if info.signal == 0 { return }
    if info.signal < Signal.firstRealtime {
      target.process.post(info, to: target)
    } else {
      try sendSignal(info, to: target, limit: target.process.signalLimit)
    }
  }

  /// kill(2) as the guest says it: a process, 0 the caller's group, -1 everyone, less a group. Errors: ESRCH, EPERM, EINVAL.
  func kill(_ pid: Int32, _ signal: Int32) throws(Errno) {
    let info = userInfo(signal)
    if Int(pid) == process.id {
      try kill(process, info)
    } else if pid > 0 {
      guard let target = Processes.find(Int(pid)) ?? Processes.findTask(Int(pid))?.process else { throw .noProcess }
      try kill(target, info)
    } else if pid == -1 {
      try killEveryone(info)
    } else if pid == 0 {
      try killGroup(process.group, info)
    } else {
      guard pid != .min, let group = Processes.findGroup(Int(-pid)) else { throw .noProcess }
      try killGroup(group, info)
    }
  }

  /// One success is success. The members are taken first: permissions need locks that come before the tree's.
  private func killGroup(_ group: ProcessGroup, _ info: SignalInfo) throws(Errno) {
    var members: [Process] = []
    members.reserveCapacity(withProcessTree { group.members.count } + 8)
    withProcessTree { group.members.forEach { members.append($0) } }
    var result: Errno? = .noProcess
    var hasSucceeded = false
    for member in members {
      do throws(Errno) {
        try kill(member, info)
        hasSucceeded = true
      } catch { result = error }
    }
    if !hasSucceeded, let result { throw result }
  }

  /// All but process 1 and the caller's own.
  private func killEveryone(_ info: SignalInfo) throws(Errno) {
    var count = 0
    var result: Errno?
    var at = Processes.next(from: 2)
    while let target = at {
      if target !== process {
        count += 1
        do throws(Errno) { try kill(target, info) } catch { if error != .notPermitted { result = error } }
      }
      at = Processes.next(from: target.id + 1)
    }
    if count == 0 { throw .noProcess }
    if let result { throw result }
  }
}
