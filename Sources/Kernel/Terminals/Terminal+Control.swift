import CLinux
import Machine

/// The requests of ioctl(2) that every terminal knows: tty_ioctl(4).
extension Terminal {
  /// `isMaster`: asked through the master of a pseudo-terminal, whose requests concern the slave. Errors: ENOTTY, EFAULT…
  final func control(
    _ task: Task, _ request: UInt32, _ argument: UInt, isReadable: Bool, isMaster: Bool = false
  ) throws(Errno) -> Int {
    switch Int32(bitPattern: request) {
    case TCGETS: try UserPointer<linux_termios>(argument).copyOut(linux_termios(modes.termios2))
    case Int32(bitPattern: LINUX_TCGETS2): try UserPointer<termios2>(argument).copyOut(modes.termios2)
    case TCSETS: try setModes(try UserPointer<linux_termios>(argument).copyIn())
    case TCSETSW: try setModes(try UserPointer<linux_termios>(argument).copyIn(), waits: true)
    case TCSETSF: try setModes(try UserPointer<linux_termios>(argument).copyIn(), waits: true, flushes: true)
    case Int32(bitPattern: LINUX_TCSETS2): try setModes(try UserPointer<termios2>(argument).copyIn())
    case Int32(bitPattern: LINUX_TCSETSW2): try setModes(try UserPointer<termios2>(argument).copyIn(), waits: true)
    case Int32(bitPattern: LINUX_TCSETSF2):
      try setModes(try UserPointer<termios2>(argument).copyIn(), waits: true, flushes: true)
    case TIOCGSOFTCAR:
      try UserPointer<Int32>(argument).copyOut(modes.control & UInt32(CLOCAL) != 0 ? 1 : 0)
    case TIOCGWINSZ: try UserPointer<linux_winsize>(argument).copyOut(state.withLock { $0.window })
    case TIOCSWINSZ: resize(try UserPointer<linux_winsize>(argument).copyIn())
    case TIOCGPGRP:
      if !isMaster && !controls(task) { throw .notTerminal }
      try UserPointer<Int32>(argument).copyOut(foregroundGroup())
    case TIOCSPGRP: try setForeground(task, argument)
    case TIOCGSID:
      if !isMaster && !controls(task) { throw .notTerminal }
      guard let id = state.withLock({ $0.session?.id }) else { throw .notTerminal }
      try UserPointer<Int32>(argument).copyOut(Int32(id))
    case TIOCSCTTY: try setControlling(task, steals: argument == 1, isReadable: isReadable)
    case TIOCNOTTY:
      guard controls(task) else { throw .notTerminal }
      task.releaseControllingTerminal(exits: false)
    case TIOCSTI: try simulateInput(task, argument)
    case TIOCOUTQ:
      try UserPointer<Int32>(argument).copyOut(isPseudoTerminal ? 0 : Int32(state.withLock { $0.discipline.out.count }))
    case FIONREAD:
      try UserPointer<Int32>(argument).copyOut(Int32(state.withLock { $0.discipline.readableCount }))
    case TCFLSH: try flush(Int32(truncatingIfNeeded: argument))
    case TCXONC: try flow(Int32(truncatingIfNeeded: argument))
    case TCSBRK, TCSBRKP:
      try checkForeground(SIGTTOU)
      try drain()
    case TIOCSBRK, TIOCCBRK: break
    case TIOCEXCL: state.withLock { $0.isExclusive = true }
    case TIOCNXCL: state.withLock { $0.isExclusive = false }
    case TIOCGEXCL_REQUEST: try UserPointer<Int32>(argument).copyOut(state.withLock { $0.isExclusive } ? 1 : 0)
    case TIOCGETD: try UserPointer<Int32>(argument).copyOut(0)
    case TIOCSETD: if try UserPointer<Int32>(argument).copyIn() != 0 { throw .invalid }
    case TIOCGDEV_REQUEST: try UserPointer<UInt32>(argument).copyOut(device)
    case TIOCVHANGUP:
      guard task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) else { throw .notPermitted }
      hangUp()
    default: throw .notTerminal
    }
    return 0
  }

  final var modes: TerminalModes { state.withLock { $0.discipline.modes } }

  private func setModes(_ new: linux_termios, waits: Bool = false, flushes: Bool = false) throws(Errno) {
    var modes = termios2()
    modes.c_iflag = new.c_iflag
    modes.c_oflag = new.c_oflag
    modes.c_cflag = new.c_cflag
    modes.c_lflag = new.c_lflag
    modes.c_line = new.c_line
    modes.c_cc = new.c_cc
    let old = self.modes
    modes.c_ispeed = old.inputSpeed
    modes.c_ospeed = old.outputSpeed
    try setModes(modes, waits: waits, flushes: flushes)
  }
  private func setModes(_ new: termios2, waits: Bool = false, flushes: Bool = false) throws(Errno) {
    try checkForeground(SIGTTOU)
    var modes = TerminalModes(new)
    modes.setSpeeds()
    adjust(&modes)
    if flushes { try flush(TCIFLUSH) }
    if waits { try drain() }
    try change { (state) throws(Errno) in
      let old = state.discipline.modes
      state.discipline.setModes(modes)
      modesChanged(&state, from: old)
      state.pump()
    }
    inputDrained()
  }

  /// tcflush(3).
  private func flush(_ which: Int32) throws(Errno) {
    guard which >= TCIFLUSH && which <= TCIOFLUSH else { throw .invalid }
    try checkForeground(SIGTTOU)
    try change { (state) throws(Errno) in
      if which != TCOFLUSH {
        state.arriving.removeAll()
        state.discipline.flushInput()
        state.discipline.events.insert(.flushedInput)
      }
      if which != TCIFLUSH {
        state.discipline.flushOutput()
        state.discipline.events.insert(.flushedOutput)
      }
    }
    inputDrained()
  }

  /// tcflow(3).
  private func flow(_ action: Int32) throws(Errno) {
    try checkForeground(SIGTTOU)
    switch action {
    case TCOOFF:
      try change { (state) throws(Errno) in
        state.discipline.stop()
        state.discipline.isStoppedByFlow = true
      }
    case TCOON:
      try change { (state) throws(Errno) in
        state.discipline.isStoppedByFlow = false
        state.discipline.start()
      }
    case TCIOFF, TCION:
      // The STOP or START character to the other side.
      try change { (state) throws(Errno) in
        let byte = state.discipline.modes.characters[Int(action == TCIOFF ? VSTOP : VSTART)]
        if byte != 0 && state.discipline.out.room > 0 {
          state.discipline.out.append(byte)
          state.discipline.events.insert(.output)
        }
      }
    default: throw .invalid
    }
  }

  /// TIOCSTI, as long as Linux allows it by default.
  private func simulateInput(_ task: Task, _ argument: UInt) throws(Errno) {
    if !controls(task), !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) { throw .notPermitted }
    let byte = try UserPointer<UInt8>(argument).copyIn()
    try change { (state) throws(Errno) in
      if state.arriving.room > 0 { state.arriving.append(byte) }
      state.pump()
    }
  }
}

// Requests whose macros Swift does not import.
private var TIOCGDEV_REQUEST: Int32 { Int32(bitPattern: 0x8004_5432) }
private var TIOCGEXCL_REQUEST: Int32 { Int32(bitPattern: 0x8004_5440) }
