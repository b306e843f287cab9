import CLinux
import Machine
import Synchronization

/// An open file description on a descriptor that Martlet was started with: 0, 1 or 2.
///
/// What the host does with it stays the host's business, since others may share the description: its position is the
/// host's own, and O_NONBLOCK is never set there, only remembered here. Files and what is always ready pass straight
/// through. Elsewhere (pipes, sockets, terminals) nothing is called that could block, which would block a vCPU: the host
/// is asked without blocking where it can be, else poll(2) first, then a call that is ready.
///
/// One that the guest opened anew (/dev/stdout, /proc/self/fd/1) has, where it is a file, a position of its own.
public final class HostStream: File {
  let stream: HostStreamInode
  /// Nil where it is always ready.
  let readiness: HostReadiness?
  private let isFile: Bool
  /// Whether the host tells with RWF_NOWAIT whether a call would block; some terminals and older pipes cannot.
  private let canAsk = Atomic<Bool>(true)

  /// Takes the descriptor `number` over for the machine's life. Errors: EBADF where it is closed.
  public convenience init(_ number: Int32) throws(Errno) {
    let inode = try HostStreamInode(number)
    self.init(inode, path: nil, flags: try inode.descriptor.statusFlags())
    position = -1
  }
  init(_ inode: HostStreamInode, path: Path?, flags: Int32) {
    isFile = inode.type == FileType.regular || inode.type == FileType.blockDevice
    stream = inode
    readiness = inode.readiness
    super.init(inode: inode, path: path, flags: flags)
  }

  public override var isSeekable: Bool { isFile && position >= 0 }
  public override var hasOffsets: Bool { isFile }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard let readiness else {
      return try buffers.readHost(stream.descriptor, at: offset < 0 || !isFile ? nil : offset)
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
          return try buffers.readHost(stream.descriptor, nonBlocking: true)
        } catch {
          if error != .notSupported { throw error }
          canAsk.store(false, ordering: .relaxed)
        }
      }
      if stream.descriptor.readiness(LINUX_EPOLLIN) == 0 { return nil }
      return try buffers.readHost(stream.descriptor)
    } catch {
      if error == .wouldBlock { return nil }
      throw error
    }
  }

  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    guard let readiness else {
      if isSeekable && (flags & O_APPEND != 0 || buffers.appends) { offset = inode.size }
      return try buffers.writeHost(stream.descriptor, at: offset < 0 || !isFile ? nil : offset)
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
          return try buffers.writeHost(stream.descriptor, nonBlocking: true)
        } catch {
          if error != .notSupported { throw error }
          canAsk.store(false, ordering: .relaxed)
        }
      }
      if stream.descriptor.readiness(LINUX_EPOLLOUT) == 0 { return nil }
      return try buffers.writeHost(stream.descriptor, limit: Int(PIPE_BUF))
    } catch {
      if error == .wouldBlock { return nil }
      throw error
    }
  }

  private func wait(_ readiness: HostReadiness, _ events: UInt32) throws(Errno) {
    try readiness.queue.wait { () throws(Errno) -> Bool in
      if stream.descriptor.readiness(events) != 0 { return true }
      try readiness.watch(events)  // fires at once where it became ready meanwhile
      return false
    }
  }

  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    if !isSeekable { return try stream.descriptor.seek(offset, whence) }
    let base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position : whence == SEEK_END ? inode.size : -1
    guard base >= 0, base &+ offset >= 0 else { throw .invalid }
    position = base &+ offset
    return position
  }
  public override func sync(dataOnly: Bool) throws(Errno) { try stream.descriptor.sync(dataOnly: dataOnly) }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) {
    try stream.descriptor.allocate(mode, offset, count)
  }

  public override func poll(_ table: PollTable?) -> PollEvents {
    guard let readiness else { return [.in, .out, .readNormal, .writeNormal] }
    let asked = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP
    if let table { table.register(readiness.queue) }
    let ready = stream.descriptor.readiness(asked)
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
    case FIONREAD: try UserPointer<Int32>(argument).copyOut(try stream.descriptor.bytesWaiting())
    case TCGETS:
      try UserPointer<linux_termios>(argument).copyOut(linux_termios(try stream.descriptor.terminalAttributes()))
    case Int32(bitPattern: LINUX_TCGETS2):
      try UserPointer<termios2>(argument).copyOut(try stream.descriptor.terminalAttributes())
    case TIOCGWINSZ: try UserPointer<linux_winsize>(argument).copyOut(try stream.descriptor.windowSize())
    case FIONBIO:
      flags = try UserPointer<Int32>(argument).copyIn() != 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    case TCSETS, TCSETSW, TCSETSF:
      _ = try stream.descriptor.terminalAttributes()
      Log.info("descriptor \(stream.descriptor.number) is a terminal of the host but not the console: its modes stay")
      throw .notPermitted
    default: throw .notTerminal
    }
    return 0
  }
}
