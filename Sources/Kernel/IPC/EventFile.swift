import CLinux
import Machine
import Synchronization

/// An eventfd(2): a counter of 64 bits.
public final class EventFile: File {
  private let counter: Atomic<UInt64>
  private let isSemaphore: Bool
  private let queue = WaitQueue()

  init(_ value: UInt64, inode: Inode, flags: Int32, isSemaphore: Bool) {
    counter = Atomic(value)
    self.isSemaphore = isSemaphore
    super.init(inode: inode, flags: flags)
  }

  private static var maximum: UInt64 { .max - 1 }

  /// Takes the counter, or one off it; nil where it is zero.
  private func take() -> UInt64? {
    var seen = counter.load(ordering: .sequentiallyConsistent)
    while seen != 0 {
      let taken = isSemaphore ? 1 : seen
      let (exchanged, original) = counter.compareExchange(
        expected: seen, desired: seen &- taken, ordering: .sequentiallyConsistent)
      if exchanged { return taken }
      seen = original
    }
    return nil
  }
  /// Adds `value`; false where it does not fit now.
  private func add(_ value: UInt64) -> Bool {
    var seen = counter.load(ordering: .sequentiallyConsistent)
    while Self.maximum - min(seen, Self.maximum) >= value {
      let (exchanged, original) = counter.compareExchange(
        expected: seen, desired: seen &+ value, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      seen = original
    }
    return false
  }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard buffers.count >= 8 else { throw .invalid }
    var value: UInt64? = take()
    if value == nil {
      if isNonBlocking { throw .wouldBlock }
      try queue.wait { () throws(Errno) -> Bool in
        value = take()
        return value != nil
      }
    }
    queue.wake(events: PollEvents.out.rawValue)
    return try buffers.copyOut(value: value ?? 0)
  }

  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    guard buffers.count >= 8 else { throw .invalid }
    let value = try buffers.copyIn(valueOf: UInt64.self)
    if value == .max { throw .invalid }
    if !add(value) {
      if isNonBlocking { throw .wouldBlock }
      try queue.wait { () throws(Errno) -> Bool in add(value) }
    }
    queue.wake(events: PollEvents.in.rawValue)
    return 8
  }

  public override var label: [UInt8] { Array("anon_inode:[eventfd]".utf8) }
  /// As Linux: it does nothing.
  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { position }
  public override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(queue)
    let value = counter.load(ordering: .sequentiallyConsistent)
    var events: PollEvents = []
    if value > 0 { events.insert(.in) }
    if value == .max { events.insert(.error) }
    if value < Self.maximum { events.insert(.out) }
    return events
  }

  /// The line of /proc/PID/fdinfo.
  var count: UInt64 { counter.load(ordering: .relaxed) }
}
