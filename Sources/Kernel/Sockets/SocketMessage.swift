import CLinux
import Machine

/// Who sent a message, or who a peer is: SCM_CREDENTIALS, SO_PEERCRED.
struct SocketIdentity: Equatable {
  var pid: Int32 = 0
  var uid: UInt32 = .max, gid: UInt32 = .max
  /// The sender said it himself, or the kernel did.
  init() {}
  init(of task: Task) {
    pid = Int32(truncatingIfNeeded: task.process.id)
    task.credentials.borrowed.with { c in
      uid = c.uid
      gid = c.gid
    }
  }
  init(effectiveOf task: Task) {
    pid = Int32(truncatingIfNeeded: task.process.id)
    task.credentials.borrowed.with { c in
      uid = c.euid
      gid = c.egid
    }
  }
  init(pid: Int32, uid: UInt32, gid: UInt32) {
    self.pid = pid
    self.uid = uid
    self.gid = gid
  }
  static func == (a: SocketIdentity, b: SocketIdentity) -> Bool { a.pid == b.pid && a.uid == b.uid && a.gid == b.gid }
}

/// What lies in a socket's queue: what one send put there, or a part of it. It is charged to its sender until it dies.
final class SocketMessage: Listed {
  typealias Listee = SocketMessage
  var link = Link<SocketMessage>()  // the receiver's queue; under its lock
  let data: KernelBuffer
  let count: Int
  var offset = 0  // read so far; under the receiver's `reading`
  var files: [File]  // likewise
  let identity: SocketIdentity
  /// The sender's name, for datagrams.
  let name: UnixAddress?
  private let sender: UnixSocket
  private let charge: Int

  /// Takes `count` bytes of `buffers`. Errors: EFAULT, ENOMEM.
  init(
    _ buffers: inout IOBuffers, count: Int, sender: UnixSocket, _ identity: SocketIdentity, _ files: [File],
    name: UnixAddress?
  ) throws(Errno) {
    let data = try KernelBuffer(unclearedCount: max(count, 1))
    if count > 0, try buffers.copyIn(data.bytes.slice(0, count)) != count { throw .fault }
    self.data = data
    self.count = count
    self.identity = identity
    self.files = files
    self.name = name
    self.sender = sender
    charge = Self.charge(count)
    sender.charge(charge)
  }
  deinit { sender.uncharge(charge) }

  var rest: KernelBytes { data.bytes.slice(offset, count &- offset) }
  /// What a message of `count` bytes counts against SO_SNDBUF: with its overhead, as Linux's truesize.
  static func charge(_ count: Int) -> Int { max(768, (count &+ 63) & ~63 &+ 576) }
}

/// The messages of a receiver, which it owns.
struct MessageQueue: ~Copyable {
  private var list = IntrusiveList<SocketMessage>()
  private(set) var count = 0
  private(set) var bytes = 0  // unread

  init() {}
  var isEmpty: Bool { list.isEmpty }

  mutating func append(_ message: SocketMessage) {
    Borrowed(message).retain()
    list.append(message)
    count &+= 1
    bytes &+= message.count
  }
  var first: SocketMessage? { list.first?.object }
  func after(_ message: SocketMessage) -> SocketMessage? { list.after(message)?.object }
  /// Takes `message`, which is on it, off. The caller has a reference of its own, and drops it without the lock.
  mutating func remove(_ message: SocketMessage) {
    list.remove(message)
    count &-= 1
    bytes &-= message.count &- message.offset
    Borrowed(message).release()
  }
  mutating func consumed(_ count: Int) { bytes &-= count }
  mutating func popFirst() -> SocketMessage? {
    guard let message = first else { return nil }
    remove(message)
    return message
  }
}
