import CLinux
import Machine

// setpgid(2), setsid(2): who is in which process group and session.

extension Task {
  /// setpgid(2), the numbers as the caller gave them. Errors: EINVAL, ESRCH, EPERM, EACCES.
  func setGroup(_ pid: Int, _ wanted: Int) throws(Errno) {
    let pid = pid == 0 ? process.id : pid
    let wanted = wanted == 0 ? pid : wanted
    if wanted < 0 { throw .invalid }
    let target = pid == process.id ? process : Processes.find(pid)
    guard let target else { throw Processes.findTask(pid) != nil ? .invalid : .noProcess }
    var existing: ProcessGroup?  // it outlives the lock
    let made = wanted == pid ? ProcessGroup(id: wanted, session: target.session) : nil
    let old = target.group
    try withProcessTree { () throws(Errno) in
      let mine = process.membership.borrowed.object.session
      let session = target.membership.borrowed.object.session
      if target.state == .dead { throw .noProcess }
      if let parent = target.parent, parent == process {
        if session !== mine { throw .notPermitted }
        if target.hasExecuted { throw .access }
      } else if target !== process {
        throw .noProcess
      }
      if session.id == target.id { throw .notPermitted }
      // Looked for here: a parent and its child often both make the child's group, at once.
      existing = Processes.findGroup(wanted)
      if let existing {
        if existing.session !== mine { throw .notPermitted }
        move(target, to: existing)
      } else if let made, made.session === session {
        move(target, to: made)
      } else {
        throw .notPermitted
      }
    }
    withExtendedLifetime((existing, made, old, target)) {}
  }
  private func move(_ target: Process, to group: ProcessGroup) {
    if target.membership.borrowed == group { return }
    target.moveToGroup(group)
  }

  /// setsid(2): returns the new session's number. Errors: EPERM for a group's leader.
  func makeSession() throws(Errno) -> Int {
    let id = process.id
    let session = Session(id: id)
    let group = ProcessGroup(id: id, session: session)
    let old = process.group
    try withProcessTree { () throws(Errno) in
      if process.membership.borrowed.with({ $0.session.id }) == id { throw .notPermitted }
      if pids.with({ $0.group(id) }) != nil { throw .notPermitted }
      session.leader = Borrowed(process)
      process.moveToGroup(group)
    }
    withExtendedLifetime((session, group, old)) {}
    return id
  }
}

extension Process {
  /// To another group, which may be empty and new. Under `processTree`; the caller keeps both groups alive throughout.
  func moveToGroup(_ group: ProcessGroup) {
    let id = group.id
    // In first, so that a session that both share keeps its number.
    let old = membership.borrowed
    old.with { $0.members.remove(self) }
    if group.members.isEmpty {
      if group.session.groups == 0 { pids.with { $0.set(session: group.session, group.session.id) } }
      group.session.groups += 1
      pids.with { $0.set(group: group, id) }
    }
    group.members.append(self)
    old.with { old in
      guard old.members.isEmpty else { return }
      pids.with { $0.set(group: nil, old.id) }
      old.session.groups -= 1
      if old.session.groups == 0 { pids.with { $0.set(session: nil, old.session.id) } }
    }
    membership.replace(group)
  }
}
