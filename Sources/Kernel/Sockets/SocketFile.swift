import CLinux
import Machine

/// The open file of a socket.
public final class SocketFile: File {
  let socket: UnixSocket

  init(_ socket: UnixSocket, _ credentials: Credentials, flags: Int32) {
    self.socket = socket
    let inode = AnonymousInode(
      .socket, mode: FileType.socket | 0o777, uid: credentials.fsuid, gid: credentials.fsgid)
    super.init(inode: inode, flags: O_RDWR | flags)
  }
  deinit { socket.close() }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try socket.receive(&buffers, 0, isNonBlocking: isNonBlocking).count
  }
  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try Task.withCurrentTask { (task) throws(Errno) -> Int in
      try send(task, &buffers, 0, to: nil, hasAddress: false, SentControl())
    }
  }
  /// Sends, with SIGPIPE where the other end is gone, unless MSG_NOSIGNAL.
  func send(
    _ task: Task, _ buffers: inout IOBuffers, _ flags: UInt32, to address: UnixAddress?, hasAddress: Bool,
    _ control: SentControl
  ) throws(Errno) -> Int {
    do throws(Errno) {
      return try socket.send(
        task, &buffers, flags, isNonBlocking: isNonBlocking, to: address, hasAddress: hasAddress, control)
    } catch {
      if error == .brokenPipe && flags & MessageFlags.noSignal == 0 && socket.type != SocketType.datagram {
        sendBrokenPipe(task)
      }
      throw error
    }
  }
  public override func poll(_ table: PollTable?) -> PollEvents { socket.poll(table) }
  public override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    let result: Int
    switch Int32(bitPattern: request) {
    case FIONREAD: result = socket.pendingBytes
    case TIOCOUTQ: result = socket.sentBytes
    default: throw .notTerminal
    }
    try UserPointer<Int32>(argument).copyOut(Int32(truncatingIfNeeded: result))
    return 0
  }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) { throw .illegalSeek }
}

extension Task {
  /// Runs `body` on the socket `descriptor`. Errors: EBADF, ENOTSOCK.
  func withSocket<R>(_ descriptor: Int32, _ body: (SocketFile) throws(Errno) -> R) throws(Errno) -> R {
    try withFile(descriptor) { (file) throws(Errno) -> R in
      guard let file = file as? SocketFile else { throw .notSocket }
      return try body(file)
    }
  }
}
