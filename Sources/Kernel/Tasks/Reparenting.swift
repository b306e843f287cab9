import CLinux
import Machine

// The end of a process as others see it: it hands its children on, becomes a zombie, tells its parent, and is reaped.

extension Process {
  /// The last thread is gone. `uid` is the owner that the parent is told.
  func becomeZombie(_ uid: UInt32) {
    let (status, usage) = lock.withLock { threads in
      (threads.isExiting ? threads.groupStatus : threads.leaderStatus, threads.usage)
    }
    var released = ReleasedProcesses()
    withProcessTree {
      waitStatus = status
      exitUser = uid
      self.usage = usage
      let session = membership.borrowed.object.session
      if session.leader.map({ $0 == self }) == true { session.leader = nil }
      forgetChildren(&released)
      // Its going may leave its own group without anyone who could continue it.
      if let parent { releaseIfOrphaned(membership.borrowed, leaving: self, to: parent) }
      state = .zombie
      if tellParentOfEnd() {
        leaveTree()
        released.append(self)
      }
    }
    threadsChanged()
    released.release()
  }

  /// A thread ended and others live: its children become another's, some of whom asked to be told.
  func threadLeft(_ id: Int) {
    guard mayHaveDeathSignals else { return }
    withProcessTree {
      children.forEach { child in if child.creator == id { child.sendDeathSignals() } }
    }
  }

  // MARK: under `processTree`

  /// Children go to the nearest living subreaper above, else to init.
  private func forgetChildren(_ released: inout ReleasedProcesses) {
    if children.isEmpty { return }
    let heir = reaper()
    while let child = children.popFirst() {
      child.with { child in
        child.parent = heir
        child.creator = heir.with { $0.id }
        heir.with { $0.children.append(child) }
        child.sendDeathSignals()
        if child.state == .zombie {
          child.exitSignal = SIGCHLD
          if child.tellParentOfEnd() {
            child.leaveTree()
            released.append(child)
          }
        } else {
          child.exitSignal = SIGCHLD
        }
        releaseIfOrphaned(child.membership.borrowed, leaving: child, to: Borrowed(self))
      }
    }
  }

  private func reaper() -> Borrowed<Process> {
    var at = parent
    while hasSubreaper, let candidate = at {
      if candidate.with({ $0.isSubreaper && $0.state == .running && !$0.isGone }) { return candidate }
      at = candidate.with { $0.parent }
    }
    return initProcess.borrowed
  }
  /// All its threads are on their way out.
  private var isGone: Bool { lock.withLock { $0.living == 0 } }

  private func sendDeathSignals() {
    guard usesDeathSignals else { return }
    let signal = lock.withLock { threads -> Int32 in
      var signal: Int32 = 0
      threads.tasks.forEach { if $0.parentDeathSignal != 0 { signal = $0.parentDeathSignal } }
      return signal
    }
    if signal != 0 { sendKernelSignal(signal, to: self) }
  }

  /// Sends the exit signal and wakes the parent. Returns whether nobody will wait for it: the parent ignores SIGCHLD.
  private func tellParentOfEnd() -> Bool {
    guard let parent else { return false }
    return parent.with { parent in
      var signal = exitSignal
      var isDropped = false
      if signal == SIGCHLD {
        isDropped = parent.signals.dropsChildren
        if parent.signals.ignoresChildSignal { signal = 0 }
      }
      if signal != 0 {
        let isKilled = waitStatus & 0x7f != 0
        let code = !isKilled ? CLD_EXITED : waitStatus & 0x80 != 0 ? CLD_DUMPED : CLD_KILLED
        sendChildSignal(
          signal, code: code, status: isKilled ? waitStatus & 0x7f : waitStatus >> 8 & 0xff, of: self, to: parent)
      }
      parent.childQueue.wakeAll()
      return isDropped
    }
  }

  /// Out of the tree: reaped, or dropped by its parent. Its number is free when its group and session are.
  func leaveTree() {
    state = .dead
    if let parent { parent.with { $0.children.remove(self) } }
    parent = nil
    leaveGroup()
    pids.with { $0.set(process: nil, id) }
  }

  func leaveGroup() {
    membership.borrowed.with { group in
      group.members.remove(self)
      guard group.members.isEmpty else { return }
      pids.with { $0.set(group: nil, group.id) }
      group.session.groups -= 1
      if group.session.groups == 0 { pids.with { $0.set(session: nil, group.session.id) } }
    }
  }

  func enter(_ group: ProcessGroup) {
    if group.members.isEmpty {
      pids.with { $0.set(group: group, group.id) }
      if group.session.groups == 0 { pids.with { $0.set(session: group.session, group.session.id) } }
      group.session.groups += 1
    }
    membership.replace(group)
    group.members.append(self)
  }

  /// The tree's count, after `leaveTree` and outside the lock.
  func releaseFromTree() { Borrowed(self).release() }

  // MARK: telling of stops

  /// It stopped or goes on (CLD_STOPPED, CLD_CONTINUED, CLD_TRAPPED): its parent gets SIGCHLD unless it has
  /// SA_NOCLDSTOP, and is woken. Takes `processTree`.
  public func tellParent(code: Int32, status: Int32) {
    withProcessTree {
      guard let parent else { return }
      parent.with { parent in
        if !parent.signals.ignoresChildSignal && !parent.signals.hidesChildStops {
          sendChildSignal(SIGCHLD, code: code, status: status, of: self, to: parent)
        }
        parent.childQueue.wakeAll()
      }
    }
  }
}

// MARK: orphaned groups: setpgid(2), credentials(7). Under `processTree`.

/// Whether nobody in `group`'s session but outside `group` is the parent of a member, so that a stopped member could not
/// be continued by job control. `ignoring` counts as gone.
func isOrphaned(_ group: ProcessGroup, ignoring: Process?) -> Bool {
  !group.members.contains { member in
    if let ignoring, member === ignoring { return false }
    if member.state != .running { return false }
    guard let parent = member.parent else { return false }
    return parent.with { parent in
      !parent.isInit && !parent.membership.borrowed.with { $0 === group || $0.session !== group.session }
    }
  }
}

/// `leaving` exits or loses its `parent`: if that orphans `group` and a member is stopped, all get SIGHUP and SIGCONT.
private func releaseIfOrphaned(_ group: Borrowed<ProcessGroup>, leaving: Process, to parent: Borrowed<Process>) {
  group.with { group in
    let wasTie = parent.with { parent in
      !parent.membership.borrowed.with { $0 === group || $0.session !== group.session }
    }
    guard wasTie, isOrphaned(group, ignoring: leaving.parent.map({ $0 == parent }) == true ? leaving : nil) else {
      return
    }
    guard group.members.contains({ $0.state == .running && $0.signals.isStopped }) else { return }
    group.members.forEach { member in
      sendKernelSignal(SIGHUP, to: member)
      sendKernelSignal(SIGCONT, to: member)
    }
  }
}

/// Processes taken out of the tree under its lock, to be released after it: chained through their child links.
struct ReleasedProcesses: ~Copyable {
  private var list = MemberList<ChildMembership>()
  mutating func append(_ process: Process) { list.append(process) }
  consuming func release() {
    while let process = list.popFirst() { process.release() }
  }
}

/// Process 1, set when it is made.
public let initProcess = KernelGlobal<Process>()
