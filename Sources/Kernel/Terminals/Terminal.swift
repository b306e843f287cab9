import CLinux
import Machine
import Synchronization

/// What a terminal keeps under its lock.
struct TerminalState: ~Copyable {
  var discipline: LineDiscipline
  /// What has come from the other side and not gone through the discipline yet, which may have no room.
  var arriving = ByteRing(capacity: 8192)
  var scratch = [UInt8](repeating: 0, count: LineDiscipline.chunk)
  var window = linux_winsize()
  /// Whose controlling terminal it is, and the group that may read; the group may be empty by now.
  var session: Session?
  var foreground: ProcessGroup?
  /// TIOCEXCL.
  var isExclusive = false
  /// The other side is gone for now (the last slave was closed) or for good (the master was).
  var otherSideClosed = false
  // Pseudo-terminals only:
  var isLocked = false  // TIOCSPTLCK: the slave may not be opened
  var openSlaves = 0
  var slavesClosed = false  // there were some, and all are closed
  var isPacket = false  // TIOCPKT
  var packetStatus: UInt8 = 0

  init(_ modes: TerminalModes) { discipline = LineDiscipline(modes) }

  /// Hands on to the discipline what it has room for.
  mutating func pump() { if !arriving.isEmpty { discipline.receive(&arriving) } }
}

/// A terminal (tty(4)): its modes, its line discipline, the session that it controls. Subclasses are what is behind it: a
/// pseudo-terminal's master, or the host's terminal.
///
/// `state` is a sleeping lock, as reads and writes copy to the guest under it. Signals are sent and others woken after it.
public class Terminal {
  /// Its device number.
  public final let device: UInt32
  let state: Mutex<TerminalState>
  final let readers = WaitQueue()
  final let writers = WaitQueue()
  /// Counts hang-ups: files that were opened before the last one are dead.
  private let hangUps = Atomic<UInt32>(0)

  init(device: UInt32, modes: TerminalModes) {
    self.device = device
    state = Mutex(TerminalState(modes), rank: .terminal)
  }

  /// There is output to take from the discipline, or flow control changed. Called without locks.
  func outputReady() {}
  /// The discipline has room again for what arrives. Called without locks.
  func inputDrained() {}
  /// Modes changed. Called under the lock.
  func modesChanged(_ state: inout TerminalState, from old: TerminalModes) {}
  /// What a change may keep of the control modes.
  func adjust(_ modes: inout TerminalModes) {}
  /// Opens it; a session's leader without a terminal gets it unless O_NOCTTY. Errors: EBUSY (TIOCEXCL), EIO.
  public func open(_ inode: Inode, _ path: Path?, _ flags: Int32) throws(Errno) -> File {
    let file = TerminalFile(self, inode: inode, path: path, flags: flags)
    try file.checkOpen()
    return file
  }
  /// A file that was open on it is closed.
  func closed() {}
  /// What ttyname(3) finds: `/dev/pts/3`.
  var name: [UInt8] { [] }
  var isPseudoTerminal: Bool { false }

  // MARK: after the lock

  /// Does what the discipline's events ask for. Called without locks.
  final func act(_ events: LineDiscipline.Events) {
    if events.isEmpty { return }
    if !events.intersection(.signals).isEmpty, let group = state.withLock({ $0.foreground }) {
      if events.contains(.interrupt) { sendKernelSignal(SIGINT, to: group) }
      if events.contains(.quit) { sendKernelSignal(SIGQUIT, to: group) }
      if events.contains(.suspend) { sendKernelSignal(SIGTSTP, to: group) }
    }
    if events.contains(.readable) { readers.wakeAll(events: LINUX_EPOLLIN | PollEvents.readNormal.rawValue) }
    if events.contains(.writable) { writers.wakeAll(events: LINUX_EPOLLOUT | PollEvents.writeNormal.rawValue) }
    if !events.intersection([.output, .stopped, .started, .flushedOutput, .flushedInput]).isEmpty { outputReady() }
  }

  /// Runs `body` on the state, then does what came of it.
  final func change<R>(_ body: (inout TerminalState) throws(Errno) -> R) throws(Errno) -> R {
    var events: LineDiscipline.Events = []
    let result = try state.withLock { (state) throws(Errno) -> R in
      defer {
        if state.isPacket { state.notePacketEvents(state.discipline.events) }
        events = state.discipline.events
        state.discipline.events = []
      }
      return try body(&state)
    }
    act(events)
    return result
  }

  // MARK: hanging up

  final var generation: UInt32 { hangUps.load(ordering: .acquiring) }

  /// The line is gone: files that are open on it are dead, its session's leader is told, and the session has no
  /// terminal any more (tty_vhangup in Linux). With `tellsGroup` the foreground group is told too.
  final func hangUp(tellsGroup: Bool = false) {
    hangUps.add(1, ordering: .sequentiallyConsistent)
    let (session, group) = state.withLock { state -> (Session?, ProcessGroup?) in
      let old = (state.session, state.foreground)
      state.session = nil
      state.foreground = nil
      state.discipline.flushInput()
      state.discipline.flushOutput()
      state.discipline.events = []
      return old
    }
    if let session {
      session.setTerminal(nil)
      if let leader = withProcessTree({ session.leader?.object }) {
        sendKernelSignal(SIGHUP, to: leader)
        sendKernelSignal(SIGCONT, to: leader)
      }
    }
    if tellsGroup, let group { sendKernelSignal(SIGHUP, to: group) }
    readers.wakeAll(events: LINUX_EPOLLHUP)
    writers.wakeAll(events: LINUX_EPOLLHUP)
    outputReady()
  }

  // MARK: the window

  /// TIOCSWINSZ: the foreground group hears of a change (SIGWINCH).
  final func resize(_ window: linux_winsize) {
    let group = state.withLock { state -> ProcessGroup? in
      let old = state.window
      state.window = window
      let isSame =
        old.ws_row == window.ws_row && old.ws_col == window.ws_col && old.ws_xpixel == window.ws_xpixel
        && old.ws_ypixel == window.ws_ypixel
      return isSame ? nil : state.foreground
    }
    if let group { sendKernelSignal(SIGWINCH, to: group) }
  }
}

extension TerminalState {
  /// What packet mode tells the master (TIOCPKT).
  mutating func notePacketEvents(_ events: LineDiscipline.Events) {
    if events.contains(.stopped) { packetStatus = packetStatus & ~UInt8(TIOCPKT_START) | UInt8(TIOCPKT_STOP) }
    if events.contains(.started) { packetStatus = packetStatus & ~UInt8(TIOCPKT_STOP) | UInt8(TIOCPKT_START) }
    if events.contains(.flushedInput) { packetStatus |= UInt8(TIOCPKT_FLUSHREAD) }
    if events.contains(.flushedOutput) { packetStatus |= UInt8(TIOCPKT_FLUSHWRITE) }
  }
}
