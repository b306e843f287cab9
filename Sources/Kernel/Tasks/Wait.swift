import CLinux
import Machine

/// What wait4(2) and waitid(2) wait for.
struct WaitRequest {
  enum Children {
    case any
    case process(Int)
    case group(Int)
  }
  var children: Children
  /// W…: WEXITED, WSTOPPED, WCONTINUED, WNOHANG, WNOWAIT, __WALL, __WCLONE, __WNOTHREAD.
  var options: UInt32

  @inline(__always) func has(_ option: Int32) -> Bool { options & UInt32(bitPattern: option) != 0 }
  /// C gives __WCLONE as an unsigned constant.
  @inline(__always) var wantsClones: Bool { options & 0x8000_0000 != 0 }
}

/// What a wait found.
struct WaitResult {
  var pid = 0
  var uid: UInt32 = 0
  /// As wait4(2) says it.
  var status: Int32 = 0
  /// As waitid(2) does: CLD_… and what it says.
  var code: Int32 = 0
  var value: Int32 = 0
  var usage = ResourceUsage()
}

extension Task {
  /// Waits until a child is as `request` says; nil with WNOHANG where none is yet. A zombie found is reaped, unless
  /// WNOWAIT. Errors: ECHILD, `.restart`.
  func waitForChild(_ request: WaitRequest) throws(Errno) -> WaitResult? {
    var found: WaitResult?
    if request.has(WNOHANG) { return try process.look(request, self) }
    try process.childQueue.wait { () throws(Errno) in
      found = try process.look(request, self)
      return found != nil
    }
    return found
  }
}

extension Process {
  /// One look at the children. Errors: ECHILD where none could ever do.
  fileprivate func look(_ request: WaitRequest, _ task: Task) throws(Errno) -> WaitResult? {
    var reaped: Borrowed<Process>?  // with the tree's count, until it is released below
    var isAny = false
    let found = withProcessTree { () -> WaitResult? in
      var at = children.first
      while let child = at {
        at = children.after(child)
        let result = child.with { child -> WaitResult? in
          guard child.fits(request, task) else { return nil }
          if child.state == .running { isAny = true }
          return child.report(request)
        }
        guard let result else { continue }
        if child.with({ $0.state == .zombie }) && result.code != CLD_STOPPED && result.code != CLD_CONTINUED
          && !request.has(WNOWAIT)
        {
          child.with { child in
            childUsage.add(child.usage)
            childUsage.add(child.childUsage)
            child.leaveTree()
          }
          reaped = child
        }
        return result
      }
      return nil
    }
    reaped?.with { process in
      process.threadsChanged()
      process.releaseFromTree()
    }
    if found == nil && !isAny { throw .noChild }
    return found
  }

  private func fits(_ request: WaitRequest, _ task: Task) -> Bool {
    switch request.children {
    case .any: break
    case .process(let id): if self.id != id { return false }
    case .group(let id): if membership.borrowed.with({ $0.id != id }) { return false }
    }
    if request.has(__WNOTHREAD) && creator != task.id { return false }
    return request.has(__WALL) || (exitSignal != SIGCHLD) == request.wantsClones
  }

  /// What it has to say, taken where it is said once.
  private func report(_ request: WaitRequest) -> WaitResult? {
    var result = WaitResult()
    result.pid = id
    if state == .zombie {
      guard request.has(WEXITED) else { return nil }
      result.uid = exitUser
      result.status = waitStatus
      let isKilled = waitStatus & 0x7f != 0
      result.code = !isKilled ? CLD_EXITED : waitStatus & 0x80 != 0 ? CLD_DUMPED : CLD_KILLED
      result.value = isKilled ? waitStatus & 0x7f : waitStatus >> 8 & 0xff
      result.usage = usage
      result.usage.add(childUsage)
      return result
    }
    let takes = !request.has(WNOWAIT)
    if request.has(WSTOPPED), let signal = signals.reportStop(taking: takes) {
      result.status = WaitStatus.stopped(signal)
      result.code = CLD_STOPPED
      result.value = signal
    } else if request.has(WCONTINUED), signals.reportContinue(taking: takes) {
      result.status = WaitStatus.continued
      result.code = CLD_CONTINUED
      result.value = SIGCONT
    } else {
      return nil
    }
    result.uid = anyTask.map { $0.takeCredentials().uid } ?? 0
    result.usage = livingUsage()
    result.usage.add(childUsage)
    return result
  }
}
