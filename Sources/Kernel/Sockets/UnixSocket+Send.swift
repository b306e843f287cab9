import CLinux
import Machine
import Synchronization

/// What a send brings beside its bytes: cmsg(3).
struct SentControl {
  var identity: SocketIdentity?
  var files: [File] = []
}

/// Sending: send(2), write(2).
extension UnixSocket {
  /// The most that one message of a stream holds.
  private static var chunk: Int { 32768 }
  /// How deep sockets may lie in messages of sockets that lie in messages…
  private static var maximumNesting: Int { 4 }

  /// Sends to the peer, or a datagram to `address`. Returns the bytes sent. Errors: EPIPE (the caller sends SIGPIPE),
  /// ENOTCONN, EISCONN, ECONNREFUSED, EMSGSIZE, EAGAIN, ETOOMANYREFS, EFAULT, ENOMEM, `.restart`.
  func send(
    _ task: Task, _ buffers: inout IOBuffers, _ flags: UInt32, isNonBlocking: Bool, to address: UnixAddress?,
    hasAddress: Bool, _ control: SentControl
  ) throws(Errno) -> Int {
    if flags & MessageFlags.outOfBand != 0 { throw .notSupported }
    let isNonBlocking = isNonBlocking || flags & MessageFlags.dontWait != 0
    let identity = control.identity ?? SocketIdentity(of: task)
    let nesting = try nesting(of: control.files)
    if type == SocketType.stream {
      if hasAddress { throw state.withLock { $0.phase == .connected } ? .isConnected : .notSupported }
      return try sendStream(&buffers, isNonBlocking, identity, control.files, nesting)
    }
    if hasAddress && type == SocketType.sequenced && state.withLock({ $0.phase != .connected }) { throw .notConnected }
    // As Linux: a sequenced socket ignores the address.
    let target = type == SocketType.sequenced ? nil : address
    return try sendDatagram(task, &buffers, isNonBlocking, identity, control.files, nesting, to: target)
  }

  private func sendStream(
    _ buffers: inout IOBuffers, _ isNonBlocking: Bool, _ identity: SocketIdentity, _ files: [File], _ nesting: Int
  ) throws(Errno) -> Int {
    let (peer, error) = state.withLock { state -> (UnixSocket?, Int32) in
      (state.phase == .connected ? state.peer : nil, state.takeError())
    }
    if error != 0 { throw Errno(error) }
    guard let peer else { throw .notConnected }
    var total = 0
    var files = files
    while buffers.count > 0 {
      do throws(Errno) {
        if state.withLock({ $0.isWriteShut }) { throw .brokenPipe }
        if !hasRoom {
          if isNonBlocking { throw .wouldBlock }
          try wait(writers, sendTimeout.load(ordering: .relaxed)) { () throws(Errno) -> Bool in
            hasRoom || state.withLock { $0.isWriteShut }
          }
          continue
        }
        let half = max(sendBuffer.load(ordering: .relaxed) / 2 &- 64, 64)
        let message = try SocketMessage(
          &buffers, count: min(buffers.count, Self.chunk, half), sender: self, identity, files, name: nil)
        try peer.enqueue(message, nesting)
        files = []
        total += message.count
      } catch {
        if total > 0 { return total }
        throw error
      }
    }
    return total
  }

  private func sendDatagram(
    _ task: Task, _ buffers: inout IOBuffers, _ isNonBlocking: Bool, _ identity: SocketIdentity, _ files: [File],
    _ nesting: Int, to address: UnixAddress?
  ) throws(Errno) -> Int {
    try bindIfNeeded()
    let (connected, name, error) = state.withLock { state -> (UnixSocket?, UnixAddress?, Int32) in
      (state.phase == .connected ? state.peer : nil, state.address, state.takeError())
    }
    if error != 0 { throw Errno(error) }
    if address == nil && connected == nil { throw .notConnected }
    let count = buffers.count
    if count > sendBuffer.load(ordering: .relaxed) &- 32 { throw .messageSize }
    if state.withLock({ $0.isWriteShut }) { throw .brokenPipe }
    while !hasRoom {
      if isNonBlocking { throw .wouldBlock }
      try wait(writers, sendTimeout.load(ordering: .relaxed)) { () throws(Errno) -> Bool in
        hasRoom || state.withLock { $0.isWriteShut }
      }
      if state.withLock({ $0.isWriteShut }) { throw .brokenPipe }
    }
    let message = try SocketMessage(&buffers, count: count, sender: self, identity, files, name: name)
    while true {
      let peer: UnixSocket
      if let address {
        peer = try find(task, address)
      } else if let connected {
        peer = connected
      } else {
        throw .notConnected
      }
      if type == SocketType.datagram && !peer.accepts(from: self) { throw .notPermitted }
      if try peer.tryEnqueue(message, nesting, isDatagram: type == SocketType.datagram) { return count }
      if isNonBlocking { throw .wouldBlock }
      try wait(peer.writers, sendTimeout.load(ordering: .relaxed), exclusive: true) { () throws(Errno) -> Bool in
        peer.state.withLock { $0.phase == .closed || $0.isReadShut || $0.messages.count <= Self.maximumDatagrams }
      }
    }
  }

  /// Takes a stream's message into the own queue. Errors: EPIPE.
  private func enqueue(_ message: SocketMessage, _ nesting: Int) throws(Errno) {
    try state.withLock { (state) throws(Errno) in
      if state.phase == .closed || state.isReadShut { throw Errno.brokenPipe }
      state.messages.append(message)
      state.nesting = max(state.nesting, nesting)
    }
    readers.wake(.max, events: PollEvents.in.union(.readNormal).rawValue)
  }
  /// The same for a message that stays whole; false where the queue is full. Errors: EPIPE, ECONNREFUSED.
  private func tryEnqueue(_ message: SocketMessage, _ nesting: Int, isDatagram: Bool) throws(Errno) -> Bool {
    let isQueued = try state.withLock { (state) throws(Errno) -> Bool in
      if state.phase == .closed { throw isDatagram ? .connectionRefused : .brokenPipe }
      if state.isReadShut { throw .brokenPipe }
      // A socket that sends to itself or back cannot wait for itself; sequenced ones have their sender's buffer only.
      if isDatagram && state.messages.count > Self.maximumDatagrams { return false }
      state.messages.append(message)
      state.nesting = max(state.nesting, nesting)
      return true
    }
    if isQueued { readers.wake(events: PollEvents.in.union(.readNormal).rawValue) }
    return isQueued
  }

  /// How deep a message with `files` nests sockets. Errors: ETOOMANYREFS.
  private func nesting(of files: [File]) throws(Errno) -> Int {
    var deepest = -1
    for file in files {
      guard let file = file as? SocketFile else { continue }
      deepest = max(deepest, file.socket.state.withLock { $0.nesting })
    }
    if deepest > Self.maximumNesting { throw .tooManyReferences }
    return deepest + 1
  }
}
