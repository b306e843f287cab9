import CLinux
import Machine

/// A pseudo-terminal (pty(7)): the slave's side is a terminal like any other; what is behind it is the master. What the
/// master writes arrives at the slave's line discipline, and the discipline's output is what the master reads.
///
/// The master's file owns it, and so does every file of the slave. When the master closes, the slave hangs up for good.
final class PseudoTerminal: Terminal {
  let number: Int
  private let fileSystem: Devpts
  /// Who waits for output, and for room for input.
  let masterReaders = WaitQueue()
  let masterWriters = WaitQueue()
  /// The slave's node in devpts.
  let node: DevptsNode

  init(_ fileSystem: Devpts, number: Int, node: DevptsNode) {
    self.number = number
    self.fileSystem = fileSystem
    self.node = node
    var modes = TerminalModes.standard
    modes.control = UInt32(B38400 | CS8 | CREAD)
    super.init(device: deviceNumber(136 + UInt32(number >> 8), UInt32(number & 255)), modes: modes)
    state.withLock { $0.isLocked = true }
  }

  override var isPseudoTerminal: Bool { true }
  override var name: [UInt8] { Array("/dev/pts/\(number)".utf8) }

  override func outputReady() { masterReaders.wakeAll(events: LINUX_EPOLLIN | PollEvents.readNormal.rawValue) }
  override func inputDrained() {
    if masterWriters.isEmpty { return }
    masterWriters.wakeAll(events: LINUX_EPOLLOUT | PollEvents.writeNormal.rawValue)
  }
  override func adjust(_ modes: inout TerminalModes) {
    modes.control = modes.control & ~UInt32(CSIZE | PARENB) | UInt32(CS8 | CREAD)
  }

  /// Packet mode tells the master of changes of flow control, and of any with EXTPROC.
  override func modesChanged(_ state: inout TerminalState, from old: TerminalModes) {
    guard state.isPacket else { return }
    let new = state.discipline.modes
    if PseudoTerminal.hasFlow(old) != PseudoTerminal.hasFlow(new) {
      state.packetStatus &= ~UInt8(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP)
      state.packetStatus |= UInt8(PseudoTerminal.hasFlow(new) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP)
      state.discipline.events.insert(.output)
    }
    if old.hasLocal(EXTPROC) || new.hasLocal(EXTPROC) {
      state.packetStatus |= UInt8(TIOCPKT_IOCTL)
      state.discipline.events.insert(.output)
    }
  }
  private static func hasFlow(_ modes: TerminalModes) -> Bool {
    modes.hasInput(IXON) && modes.characters[Int(VSTOP)] == 0o23 && modes.characters[Int(VSTART)] == 0o21
  }

  // MARK: the slave

  /// Opens the slave's side. Errors: EIO (locked, or the master is gone), EBUSY.
  override func open(_ inode: Inode, _ path: Path?, _ flags: Int32) throws(Errno) -> File {
    try state.withLock { (state) throws(Errno) in
      if state.isLocked || state.otherSideClosed { throw .inputOutput }
      state.openSlaves += 1
      state.slavesClosed = false
    }
    return try super.open(inode, path, flags)
  }
  override func closed() {
    let isLast = state.withLock { state -> Bool in
      state.openSlaves -= 1
      if state.openSlaves == 0 { state.slavesClosed = true }
      return state.openSlaves == 0
    }
    if isLast {
      masterReaders.wakeAll(events: LINUX_EPOLLHUP)
      masterWriters.wakeAll(events: LINUX_EPOLLHUP)
    }
  }

  // MARK: the master

  /// The master's last close: the slave hangs up, and its name goes.
  func masterClosed() {
    state.withLock { state in
      state.otherSideClosed = true
      state.isPacket = false
    }
    fileSystem.remove(self)
    hangUp()
  }

  func readMaster(_ buffers: inout IOBuffers, isNonBlocking: Bool) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    while true {
      let moved = try change { (state) throws(Errno) -> Int in
        if state.isPacket {
          if state.packetStatus != 0 {
            let status: [UInt8] = [state.packetStatus]
            state.packetStatus = 0
            return try buffers.copyOut(status)
          }
          if state.discipline.out.isEmpty { return 0 }
          let data: [UInt8] = [0]
          let head = try buffers.copyOut(data)
          return head + (try takeOutput(&state, &buffers))
        }
        return try takeOutput(&state, &buffers)
      }
      if moved > 0 { return moved }
      if state.withLock({ $0.slavesClosed }) { throw .inputOutput }
      if isNonBlocking { throw .wouldBlock }
      try masterReaders.wait { () throws(Errno) -> Bool in state.withLock { $0.hasForMaster || $0.slavesClosed } }
    }
  }
  private func takeOutput(_ state: inout TerminalState, _ buffers: inout IOBuffers) throws(Errno) -> Int {
    let moved = try state.discipline.out.read(&buffers)
    if moved > 0 {
      state.discipline.processEchoes()
      if state.discipline.writable > 0 { state.discipline.events.insert(.writable) }
    }
    return moved
  }

  func writeMaster(_ buffers: inout IOBuffers, isNonBlocking: Bool) throws(Errno) -> Int {
    var done = 0
    do throws(Errno) {
      while buffers.count > 0 {
        let moved = try change { (state) throws(Errno) -> Int in
          let moved = try state.arriving.write(&buffers)
          state.pump()
          return moved
        }
        done += moved
        if moved > 0 { continue }
        if isNonBlocking { throw .wouldBlock }
        try masterWriters.wait { () throws(Errno) -> Bool in state.withLock { $0.arriving.room > 0 } }
      }
    } catch {
      if done == 0 { throw error }
    }
    return done
  }

  func pollMaster(_ table: PollTable?) -> PollEvents {
    if let table {
      table.register(masterReaders)
      table.register(masterWriters)
    }
    return state.withLock { state in
      var events: PollEvents = []
      if state.hasForMaster { events = [.in, .readNormal] }
      if state.isPacket && state.packetStatus != 0 { events.insert(.priority) }
      if state.arriving.room > 0 { events.formUnion([.out, .writeNormal]) }
      if state.slavesClosed { events.insert(.hangUp) }
      return events
    }
  }

  /// The requests that only a master has (ioctl_tty(2)); the others concern the slave.
  func controlMaster(_ task: Task, _ request: UInt32, _ argument: UInt, path: Path?) throws(Errno) -> Int {
    let pointer = UserPointer<Int32>(argument)
    switch request {
    case 0x8004_5430: try pointer.copyOut(Int32(number))  // TIOCGPTN
    case 0x4004_5431:  // TIOCSPTLCK
      let isLocked = try pointer.copyIn() != 0
      state.withLock { $0.isLocked = isLocked }
    case 0x8004_5439: try pointer.copyOut(state.withLock { $0.isLocked } ? 1 : 0)  // TIOCGPTLCK
    case UInt32(TIOCPKT):
      let isOn = try pointer.copyIn() != 0
      state.withLock { state in
        if isOn && !state.isPacket { state.packetStatus = 0 }
        state.isPacket = isOn
      }
    case 0x8004_5438: try pointer.copyOut(state.withLock { $0.isPacket } ? 1 : 0)  // TIOCGPKT
    case 0x4004_5436:  // TIOCSIG
      guard argument >= 1 && argument <= 31 else { throw .invalid }
      if let group = state.withLock({ $0.foreground }) { sendKernelSignal(Int32(argument), to: group) }
    case 0x5441: return try openPeer(task, Int32(truncatingIfNeeded: argument))  // TIOCGPTPEER
    case UInt32(FIONREAD): try pointer.copyOut(Int32(state.withLock { $0.discipline.out.count }))
    case UInt32(TIOCOUTQ): try pointer.copyOut(0)
    case UInt32(TIOCNOTTY): throw .notTerminal
    case UInt32(TCFLSH): try flushMaster(Int32(truncatingIfNeeded: argument))
    default: return try control(task, request, argument, isReadable: true, isMaster: true)
    }
    return 0
  }

  /// The master's input is the slave's output, and the other way round.
  private func flushMaster(_ which: Int32) throws(Errno) {
    guard which >= TCIFLUSH && which <= TCIOFLUSH else { throw .invalid }
    try change { (state) throws(Errno) in
      if which != TCOFLUSH { state.discipline.flushOutput() }
      if which != TCIFLUSH {
        state.arriving.removeAll()
        state.discipline.flushInput()
      }
    }
    inputDrained()
  }

  private func openPeer(_ task: Task, _ flags: Int32) throws(Errno) -> Int {
    let allowed = O_RDWR | O_RDONLY | O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK
    guard flags & ~allowed == 0 else { throw .invalid }
    let file = try open(node, nil, flags & ~O_CLOEXEC)
    return try install(task, file, closeOnExec: flags & O_CLOEXEC != 0)
  }
}

extension TerminalState {
  var hasForMaster: Bool { !discipline.out.isEmpty || (isPacket && packetStatus != 0) }
}

/// The master's open file description: /dev/ptmx.
final class PseudoTerminalMaster: File {
  let terminal: PseudoTerminal

  init(_ terminal: PseudoTerminal, inode: Inode, path: Path?, flags: Int32) {
    self.terminal = terminal
    super.init(inode: inode, path: path, flags: flags)
  }
  deinit { terminal.masterClosed() }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try terminal.readMaster(&buffers, isNonBlocking: isNonBlocking)
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try terminal.writeMaster(&buffers, isNonBlocking: isNonBlocking)
  }
  override func poll(_ table: PollTable?) -> PollEvents { terminal.pollMaster(table) }
  override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    try terminal.controlMaster(task, request, argument, path: path)
  }
}
