import CLinux
import Machine

/// Job control: setpgid(2), termios(3), tty_ioctl(4).
extension Terminal {
  /// Whether it is the controlling terminal of `task`'s session.
  final func controls(_ task: Task) -> Bool {
    guard let terminal = task.process.session.terminal else { return false }
    return terminal === self
  }

  /// Whether the current task may do what only the foreground group may; `signal` is what stops it otherwise (SIGTTIN for
  /// a read, SIGTTOU). Errors: EIO, `.restart` with the signal sent.
  final func checkForeground(_ signal: Int32) throws(Errno) {
    try Task.withCurrentTask { (task: Task) throws(Errno) in
      guard controls(task), let foreground = state.withLock({ $0.foreground }) else { return }
      let group = task.process.group
      if group === foreground { return }
      if task.signals.mask.contains(signal) || task.process.signals.actions.with({ $0.isIgnored(signal) }) {
        if signal == SIGTTIN { throw .inputOutput }
        return
      }
      if task.process.isInOrphanedGroup() { throw .inputOutput }
      sendKernelSignal(signal, to: group)
      throw .restart
    }
  }

  /// Makes it the controlling terminal of `session`, whose leader's group comes to the foreground. The caller has
  /// checked that neither has another.
  public final func control(_ session: Session, foreground group: ProcessGroup) {
    let old = state.withLock { state -> (Session?, ProcessGroup?) in
      let old = (state.session, state.foreground)
      state.session = session
      state.foreground = group
      return old
    }
    session.setTerminal(self)
    withExtendedLifetime(old) {}
  }

  /// What open(2) without O_NOCTTY does: a session's leader without a terminal gets it, where it is nobody's.
  final func becomeControlling(_ task: Task) {
    let session = task.process.session
    guard session.id == task.process.id, session.terminal == nil else { return }
    if state.withLock({ $0.session != nil }) { return }
    control(session, foreground: task.process.group)
  }

  /// TIOCSCTTY. Errors: EPERM.
  final func setControlling(_ task: Task, steals: Bool, isReadable: Bool) throws(Errno) {
    let session = task.process.session
    let isLeader = session.id == task.process.id
    let owner = state.withLock { $0.session }
    if isLeader, let owner, owner === session { return }
    guard isLeader, session.terminal == nil else { throw .notPermitted }
    let isAdministrator = task.credentials.borrowed.with { $0.has(CAP_SYS_ADMIN) }
    if let owner {
      guard steals, isAdministrator else { throw .notPermitted }
      owner.setTerminal(nil)
    }
    if !isReadable && !isAdministrator { throw .notPermitted }
    control(session, foreground: task.process.group)
  }

  /// The session lets it go: its leader gave it up (TIOCNOTTY) or exits. A pseudo-terminal's foreground group is told; the
  /// console hangs up when the leader exits.
  final func release(_ session: Session, leaderExits: Bool) {
    if leaderExits && !isPseudoTerminal {
      hangUp(tellsGroup: true)
    } else if let group = state.withLock({ $0.foreground }) {
      sendKernelSignal(SIGHUP, to: group)
      if !leaderExits { sendKernelSignal(SIGCONT, to: group) }
    }
    let old = state.withLock { state -> (Session?, ProcessGroup?) in
      guard state.session === session else { return (nil, nil) }
      let old = (state.session, state.foreground)
      state.session = nil
      state.foreground = nil
      return old
    }
    session.setTerminal(nil)
    withExtendedLifetime(old) {}
  }

  // MARK: ioctls

  /// TIOCGPGRP; 0 where there is none.
  final func foregroundGroup() -> Int32 { Int32(state.withLock { $0.foreground?.id ?? 0 }) }

  /// TIOCSPGRP. Errors: ENOTTY, EINVAL, ESRCH, EPERM, EIO, `.restart`.
  final func setForeground(_ task: Task, _ argument: UInt) throws(Errno) {
    do throws(Errno) {
      try checkForeground(SIGTTOU)
    } catch {
      throw error == .inputOutput ? .notTerminal : error
    }
    let number = try UserPointer<Int32>(argument).copyIn()
    if number < 0 { throw .invalid }
    let session = task.process.session
    guard controls(task), state.withLock({ $0.session === session }) else { throw .notTerminal }
    guard let group = Processes.findGroup(Int(number)) else { throw .noProcess }
    if group.session !== session { throw .notPermitted }
    let old = state.withLock { state -> ProcessGroup? in
      let old = state.foreground
      state.foreground = group
      return old
    }
    withExtendedLifetime(old) {}
  }
}

extension Task {
  /// What a session leader's exit, or its TIOCNOTTY, does to the terminal (disassociate_ctty in Linux). Does nothing for
  /// others.
  func releaseControllingTerminal(exits: Bool) {
    let session = process.session
    guard session.id == process.id, let terminal = session.terminal else { return }
    terminal.release(session, leaderExits: exits)
  }
}
