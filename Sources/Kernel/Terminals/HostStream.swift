import CLinux
import Machine
import Synchronization

/// An open file description on a descriptor that Martlet was started with: 0, 1 or 2.
///
/// What the host does with it stays the host's business, since others may share the description: its position is the
/// host's own, and O_NONBLOCK is never set there, only remembered here. Files and what is always ready pass straight
/// through. Elsewhere (pipes, sockets, terminals) nothing is called that could block, which would block a vCPU: the host
/// is asked without blocking where it can be, else poll(2) first, then a call that is ready.
public final class HostStream: File {
  let descriptor: HostDescriptor
  /// Nil where it is always ready.
  let readiness: HostReadiness?
  private let isFile: Bool
  /// Whether the host tells with RWF_NOWAIT whether a call would block; some terminals and older pipes cannot.
  private let canAsk = Atomic<Bool>(true)

  /// Takes the descriptor `number` over for the machine's life. Errors: EBADF where it is closed.
  public init(_ number: Int32) throws(Errno) {
    guard let descriptor = HostDescriptor.inherited(number) else { throw .badDescriptor }
    let status = try descriptor.status()
    let type = status.st_mode & FileType.mask
    var readiness: HostReadiness?
    if type == FileType.characterDevice || type == FileType.fifo || type == FileType.socket {
      readiness = HostReadiness(descriptor: number)
      // EPERM: /dev/null and its like, which never block.
      do throws(Errno) { try readiness?.watch(0) } catch { readiness = nil }
    }
    let flags = try descriptor.statusFlags()
    isFile = type == FileType.regular || type == FileType.blockDevice
    self.descriptor = descriptor
    self.readiness = readiness
    super.init(inode: try HostStreamInode(number), flags: flags)
    position = -1
  }

  public override var hasOffsets: Bool { isFile }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard let readiness else {
      return try buffers.readHost(descriptor, at: offset < 0 || !isFile ? nil : offset)
    }
    if buffers.count == 0 { return 0 }
    while true {
      if let moved = try tryRead(&buffers) { return moved }
      if isNonBlocking {
        // epoll(7)'s edge: who listens hears of the next byte.
        if !readiness.queue.isEmpty { try? readiness.watch(LINUX_EPOLLIN) }
        throw .wouldBlock
      }
      try wait(readiness, LINUX_EPOLLIN)
    }
  }

  /// Nil: it would block.
  private func tryRead(_ buffers: inout IOBuffers) throws(Errno) -> Int? {
    do throws(Errno) {
      if canAsk.load(ordering: .relaxed) {
        do throws(Errno) {
          return try buffers.readHost(descriptor, nonBlocking: true)
        } catch {
          if error != .notSupported { throw error }
          canAsk.store(false, ordering: .relaxed)
        }
      }
      if descriptor.readiness(LINUX_EPOLLIN) == 0 { return nil }
      return try buffers.readHost(descriptor)
    } catch {
      if error == .wouldBlock { return nil }
      throw error
    }
  }

  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    guard let readiness else {
      return try buffers.writeHost(descriptor, at: offset < 0 || !isFile ? nil : offset)
    }
    var done = 0
    do throws(Errno) {
      repeat {
        if let moved = try tryWrite(&buffers) {
          done &+= moved
          continue
        }
        if isNonBlocking {
          if !readiness.queue.isEmpty { try? readiness.watch(LINUX_EPOLLOUT) }
          throw .wouldBlock
        }
        try wait(readiness, LINUX_EPOLLOUT)
      } while buffers.count > 0
    } catch {
      if error == .brokenPipe { Task.withCurrentTask { sendKernelSignal(SIGPIPE, to: $0) } }
      if done == 0 { throw error }
    }
    return done
  }

  private func tryWrite(_ buffers: inout IOBuffers) throws(Errno) -> Int? {
    do throws(Errno) {
      if canAsk.load(ordering: .relaxed) {
        do throws(Errno) {
          return try buffers.writeHost(descriptor, nonBlocking: true)
        } catch {
          if error != .notSupported { throw error }
          canAsk.store(false, ordering: .relaxed)
        }
      }
      if descriptor.readiness(LINUX_EPOLLOUT) == 0 { return nil }
      return try buffers.writeHost(descriptor, limit: Int(PIPE_BUF))
    } catch {
      if error == .wouldBlock { return nil }
      throw error
    }
  }

  private func wait(_ readiness: HostReadiness, _ events: UInt32) throws(Errno) {
    try readiness.queue.wait { () throws(Errno) -> Bool in
      if descriptor.readiness(events) != 0 { return true }
      try readiness.watch(events)  // fires at once where it became ready meanwhile
      return false
    }
  }

  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { try descriptor.seek(offset, whence) }
  public override func sync(dataOnly: Bool) throws(Errno) { try descriptor.sync(dataOnly: dataOnly) }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) {
    try descriptor.allocate(mode, offset, count)
  }

  public override func poll(_ table: PollTable?) -> PollEvents {
    guard let readiness else { return [.in, .out, .readNormal, .writeNormal] }
    let asked = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP
    if let table { table.register(readiness.queue) }
    let ready = descriptor.readiness(asked)
    // Only what is not there yet is worth a wake-up.
    if table != nil {
      let access = flags & O_ACCMODE
      var missing = LINUX_EPOLLIN | LINUX_EPOLLOUT
      if access == O_RDONLY { missing = LINUX_EPOLLIN } else if access == O_WRONLY { missing = LINUX_EPOLLOUT }
      missing &= ~ready
      if missing != 0 && ready & (LINUX_EPOLLHUP | LINUX_EPOLLERR) == 0 { try? readiness.watch(missing) }
    }
    var events = PollEvents(rawValue: ready)
    if events.contains(.in) { events.insert(.readNormal) }
    if events.contains(.out) { events.insert(.writeNormal) }
    return events
  }

  /// What isatty(3) and the C library ask. A terminal that is not the console belongs to others too: its modes stay as
  /// they are.
  public override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    switch Int32(bitPattern: request) {
    case FIONREAD: try UserPointer<Int32>(argument).copyOut(try descriptor.bytesWaiting())
    case TCGETS: try UserPointer<linux_termios>(argument).copyOut(linux_termios(try descriptor.terminalAttributes()))
    case Int32(bitPattern: LINUX_TCGETS2):
      try UserPointer<termios2>(argument).copyOut(try descriptor.terminalAttributes())
    case TIOCGWINSZ: try UserPointer<linux_winsize>(argument).copyOut(try descriptor.windowSize())
    case FIONBIO:
      flags = try UserPointer<Int32>(argument).copyIn() != 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    case TCSETS, TCSETSW, TCSETSF:
      _ = try descriptor.terminalAttributes()
      Log.info("descriptor \(descriptor.number) is a terminal of the host but not the console: its modes stay")
      throw .notPermitted
    default: throw .notTerminal
    }
    return 0
  }
}
