import CLinux
import Machine
import Synchronization

/// A file that an epoll watches, as one descriptor of it.
final class EpollItem: Listed {
  typealias Listee = EpollItem
  var link = Link<EpollItem>()  // the ready list's; under its lock
  var isReady = false  // on that list; under its lock
  let epoll: EventPoll
  /// Alive as EventPoll's comment says.
  let file: Borrowed<File>
  let descriptor: Int32
  /// The file's epoll, where it is one.
  let nested: EventPoll?
  let events: Atomic<UInt32>
  // Under the epoll's `items`:
  var data: UInt64
  var entries: [EpollEntry] = []
  var isAttached = false
  fileprivate var next: EpollItem?  // in the table's chain

  init(_ epoll: EventPoll, _ file: File, _ descriptor: Int32, _ events: UInt32, _ data: UInt64) {
    self.epoll = epoll
    self.file = Borrowed(file)
    self.descriptor = descriptor
    self.events = Atomic(events)
    self.data = data
    nested = (file as? EpollFile)?.epoll
  }

  /// What it watches, as epoll_ctl(2) was told.
  var wanted: UInt32 { events.load(ordering: .relaxed) }

  /// Bits of `events` that say how to tell, not what.
  static var privateBits: UInt32 { LINUX_EPOLLWAKEUP | LINUX_EPOLLONESHOT | LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE }
  /// /proc/sys/fs/epoll/max_user_watches: a twenty-fifth of memory, as on Linux.
  static var maximum: Int { MemoryUsage.current.total / 25 / 160 }
}

/// An item's entry on one queue of its file.
final class EpollEntry: WaitEntry {
  private let item: Borrowed<EpollItem>  // owns this
  private let queue: Borrowed<WaitQueue>  // kept by the item's file

  init(_ item: EpollItem, _ queue: WaitQueue) {
    self.item = Borrowed(item)
    self.queue = Borrowed(queue)
    super.init()
    isExclusive = item.events.load(ordering: .relaxed) & LINUX_EPOLLEXCLUSIVE != 0
  }
  func leave() { queue.with { $0.remove(self) } }
  override func wake(_ events: UInt32) -> Bool { item.with { item in item.epoll.notify(item, events) } }
}

/// Puts an item on the queues that its file names, for as long as it is watched.
final class EpollTable: PollTable {
  private let item: EpollItem
  init(_ item: EpollItem) { self.item = item }
  override func register(_ queue: WaitQueue) {
    let entry = EpollEntry(item, queue)
    item.entries.append(entry)
    queue.add(entry)
  }
}

/// An epoll's items by file and descriptor: a hash table with chains.
struct EpollItemTable: ~Copyable {
  private var buckets = [EpollItem?](repeating: nil, count: 8)
  private(set) var count = 0

  init() {}

  private func bucket(_ file: UInt, _ descriptor: Int32) -> Int {
    Int(
      truncatingIfNeeded: (file &>> 4 ^ UInt(UInt32(bitPattern: descriptor)) &* 0x9e37_79b1) & UInt(buckets.count &- 1))
  }
  func find(_ file: File, _ descriptor: Int32) -> EpollItem? {
    var at = buckets[bucket(Borrowed(file).identity, descriptor)]
    while let item = at {
      if item.descriptor == descriptor && item.file == file { return item }
      at = item.next
    }
    return nil
  }
  mutating func insert(_ item: EpollItem) {
    if count >= buckets.count &* 2 { grow() }
    let i = bucket(item.file.identity, item.descriptor)
    item.next = buckets[i]
    buckets[i] = item
    count += 1
  }
  mutating func remove(_ item: EpollItem) {
    let i = bucket(item.file.identity, item.descriptor)
    if buckets[i] === item {
      buckets[i] = item.next
    } else {
      var at = buckets[i]
      while let here = at {
        if here.next === item {
          here.next = item.next
          break
        }
        at = here.next
      }
    }
    item.next = nil
    count -= 1
  }
  private mutating func grow() {
    let old = buckets
    buckets = [EpollItem?](repeating: nil, count: old.count * 4)
    count = 0
    for first in old {
      var at = first
      while let item = at {
        at = item.next
        insert(item)
      }
    }
  }
  /// One of them.
  var any: EpollItem? {
    if count == 0 { return nil }
    for first in buckets where first != nil { return first }
    return nil
  }
  func forEach(_ body: (EpollItem) -> Void) {
    for first in buckets {
      var at = first
      while let item = at {
        at = item.next
        body(item)
      }
    }
  }
}

/// The items that watch one file, made when first one does. `File.deinit` says `fileClosed`.
public final class FileWatches {
  private let items = SpinLock<[EpollItem]>([], rank: .leaf)
  init() {}

  func append(_ item: EpollItem) { items.withLock { $0.append(item) } }
  func remove(_ item: EpollItem) {
    // The reference that the list had is dropped without the lock; the caller has one of its own.
    let gone = items.withLock { list -> EpollItem? in
      for i in list.indices where list[i] === item { return list.remove(at: i) }
      return nil
    }
    _ = gone
  }
  /// The epolls that watch the file.
  var epolls: [EventPoll] { items.withLock { list in list.map { $0.epoll } } }

  /// The file is dying: takes it off every epoll that watches it.
  public func fileClosed() {
    while let item = items.withLock({ $0.last }) { item.epoll.forget(item) }
  }
}
