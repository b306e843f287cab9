import CBoot
import CTool
import Glibc

/// Stays with the machine from the kernel's start to its end: passes signals and the window's size on, stops and
/// continues with it, ends it.
///
/// All signals come through one signalfd, so nothing here runs in a handler. Stopping takes two steps: the kernel
/// parks its processors and answers, or a second passes, and then the tool stops itself with the terminal restored.
struct Supervisor {
  /// The kernel gives the guest 10 seconds; past this it does not do its part.
  static let terminationLimit: UInt64 = 15_000_000_000
  static let stopLimit: UInt64 = 1_000_000_000

  let child: Child
  let channel: Descriptor
  let signals: Descriptor
  let console: Terminal?

  private var channelIsOpen = true
  private var stopDeadline: UInt64?
  private var killDeadline: UInt64?
  private var isTerminating = false
  private var wasKilled = false
  private var taken: Set<Int32> = []

  init(child: Child, channel: Descriptor, signals: Descriptor, console: Terminal?) {
    self.child = child
    self.channel = channel
    self.signals = signals
    self.console = console
  }

  /// Returns once the kernel's first process has ended.
  mutating func wait() -> Child.End {
    while true {
      if let end = child.wait(milliseconds: 0) { return end }
      var items = [
        pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: channelIsOpen ? channel.number : -1, events: Int16(POLLIN), revents: 0),
      ]
      let ready = poll(&items, 2, timeout())
      if ready > 0 && items[1].revents != 0 { receive() }
      while case let signal = tool_next_signal(signals.number), signal != 0 { handle(signal) }
      checkDeadlines()
    }
  }

  /// What the tool exits with; says so when the kernel did not end as it should.
  func exitStatus(of end: Child.End) -> Int32 {
    switch end {
    case .exited(let status):
      return status
    case .killed(let signal):
      if wasKilled { return 128 + SIGTERM }
      if taken.contains(signal) { return 128 + signal }
      let name = String(cString: strsignal(signal))
      let hint = signal == SIGKILL ? "; somebody's kill, or the host is out of memory" : ""
      Failure.say("the kernel was killed by signal \(signal) (\(name)\(hint))")
      return Failure.exitStatus
    }
  }

  private mutating func handle(_ signal: Int32) {
    taken.insert(signal)
    switch signal {
    case SIGCHLD:
      break  // the loop looks for itself
    case SIGWINCH:
      sendWindowSize()
    case SIGTERM:
      terminate()
    case SIGHUP where console != nil:
      // The terminal is gone: the command learns of it as usual, and the machine ends in any case.
      send(MARTLET_SIGNAL, UInt16(signal))
      if !isTerminating { terminate() }
    case SIGTSTP, SIGTTIN, SIGTTOU:
      guard stopDeadline == nil else { break }
      send(MARTLET_STOP)
      stopDeadline = tool_monotonic() + Supervisor.stopLimit
    case SIGCONT:
      proceed()
    default:
      send(MARTLET_SIGNAL, UInt16(signal))
    }
  }

  private mutating func terminate() {
    if isTerminating {
      wasKilled = true
      child.kill(SIGKILL)
      return
    }
    isTerminating = true
    killDeadline = tool_monotonic() + Supervisor.terminationLimit
    send(MARTLET_TERMINATE)
  }

  private mutating func receive() {
    var message = martlet_message()
    let count = recv(channel.number, &message, MemoryLayout<martlet_message>.size, Int32(MSG_DONTWAIT))
    if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) {
      channelIsOpen = false  // the kernel is on its way out
    } else if count == MemoryLayout<martlet_message>.size && message.kind == UInt32(MARTLET_STOPPED) {
      if stopDeadline != nil { stop() }
    }
  }

  private mutating func checkDeadlines() {
    let now = tool_monotonic()
    if let deadline = stopDeadline, now >= deadline { stop() }
    if let deadline = killDeadline, now >= deadline {
      killDeadline = nil
      wasKilled = true
      child.kill(SIGKILL)
    }
  }

  private func timeout() -> Int32 {
    guard let next = [stopDeadline, killDeadline].compactMap({ $0 }).min() else { return -1 }
    let now = tool_monotonic()
    return next <= now ? 0 : Int32((next - now) / 1_000_000) + 1
  }

  /// Stops the tool itself. It goes on here once somebody continues it; the SIGCONT waits in the signalfd.
  private mutating func stop() {
    stopDeadline = nil
    console?.restore()
    tool_stop()
  }

  private mutating func proceed() {
    stopDeadline = nil
    if let console, console.isForeground { console.makeRaw() }
    sendWindowSize()
    send(MARTLET_CONTINUE)
  }

  private func sendWindowSize() {
    guard let size = console?.windowSize() else { return }
    send(MARTLET_WINDOW_SIZE, UInt16(truncatingIfNeeded: size.rows), UInt16(truncatingIfNeeded: size.columns))
  }

  /// A message that the kernel does not take (it is ending, or its queue is full) is dropped.
  private func send(_ kind: Int, _ a: UInt16 = 0, _ b: UInt16 = 0) {
    var message = martlet_message(kind: UInt32(kind), a: a, b: b)
    _ = Glibc.send(
      channel.number, &message, MemoryLayout<martlet_message>.size,
      Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
  }
}
