import CLinux
import Machine
import Synchronization

/// A UNIX socket: unix(7). Its file closes it; a connection that nobody accepted yet has no file.
///
/// Three locks, in this order: `setup` (sleeping) while its connections are changed by a call on it; `reading`
/// (sleeping) while a call takes from its queue; `state` (a spinlock) for the rest. No two sockets' `state` are held
/// together. Senders copy first and append then, so no copy is made under a spinlock.
final class UnixSocket {
  let type: Int32
  let setup = Mutex<Void>((), rank: .binding)
  let reading = Mutex<Void>((), rank: .socket)
  let state = SpinLock<UnixState>(UnixState(), rank: .socket)
  /// Readers and who accepts; writers, and who waits to connect.
  let readers = WaitQueue(), writers = WaitQueue()
  /// What its messages in others' queues count.
  private let sent = Atomic<Int>(0)
  // Options; racing calls set one or the other.
  let sendBuffer = Atomic<Int>(UnixSocket.defaultBuffer), receiveBuffer = Atomic<Int>(UnixSocket.defaultBuffer)
  let sendTimeout = Atomic<UInt64>(0), receiveTimeout = Atomic<UInt64>(0)  // nanoseconds; 0 none
  let lowWater = Atomic<Int32>(1)
  let passesCredentials = Atomic<Bool>(false)
  let options = Atomic<UInt32>(0)  // a bit for each of the options that only are remembered
  let linger = Atomic<UInt64>(0)

  static var defaultBuffer: Int { 212_992 }
  /// Datagrams that may wait: /proc/sys/net/unix/max_dgram_qlen.
  static var maximumDatagrams: Int { 10 }

  init(type: Int32) { self.type = type }

  var isConnectionOriented: Bool { type != SocketType.datagram }

  // MARK: the send buffer

  func charge(_ count: Int) { sent.add(count, ordering: .sequentiallyConsistent) }
  func uncharge(_ count: Int) {
    sent.subtract(count, ordering: .sequentiallyConsistent)
    if isWritable { writers.wakeAll(events: PollEvents.out.union(.writeNormal).rawValue) }
  }
  /// Whether a blocking send goes on.
  var hasRoom: Bool { sent.load(ordering: .acquiring) < sendBuffer.load(ordering: .relaxed) }
  /// What poll(2) calls writable: a quarter of the buffer is used at most.
  var isWritable: Bool { sent.load(ordering: .acquiring) &* 4 <= sendBuffer.load(ordering: .relaxed) }
  var sentBytes: Int { sent.load(ordering: .relaxed) }

  // MARK: waiting

  /// Sleeps on `queue`. Errors: EAGAIN past the timeout (SO_RCVTIMEO, SO_SNDTIMEO), EINTR where one is set, `.restart`.
  func wait(
    _ queue: WaitQueue, _ timeout: UInt64, exclusive: Bool = false, for condition: () throws(Errno) -> Bool
  ) throws(Errno) {
    let deadline: Deadline = timeout == 0 ? .never : .after(nanoseconds: timeout)
    do throws(Errno) { try queue.wait(until: deadline, exclusive: exclusive, for: condition) } catch {
      if error == .timedOut { throw .wouldBlock }
      throw error == .restart && timeout != 0 ? .interrupted : error
    }
  }

  // MARK: shutdown, close

  /// Implements shutdown(2); without a connection it is only remembered.
  func shutDown(reads: Bool, writes: Bool) {
    let peer = state.withLock { state -> UnixSocket? in
      state.shut(reads: reads, writes: writes)
      return isConnectionOriented ? state.peer : nil
    }
    if let peer {
      peer.state.withLock { $0.shut(reads: writes, writes: reads) }
      peer.wakeAll()
    }
    wakeAll()
  }

  /// Its file is gone, or the listener whose connection it would have been.
  func close(isEmbryo: Bool = false) {
    var left = UnixRemains()
    state.withLock { $0.close(&left) }
    if let address = left.address {
      if let inode = left.inode {
        unixNames.borrowed.with { $0.remove(inode, self) }
      } else if address.isAbstract {
        unixNames.borrowed.with { $0.remove(address, self) }
      }
    }
    if let peer = left.peer, isConnectionOriented {
      peer.state.withLock { state in
        state.shut(reads: true, writes: true)
        if isEmbryo || !left.messages.isEmpty { state.error = ECONNRESET }
      }
      peer.wakeAll()
    }
    for pending in left.pending { pending.close(isEmbryo: true) }
    while let message = left.messages.popFirst() { _ = message }
    wakeAll()
  }
  func wakeAll() {
    readers.wakeAll()
    writers.wakeAll()
  }

  // MARK: poll

  func poll(_ table: PollTable?) -> PollEvents {
    if let table {
      table.register(readers)
      table.register(writers)
    }
    return state.withLock { state in
      var events: PollEvents = []
      if state.error != 0 { events.insert(.error) }
      if state.isReadShut && state.isWriteShut { events.insert(.hangUp) }
      if state.isReadShut { events.formUnion([.readHangUp, .in, .readNormal]) }
      if !state.messages.isEmpty || !state.pending.isEmpty { events.formUnion([.in, .readNormal]) }
      if isConnectionOriented && state.phase == .unconnected { events.insert(.hangUp) }
      if isWritable { events.formUnion([.out, .writeNormal, .writeBand]) }
      return events
    }
  }
}

enum UnixPhase {
  case unconnected, listening, connected, closed
}

struct UnixState: ~Copyable {
  var phase = UnixPhase.unconnected
  /// The other end; of a datagram socket where it sends to. A closed peer stays until this closes too.
  var peer: UnixSocket?
  var address: UnixAddress?
  /// Where the address is a path: its node.
  var inode: Inode?
  /// A call is naming it.
  var isBinding = false
  var messages = MessageQueue()
  /// A listener's connections that nobody accepted.
  var pending: [UnixSocket] = []
  var backlog = 0
  var isReadShut = false, isWriteShut = false
  var error: Int32 = 0
  /// Of the peer: SO_PEERCRED.
  var peerIdentity = SocketIdentity()
  /// How deep sockets in its messages hold messages with sockets.
  var nesting = 0

  mutating func shut(reads: Bool, writes: Bool) {
    if reads { isReadShut = true }
    if writes { isWriteShut = true }
  }
  mutating func takeError() -> Int32 {
    let result = error
    error = 0
    return result
  }
  mutating func close(_ left: inout UnixRemains) {
    phase = .closed
    shut(reads: true, writes: true)
    swap(&left.messages, &messages)
    left.pending = pending
    left.peer = peer
    left.address = address
    left.inode = inode
    pending = []
    peer = nil
    address = nil
    inode = nil
  }
}

/// What a socket had when it closed, to be dropped without its lock.
struct UnixRemains: ~Copyable {
  var messages = MessageQueue()
  var pending: [UnixSocket] = []
  var peer: UnixSocket?
  var address: UnixAddress?
  var inode: Inode?
}
