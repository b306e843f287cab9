import CLinux
import Machine
import Synchronization

/// A pipe or FIFO: pipe(7), fifo(7). Its ends are `PipeFile`s.
///
/// The ring is under a sleeping lock, since a copy from or to the guest may have to fill a page. The four counts are
/// changed under that lock and looked at without: poll(2) and sleepers take none. Readers and writers wait exclusively:
/// one wake-up, one thread; who was woken and leaves something behind wakes the next.
public final class Pipe {
  let ring: Mutex<PipeRing>
  private let occupied = Atomic<Int>(0)
  private let usable: Atomic<Int>
  let readers = Atomic<Int>(0), writers = Atomic<Int>(0)
  /// Openings so far, by which open(2) of a FIFO sees that a partner came.
  let readerOpenings = Atomic<Int>(0), writerOpenings = Atomic<Int>(0)
  let canRead = WaitQueue(), canWrite = WaitQueue()
  /// Someone polled it: from then on every write wakes, not only one into an empty pipe (an edge-triggered epoll wants it).
  private let isPolled = Atomic<Bool>(false)

  /// Slots of a new pipe: 64 KiB.
  static var defaultSlots: Int { 16 }

  /// Errors: ENOMEM.
  public init() throws(Errno) {
    ring = Mutex(try PipeRing(capacity: Self.defaultSlots), rank: .pipe)
    usable = Atomic(Self.defaultSlots)
  }

  @inline(__always) var isEmpty: Bool { occupied.load(ordering: .acquiring) == 0 }
  @inline(__always) var isFull: Bool { occupied.load(ordering: .acquiring) >= usable.load(ordering: .acquiring) }
  @inline(__always) var hasReaders: Bool { readers.load(ordering: .acquiring) > 0 }
  @inline(__always) var hasWriters: Bool { writers.load(ordering: .acquiring) > 0 }
  static var readable: PollEvents { [.in, .readNormal] }
  static var writable: PollEvents { [.out, .writeNormal] }

  /// Publishes what the ring holds. Called under the lock, after a change.
  @inline(__always) func publish(_ ring: borrowing PipeRing) { occupied.store(ring.occupied, ordering: .releasing) }

  // MARK: read and write

  /// Implements read(2). Returns 0 where nobody writes any more. Errors: EAGAIN, EFAULT, `.restart`.
  func read(_ buffers: inout IOBuffers, isNonBlocking: Bool) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    var hasWaited = false
    while true {
      if isEmpty {
        if !hasWriters {
          if isEmpty { return 0 }
          continue  // written and closed since
        }
        if isNonBlocking { throw .wouldBlock }
        try waitForBytes()
        hasWaited = true
      }
      var wakesWriter = false
      let moved = try ring.withLock { (ring) throws(Errno) -> Int in
        let wasFull = ring.isFull
        let moved = try ring.copyOut(to: &buffers)
        publish(ring)
        wakesWriter = wasFull && !ring.isFull
        return moved
      }
      if wakesWriter { canWrite.wakeAfterUnlock(events: Self.writable.rawValue) }
      if moved > 0 {
        if hasWaited && !isEmpty { canRead.wakeAfterUnlock(events: Self.readable.rawValue) }
        return moved
      }
    }
  }

  /// Implements write(2). Errors: EPIPE, with SIGPIPE sent to `task`; EAGAIN, EFAULT, ENOMEM, `.restart`; where some bytes
  /// went in, their count instead.
  func write(_ buffers: inout IOBuffers, _ task: Task, isNonBlocking: Bool, asPackets: Bool) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    var total = 0
    var hasWaited = false
    var failure: Errno?
    while true {
      var wakesReader = false
      let isBroken = ring.withLock { ring -> Bool in
        if !hasReaders { return true }
        let wasEmpty = ring.isEmpty
        let before = total
        do throws(Errno) { try ring.copyIn(from: &buffers, asPackets: asPackets, moved: &total) } catch {
          failure = error
        }
        publish(ring)
        wakesReader = total > before && (wasEmpty || isPolled.load(ordering: .relaxed))
        return false
      }
      if wakesReader { canRead.wakeAfterUnlock(events: Self.readable.rawValue) }
      if isBroken {
        sendBrokenPipe(task)
        failure = .brokenPipe
        break
      }
      if failure != nil || buffers.count == 0 { break }
      if isNonBlocking {
        failure = .wouldBlock
        break
      }
      do throws(Errno) { try waitForRoom() } catch {
        failure = error
        break
      }
      hasWaited = true
    }
    if hasWaited && !isFull { canWrite.wake(events: Self.writable.rawValue) }
    if let failure, total == 0 { throw failure }
    return total
  }

  /// Sleeps until there are bytes or no writers.
  func waitForBytes() throws(Errno) {
    let pipe = Borrowed(self)  // capturing it costs no count
    try canRead.wait(exclusive: true) { () throws(Errno) -> Bool in pipe.with { !$0.isEmpty || !$0.hasWriters } }
  }
  /// Sleeps until there is room or no reader.
  func waitForRoom() throws(Errno) {
    let pipe = Borrowed(self)
    try canWrite.wait(exclusive: true) { () throws(Errno) -> Bool in pipe.with { !$0.isFull || !$0.hasReaders } }
  }

  // MARK: ends

  func addEnd(reads: Bool, writes: Bool) {
    if reads {
      readers.add(1, ordering: .sequentiallyConsistent)
      readerOpenings.add(1, ordering: .sequentiallyConsistent)
    }
    if writes {
      writers.add(1, ordering: .sequentiallyConsistent)
      writerOpenings.add(1, ordering: .sequentiallyConsistent)
    }
  }
  /// An end closed; the other side learns of it when it was the last.
  func removeEnd(reads: Bool, writes: Bool) {
    var isLast = false
    ring.withLock { _ in  // no reader or writer is between its look at the counts and its copy
      if reads { isLast = readers.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 }
      if writes { isLast = writers.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 || isLast }
    }
    guard isLast else { return }
    let events = PollEvents.hangUp.union(.error).union(Self.readable).union(Self.writable).rawValue
    canRead.wakeAll(events: events)
    canWrite.wakeAll(events: events)
  }

  // MARK: poll, size

  /// What poll(2) sees at an end; `seenWriters` is what `writerOpenings` was when a FIFO was opened without a writer.
  func poll(_ table: PollTable?, reads: Bool, writes: Bool, seenWriters: Int) -> PollEvents {
    if let table {
      isPolled.store(true, ordering: .relaxed)
      if reads { table.register(canRead) }
      if writes { table.register(canWrite) }
    }
    var events: PollEvents = []
    if reads {
      if !isEmpty { events.formUnion(Self.readable) }
      if !hasWriters && writerOpenings.load(ordering: .acquiring) != seenWriters { events.insert(.hangUp) }
    }
    if writes {
      if !isFull { events.formUnion(Self.writable) }
      if !hasReaders { events.insert(.error) }
    }
    return events
  }

  /// FIONREAD.
  var byteCount: Int { ring.withLock { $0.byteCount } }
  /// F_GETPIPE_SZ.
  var size: Int { usable.load(ordering: .relaxed) &* PipeRing.pageSize }

  /// F_SETPIPE_SZ, fcntl(2): rounds `bytes` up to a power of two of pages and returns the new size. Errors: EINVAL past
  /// 2 GiB, EPERM past /proc/sys/fs/pipe-max-size without CAP_SYS_RESOURCE, EBUSY below what it holds, ENOMEM.
  func resize(_ bytes: UInt32, _ credentials: Credentials) throws(Errno) -> Int {
    let slots = try Self.slots(for: bytes)
    if slots > usable.load(ordering: .relaxed)
      && slots &* PipeRing.pageSize > Int(pipeMaximumSize.load(ordering: .relaxed))
      && !credentials.has(CAP_SYS_RESOURCE)
    {
      throw .notPermitted
    }
    var wakesWriter = false
    try ring.withLock { (ring) throws(Errno) in
      let wasFull = ring.isFull
      if slots != ring.capacity { try ring.resize(slots) }
      usable.store(slots, ordering: .releasing)
      publish(ring)
      wakesWriter = wasFull && !ring.isFull
    }
    if wakesWriter { canWrite.wake(events: Self.writable.rawValue) }
    return slots &* PipeRing.pageSize
  }

  /// The slots for a size of `bytes`. Errors: EINVAL.
  static func slots(for bytes: UInt32) throws(Errno) -> Int {
    if bytes > 1 << 31 { throw .invalid }
    var slots = 1
    while slots &* PipeRing.pageSize < Int(bytes) { slots &<<= 1 }
    return slots
  }
}

/// /proc/sys/fs/pipe-max-size.
let pipeMaximumSize = Atomic<UInt32>(1 << 20)
