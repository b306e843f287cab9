import CLinux
import Machine
import Synchronization

/// Names and connections: bind(2), listen(2), accept(2), connect(2), socketpair(2).
extension UnixSocket {
  /// Makes two connected to each other.
  static func pair(type: Int32, _ identity: SocketIdentity) -> (UnixSocket, UnixSocket) {
    let a = UnixSocket(type: type), b = UnixSocket(type: type)
    for (one, other) in [(a, b), (b, a)] {
      one.state.withLock { state in
        state.phase = .connected
        state.peer = other
        state.peerIdentity = identity
      }
    }
    return (a, b)
  }

  /// Implements bind(2); a nil `address` takes a free abstract name. Errors: EINVAL where it has a name, EADDRINUSE, those
  /// of mknod(2).
  func bind(_ task: Task, _ address: UnixAddress?) throws(Errno) {
    // Only one call names it. A node is made without a lock: directories' come first.
    try claimName()
    do throws(Errno) {
      guard let address else { return try bindAutomatically() }
      if address.isAbstract {
        guard unixNames.borrowed.with({ $0.add(address, self) }) else { throw .addressInUse }
        nameIs(address, nil)
        return
      }
      let inode = try makeNode(task, address.path)
      nameIs(address, inode)
      unixNames.borrowed.with { $0.add(inode, self) }
    } catch {
      state.withLock { $0.isBinding = false }
      throw error
    }
  }
  /// Errors: EINVAL where it has a name, or gets one.
  private func claimName() throws(Errno) {
    try state.withLock { (state) throws(Errno) in
      if state.address != nil || state.isBinding { throw Errno.invalid }
      state.isBinding = true
    }
  }
  private func nameIs(_ address: UnixAddress, _ inode: Inode?) {
    state.withLock { state in
      state.address = address
      state.inode = inode
      state.isBinding = false
    }
  }
  private func makeNode(_ task: Task, _ path: [UInt8]) throws(Errno) -> Inode {
    try task.credentials.borrowed.with { (c) throws(Errno) -> Inode in
      var walk = try task.walk(AT_FDCWD, path, [], c)
      let mode = FileType.socket | 0o777 & ~task.context.with { $0.umask }
      do throws(Errno) {
        return try Names.make(&walk, c, isDirectory: false) { (directory, name) throws(Errno) -> Inode in
          try directory.mknod(name, Permissions.newFile(mode, in: directory, c))
        }.dentry.inode
      } catch {
        throw error == .exists ? .addressInUse : error
      }
    }
  }
  /// Five hexadecimal digits behind a NUL. The name is claimed.
  private func bindAutomatically() throws(Errno) {
    for _ in 0..<1 << 20 {
      let number = automaticNames.add(1, ordering: .relaxed).oldValue & 0xfffff
      var bytes: [UInt8] = [0]
      for shift in [16, 12, 8, 4, 0] as [UInt32] {
        let digit = UInt8(truncatingIfNeeded: number &>> shift & 15)
        bytes.append(digit < 10 ? 48 &+ digit : 87 &+ digit)
      }
      let address = UnixAddress(bytes)
      if unixNames.borrowed.with({ $0.add(address, self) }) {
        nameIs(address, nil)
        return
      }
    }
    throw .noSpace
  }
  /// A sender that passes credentials has a name. Errors: ENOSPC.
  func bindIfNeeded() throws(Errno) {
    guard passesCredentials.load(ordering: .relaxed) else { return }
    do throws(Errno) { try claimName() } catch { return }
    do throws(Errno) { try bindAutomatically() } catch {
      state.withLock { $0.isBinding = false }
      throw error
    }
  }

  /// Implements listen(2). Errors: EOPNOTSUPP, EINVAL without a name or with a connection.
  func listen(_ backlog: Int32, _ identity: SocketIdentity) throws(Errno) {
    guard isConnectionOriented else { throw .notSupported }
    try state.withLock { (state) throws(Errno) in
      guard state.address != nil, state.phase == .unconnected || state.phase == .listening else { throw Errno.invalid }
      // A negative one is a large one, as for Linux, which compares without sign.
      state.backlog = Int(min(UInt32(bitPattern: backlog), 4096))
      state.phase = .listening
      state.peerIdentity = identity
    }
    writers.wakeAll()  // those who wait for room
  }

  /// Implements accept(2). Errors: EOPNOTSUPP, EINVAL, EAGAIN, `.restart`.
  func accept(isNonBlocking: Bool) throws(Errno) -> UnixSocket {
    guard isConnectionOriented else { throw .notSupported }
    var found: UnixSocket?
    func take() throws(Errno) -> Bool {
      found = try state.withLock { (state) throws(Errno) -> UnixSocket? in
        guard state.phase == .listening, !state.isReadShut else { throw .invalid }
        return state.pending.isEmpty ? nil : state.pending.removeFirst()
      }
      return found != nil
    }
    if try !take() {
      if isNonBlocking { throw .wouldBlock }
      try wait(readers, receiveTimeout.load(ordering: .relaxed), exclusive: true, for: take)
    }
    writers.wake()  // one more may connect
    guard let found else { throw .wouldBlock }
    return found
  }

  /// The socket that has the name `address`. Errors: ECONNREFUSED, EPROTOTYPE, those of a path.
  func find(_ task: Task, _ address: UnixAddress) throws(Errno) -> UnixSocket {
    if address.isAbstract {
      guard let found = unixNames.borrowed.with({ $0.find(address, type: type) }) else { throw .connectionRefused }
      return found
    }
    let path = try task.resolve(address.path)
    let inode = path.dentry.inode
    try task.credentials.borrowed.with { (c) throws(Errno) in try inode.checkPermission(2, c) }
    guard inode.type == FileType.socket, let found = unixNames.borrowed.with({ $0.find(inode) }) else {
      throw .connectionRefused
    }
    if found.type != type { throw .wrongProtocolType }
    return found
  }

  /// Implements connect(2) of a stream or sequenced socket. Errors: EISCONN, EINVAL, ECONNREFUSED, EAGAIN, `.restart`,
  /// those of `find`.
  func connect(_ task: Task, _ address: UnixAddress, isNonBlocking: Bool) throws(Errno) {
    try bindIfNeeded()
    while true {
      let other = try find(task, address)
      let isDone = try setup.withLock { (_) throws(Errno) -> Bool in
        let own = state.withLock { state in (phase: state.phase, address: state.address) }
        switch own.phase {
        case .unconnected: break
        case .connected: throw .isConnected
        case .listening, .closed: throw .invalid
        }
        let new = UnixSocket(type: type)
        new.passesCredentials.store(other.passesCredentials.load(ordering: .relaxed), ordering: .relaxed)
        let identity = SocketIdentity(effectiveOf: task)
        let name = other.address
        // Complete before it is queued: whoever accepts it may use it at once.
        new.state.withLock { state in
          state.phase = .connected
          state.peer = self
          state.address = name
          state.peerIdentity = identity
        }
        let (queued, theirs) = try other.state.withLock { (there) throws(Errno) -> (Bool, SocketIdentity) in
          guard there.phase == .listening, !there.isReadShut else { throw .connectionRefused }
          if there.pending.count > there.backlog { return (false, SocketIdentity()) }
          there.pending.append(new)
          return (true, there.peerIdentity)
        }
        if !queued { return false }
        state.withLock { state in
          state.phase = .connected
          state.peer = new
          state.peerIdentity = theirs
        }
        return true
      }
      if isDone {
        other.readers.wake(events: PollEvents.in.union(.readNormal).rawValue)
        return
      }
      if isNonBlocking { throw .wouldBlock }
      try wait(other.writers, sendTimeout.load(ordering: .relaxed), exclusive: true) { () throws(Errno) -> Bool in
        other.state.withLock { $0.phase != .listening || $0.isReadShut || $0.pending.count <= $0.backlog }
      }
    }
  }

  /// connect(2) of a datagram socket: where it sends to, and from whom it takes. Nil: from and to everyone.
  func setPeer(_ task: Task, _ address: UnixAddress?) throws(Errno) {
    var new: UnixSocket?
    if let address {
      try bindIfNeeded()
      let other = try find(task, address)
      if !other.accepts(from: self) { throw .notPermitted }
      new = other
    }
    let old = setup.withLock { _ in
      state.withLock { state -> UnixSocket? in
        let old = state.peer
        state.peer = new
        state.phase = new == nil ? .unconnected : .connected
        return old
      }
    }
    _ = old  // dropped without the lock
  }
  /// Whether a datagram from `sender` may come: it is not connected to someone else.
  func accepts(from sender: UnixSocket) -> Bool { state.withLock { $0.peer == nil || $0.peer === sender } }

  var address: UnixAddress? { state.withLock { $0.address } }
  /// getpeername(2). Errors: ENOTCONN.
  func peerAddress() throws(Errno) -> UnixAddress? {
    let peer = state.withLock { state in state.phase == .connected ? state.peer : nil }
    guard let peer else { throw .notConnected }
    return peer.address
  }
}

private let automaticNames = Atomic<UInt32>(0)
