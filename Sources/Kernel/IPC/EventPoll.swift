import CLinux
import Machine
import Synchronization

/// What an epoll instance is: epoll(7).
///
/// Its files' queues hold entries that append the item to the ready list; who waits takes items off that list and asks
/// their files. Two locks: `items` (sleeping; held while files are asked and events copied out, and while items come and
/// go) and `ready` (a spinlock that a wake-up takes under the lock of the file's queue).
///
/// An item does not keep its file. The file's `watches` know the item, and `File.deinit` takes it off every epoll before
/// the file's memory goes: so while an item is attached, and `items` is held, its file's memory is there, though the file
/// may be dying.
final class EventPoll {
  let items = Mutex<EpollItemTable>(EpollItemTable(), rank: .epoll)
  private let ready = SpinLock<IntrusiveList<EpollItem>>(IntrusiveList<EpollItem>(), rank: .epoll)
  private let readyCount = Atomic<Int>(0)
  /// epoll_wait(2) sleeps here, each call exclusively.
  let waiters = WaitQueue(rank: .epoll)
  /// poll(2) of the epoll's own descriptor, and epolls that watch it.
  let pollers = WaitQueue(rank: .epoll)
  /// The epolls that watch this one.
  let watches: FileWatches

  init(watches: FileWatches) { self.watches = watches }

  @inline(__always) var hasReady: Bool { readyCount.load(ordering: .sequentiallyConsistent) != 0 }

  // MARK: the ready list

  /// Appends `item` unless it is there.
  private func append(_ item: EpollItem) {
    ready.withLock { list in
      if item.isReady { return }
      item.isReady = true
      list.append(item)
      readyCount.add(1, ordering: .sequentiallyConsistent)
    }
  }
  private func prepend(_ item: EpollItem) {
    ready.withLock { list in
      if item.isReady { return }
      item.isReady = true
      list.prepend(item)
      readyCount.add(1, ordering: .sequentiallyConsistent)
    }
  }
  private func takeOff(_ item: EpollItem) {
    ready.withLock { list in
      if !item.isReady { return }
      item.isReady = false
      list.remove(item)
      readyCount.subtract(1, ordering: .sequentiallyConsistent)
    }
  }
  /// The first ready item. Items die only under `items`, which is held.
  private func takeFirst() -> EpollItem? {
    ready.withLock { list -> EpollItem? in
      guard let first = list.popFirst() else { return nil }
      readyCount.subtract(1, ordering: .sequentiallyConsistent)
      return first.with { item in
        item.isReady = false
        return item
      }
    }
  }
  /// Tells one waiter, and all pollers.
  private func wakeUp() {
    waiters.wake(events: PollEvents.in.rawValue)
    pollers.wake(events: PollEvents.in.rawValue)
  }

  /// Something happened to a file: called under its queue's lock. Returns whether an exclusive wake-up was of use.
  func notify(_ item: EpollItem, _ events: UInt32) -> Bool {
    let wanted = item.events.load(ordering: .sequentiallyConsistent)
    let isExclusive = wanted & LINUX_EPOLLEXCLUSIVE != 0
    if wanted & ~EpollItem.privateBits == 0 { return !isExclusive }  // EPOLLONESHOT had its shot
    if events != 0 && events & wanted == 0 { return !isExclusive }
    append(item)
    var isUsed = !isExclusive
    if isExclusive && !waiters.isEmpty {
      switch events & (LINUX_EPOLLIN | LINUX_EPOLLOUT) {
      case LINUX_EPOLLIN: isUsed = wanted & LINUX_EPOLLIN != 0
      case LINUX_EPOLLOUT: isUsed = wanted & LINUX_EPOLLOUT != 0
      case 0: isUsed = true
      default: break
      }
    }
    wakeUp()
    return isUsed
  }

  // MARK: items

  /// EPOLL_CTL_ADD. Errors: EEXIST, ENOSPC (/proc/sys/fs/epoll/max_user_watches), ENOMEM.
  func add(_ file: File, _ descriptor: Int32, _ events: UInt32, _ data: UInt64) throws(Errno) {
    let watches = file.watches.borrowed ?? file.watches.set(FileWatches())
    try items.withLock { (items) throws(Errno) in
      if items.find(file, descriptor) != nil { throw Errno.exists }
      guard epollWatches.add(1, ordering: .relaxed).newValue <= EpollItem.maximum else {
        epollWatches.subtract(1, ordering: .relaxed)
        throw .noSpace
      }
      let item = EpollItem(self, file, descriptor, events, data)
      items.insert(item)
      item.isAttached = true
      watches.with { $0.append(item) }
      let table = EpollTable(item)
      if file.poll(table).rawValue & events != 0 { append(item) }
    }
    if hasReady { wakeUp() }
  }

  /// EPOLL_CTL_MOD. Errors: ENOENT; EINVAL for an exclusive one.
  func modify(_ file: File, _ descriptor: Int32, _ events: UInt32, _ data: UInt64) throws(Errno) {
    try items.withLock { (items) throws(Errno) in
      guard let item = items.find(file, descriptor) else { throw .noEntry }
      if item.events.load(ordering: .relaxed) & LINUX_EPOLLEXCLUSIVE != 0 { throw .invalid }
      item.events.store(events, ordering: .sequentiallyConsistent)
      item.data = data
      // Events between the change and this look come through `notify`.
      if file.poll(nil).rawValue & events != 0 { append(item) }
    }
    if hasReady { wakeUp() }
  }

  /// EPOLL_CTL_DEL. Errors: ENOENT.
  func remove(_ file: File, _ descriptor: Int32) throws(Errno) {
    try items.withLock { (items) throws(Errno) in
      guard let item = items.find(file, descriptor) else { throw .noEntry }
      detach(item, &items)
    }
  }
  /// The item's file is dying.
  func forget(_ item: EpollItem) {
    items.withLock { items in if item.isAttached { detach(item, &items) } }
  }
  /// The epoll's own descriptor is closed for good.
  func shutDown() {
    items.withLock { items in
      while let item = items.any { detach(item, &items) }
    }
  }

  /// Takes `item` off all it is on. Its file's memory is there until the last step.
  private func detach(_ item: EpollItem, _ items: inout EpollItemTable) {
    for entry in item.entries { entry.leave() }
    item.entries = []
    takeOff(item)
    items.remove(item)
    item.isAttached = false
    epollWatches.subtract(1, ordering: .relaxed)
    item.file.with { file in file.watches.borrowed?.with { $0.remove(item) } }
  }

  // MARK: waiting

  /// What `item`'s file says now of what the item wants; 0 where the file is dying. `items` is held.
  private func ask(_ item: EpollItem, _ poller: Poller) -> UInt32 {
    guard item.file.retainUnlessDying() else { return 0 }
    let wanted = item.events.load(ordering: .relaxed)
    let events = item.file.with { $0.poll(nil).rawValue } & wanted
    if !item.file.releaseUnlessLast() {
      // The last reference: its end would want this very lock.
      poller.postpone(item.file.object)
      item.file.release()
    }
    return events & ~EpollItem.privateBits
  }

  /// Writes the events of ready files to `result`, at most `limit`. Returns how many. Errors: EFAULT.
  func collect(_ result: UserPointer<EpollEvent>, _ limit: Int, _ poller: Poller) throws(Errno) -> Int {
    let done = try items.withLock { (_) throws(Errno) -> Int in
      var left = readyCount.load(ordering: .sequentiallyConsistent)  // those that this call puts back come after
      var done = 0
      while left > 0, done < limit, let item = takeFirst() {
        left -= 1
        let events = ask(item, poller)
        if events == 0 { continue }
        do throws(Errno) {
          try result.advanced(by: done).copyOut(EpollEvent(events: events, data: item.data))
        } catch {
          prepend(item)
          if done == 0 { throw error }
          break
        }
        done += 1
        let wanted = item.events.load(ordering: .relaxed)
        if wanted & LINUX_EPOLLONESHOT != 0 {
          item.events.store(wanted & EpollItem.privateBits, ordering: .sequentiallyConsistent)
        } else if wanted & LINUX_EPOLLET == 0 {
          append(item)  // level-triggered: looked at again by the next call
        }
      }
      return done
    }
    if hasReady { waiters.wake(events: PollEvents.in.rawValue) }
    return done
  }

  /// Whether some file is ready: poll(2) of the epoll's descriptor. Items that are not any more leave the ready list.
  func hasEvents(_ poller: Poller) -> Bool {
    items.withLock { _ in
      while let item = takeFirst() {
        if ask(item, poller) != 0 {
          prepend(item)
          return true
        }
      }
      return false
    }
  }

  /// Implements epoll_wait(2). Errors: `.interrupted`, EFAULT.
  func wait(
    _ result: UserPointer<EpollEvent>, _ limit: Int, _ timeout: PollTimeout, _ poller: Poller
  ) throws(Errno) -> Int {
    defer { poller.dropPostponed() }
    while true {
      if hasReady {
        let count = try collect(result, limit, poller)
        if count > 0 { return count }
      }
      if timeout.isImmediate { return 0 }
      do throws(Errno) {
        try waiters.wait(until: timeout.deadline, exclusive: true) { () throws(Errno) -> Bool in hasReady }
      } catch {
        if error == .timedOut { return 0 }
        throw error == .restart ? .interrupted : error
      }
    }
  }
}

/// struct epoll_event, which is packed on x86-64 (so the headers' own does not come through to Swift).
struct EpollEvent {
  var events: UInt32
  var low: UInt32
  var high: UInt32
  var data: UInt64 { UInt64(high) << 32 | UInt64(low) }

  init(events: UInt32, data: UInt64) {
    self.events = events
    low = UInt32(truncatingIfNeeded: data)
    high = UInt32(truncatingIfNeeded: data >> 32)
  }
}

/// Items of all epolls together.
let epollWatches = Atomic<Int>(0)
