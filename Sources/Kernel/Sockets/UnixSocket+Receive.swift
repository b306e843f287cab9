import CLinux
import Machine
import Synchronization

/// What a receive got beside its bytes.
struct Received {
  var count = 0
  /// MSG_* to report.
  var flags: UInt32 = 0
  var identity: SocketIdentity?
  var files: [File] = []
  /// Whom a datagram is from.
  var name: UnixAddress?
}

/// Receiving: recv(2), read(2).
extension UnixSocket {
  /// Errors: EINVAL (a stream without a connection), ENOTCONN (a sequenced one), EAGAIN, EFAULT, `.restart`, and the
  /// socket's pending error.
  func receive(_ buffers: inout IOBuffers, _ flags: UInt32, isNonBlocking: Bool) throws(Errno) -> Received {
    if flags & MessageFlags.outOfBand != 0 { throw .notSupported }
    let isNonBlocking = isNonBlocking || flags & MessageFlags.dontWait != 0
    return type == SocketType.stream
      ? try receiveStream(&buffers, flags, isNonBlocking) : try receiveMessage(&buffers, flags, isNonBlocking)
  }

  private func receiveStream(_ buffers: inout IOBuffers, _ flags: UInt32, _ isNonBlocking: Bool) throws(Errno)
    -> Received
  {
    guard state.withLock({ $0.phase == .connected }) else { throw .invalid }
    var result = Received()
    let wanted = buffers.count
    let target =
      flags & MessageFlags.waitAll != 0 ? wanted : min(wanted, max(1, Int(lowWater.load(ordering: .relaxed))))
    if wanted == 0 { return result }
    while true {
      let isComplete = try reading.withLock { (_) throws(Errno) -> Bool in try takeBytes(&buffers, flags, &result) }
      // A peek tells what is there, and does not wait for the rest.
      if isComplete || result.count >= target || result.count > 0 && flags & MessageFlags.peek != 0 { return result }
      do throws(Errno) {
        let (error, isOver) = state.withLock { state -> (Int32, Bool) in
          guard state.messages.isEmpty else { return (0, false) }
          let error = state.takeError()
          return (error, error == 0 && state.isReadShut)
        }
        if error != 0 { throw Errno(error) }
        if isOver { return result }
        if isNonBlocking { throw .wouldBlock }
        try wait(readers, receiveTimeout.load(ordering: .relaxed)) { () throws(Errno) -> Bool in
          state.withLock { !$0.messages.isEmpty || $0.isReadShut || $0.error != 0 }
        }
      } catch {
        if result.count > 0 { return result }
        throw error
      }
    }
  }

  /// Moves what is queued. Returns whether the call is over: descriptors came, or another writer's bytes follow. `reading`
  /// is held, so messages only come, and only this takes them.
  private func takeBytes(_ buffers: inout IOBuffers, _ flags: UInt32, _ result: inout Received) throws(Errno) -> Bool {
    let isPeek = flags & MessageFlags.peek != 0
    let separates = passesCredentials.load(ordering: .relaxed)
    var next = state.withLock { $0.messages.first }
    while let message = next, buffers.count > 0 {
      if let identity = result.identity {
        if separates && identity != message.identity { return true }
      } else {
        result.identity = message.identity
      }
      let rest = message.rest
      let wanted = min(rest.count, buffers.count)
      do throws(Errno) {
        let moved = try buffers.copyOut(rest.slice(0, wanted))
        if moved < wanted { throw .fault }
      } catch {
        if result.count > 0 { return true }
        throw error
      }
      result.count += wanted
      if isPeek {
        result.files = message.files
        next = state.withLock { $0.messages.after(message) }
        if !result.files.isEmpty { return true }
        continue
      }
      message.offset += wanted
      if !message.files.isEmpty {
        result.files = message.files
        message.files = []
      }
      let isDone = message.offset == message.count
      next = state.withLock { state -> SocketMessage? in
        state.messages.consumed(wanted)
        if isDone { state.messages.remove(message) }
        if state.messages.isEmpty { state.nesting = 0 }
        return state.messages.first
      }
      if !result.files.isEmpty { return true }
    }
    return false
  }

  /// Takes one message, of a datagram or sequenced socket; what does not fit of it is lost.
  private func receiveMessage(_ buffers: inout IOBuffers, _ flags: UInt32, _ isNonBlocking: Bool) throws(Errno)
    -> Received
  {
    if type == SocketType.sequenced && state.withLock({ $0.phase != .connected }) { throw .notConnected }
    while true {
      if let result = try reading.withLock({ (_) throws(Errno) -> Received? in try takeMessage(&buffers, flags) }) {
        return result
      }
      let (error, isOver) = state.withLock { state -> (Int32, Bool) in
        guard state.messages.isEmpty else { return (0, false) }
        let error = state.takeError()
        return (error, error == 0 && state.isReadShut)
      }
      if error != 0 { throw Errno(error) }
      if isOver { return Received() }
      if isNonBlocking { throw .wouldBlock }
      try wait(readers, receiveTimeout.load(ordering: .relaxed), exclusive: true) { () throws(Errno) -> Bool in
        state.withLock { !$0.messages.isEmpty || $0.isReadShut || $0.error != 0 }
      }
    }
  }
  private func takeMessage(_ buffers: inout IOBuffers, _ flags: UInt32) throws(Errno) -> Received? {
    guard let message = state.withLock({ $0.messages.first }) else { return nil }
    let isPeek = flags & MessageFlags.peek != 0
    if !isPeek {
      let wasFull = state.withLock { state -> Bool in
        let wasFull = state.messages.count > Self.maximumDatagrams
        state.messages.remove(message)
        if state.messages.isEmpty { state.nesting = 0 }
        return wasFull
      }
      if wasFull { writers.wake() }
    }
    var result = Received()
    let wanted = min(message.count, buffers.count)
    if wanted > 0, try buffers.copyOut(message.rest.slice(0, wanted)) < wanted { throw .fault }
    result.count = flags & MessageFlags.truncated != 0 ? message.count : wanted
    if wanted < message.count { result.flags |= MessageFlags.truncated }
    if type == SocketType.sequenced { result.flags |= MessageFlags.endOfRecord }
    result.identity = message.identity
    result.name = message.name
    result.files = message.files
    if !isPeek { message.files = [] }
    return result
  }

  /// FIONREAD: the bytes that wait; of a datagram socket the next message's.
  var pendingBytes: Int {
    state.withLock { state in type == SocketType.stream ? state.messages.bytes : state.messages.first?.count ?? 0 }
  }
}
