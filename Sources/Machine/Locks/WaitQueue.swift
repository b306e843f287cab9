import CMachine
import Synchronization

/// Someone who waits on a queue: a thread, or an entry of poll(2) and epoll(7).
open class WaitEntry: Listed {
  public final var link = Link<WaitEntry>()  // under the queue's lock
  /// Woken alone: `wake(count)` counts these and wakes all others (Linux's WQ_FLAG_EXCLUSIVE).
  public final var isExclusive = false
  /// On a queue, which dies empty: changed under its lock.
  final let isQueued = Atomic<Bool>(false)
  public init() {}

  /// Called under the queue's lock, by whoever wakes, with what happened (a poll(2) mask, or 0 where unsaid). It takes no
  /// lock but those of a higher rank. Returns whether it used the wake-up up.
  open func wake(_ events: UInt32) -> Bool { false }
  /// The same by the queue whose list this is. A thread that was asleep is taken off, so that it need not take the queue's
  /// lock for that.
  func wake(_ events: UInt32, from list: inout IntrusiveList<WaitEntry>) -> Bool { wake(events) }
}

/// The entry by which a thread sleeps.
public final class ThreadWaitEntry: WaitEntry {
  final var thread: Borrowed<Thread>!  // whose entry it is: the thread owns it
  public override func wake(_ events: UInt32) -> Bool { thread.with { Scheduler.wake($0) } }
  override func wake(_ events: UInt32, from list: inout IntrusiveList<WaitEntry>) -> Bool {
    thread.with { thread in
      Scheduler.wake(
        thread,
        taken: {
          list.remove(self)
          // From here on the thread may be gone when the scheduler's lock is free.
          isQueued.store(false, ordering: .releasing)
        })
    }
  }
}

/// Until when to wait, on CLOCK_MONOTONIC in nanoseconds.
public struct Deadline: Sendable {
  public let nanoseconds: UInt64
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  public static var never: Deadline { Deadline(nanoseconds: .max) }
  public static func after(nanoseconds: UInt64) -> Deadline {
    let (sum, overflow) = Clock.monotonic().addingReportingOverflow(nanoseconds)
    return Deadline(nanoseconds: overflow ? .max : sum)
  }
  public var isNever: Bool { nanoseconds == .max }
  public var hasPassed: Bool { !isNever && Clock.monotonic() >= nanoseconds }
}

/// What may end a wait early.
public enum WaitMode: Sendable {
  case interruptible  // any signal: throws .restart
  case killable  // only death: throws .restart
  case uninterruptible  // nothing
}

/// Threads that wait for something (Linux's wait_queue_head). The one who changes the condition wakes the queue after the
/// change; a waiter is on the queue before it looks at the condition, so no wake-up is lost. Who wakes keeps the queue alive:
/// a waiter may go on, and drop what it holds, before `wake` has ended.
public final class WaitQueue {
  private let entries: SpinLock<IntrusiveList<WaitEntry>>
  /// Only the queue of an epoll has another rank: it is woken under the lock of the queue that the epoll watches.
  public init(rank: LockRank = .waitQueue) { entries = SpinLock(IntrusiveList<WaitEntry>(), rank: rank) }

  /// Sleeps until `condition` is true; it is called without any lock held, and may take locks and throw.
  /// Errors: `.restart` when interrupted (see `WaitMode`), `.timedOut` past the deadline, and what `condition` throws.
  public func wait(
    _ mode: WaitMode = .interruptible, until deadline: Deadline = .never, exclusive: Bool = false,
    for condition: () throws(Errno) -> Bool
  ) throws(Errno) {
    if try condition() { return }
    try Thread.withCurrent { (thread) throws(Errno) in
      let entry = thread.waitEntry
      entry.isExclusive = exclusive
      var isDone = false
      defer {
        thread.stopWaiting()
        remove(entry)
        // Who gives up may have been chosen meanwhile: then it is the next one's turn.
        if exclusive && !isDone { wake() }
      }
      while true {
        if !entry.isQueued.load(ordering: .relaxed) { add(entry) }
        thread.prepareToSleep(mode)
        if try condition() {
          isDone = true
          return
        }
        if thread.mustStopWaiting(mode) { throw .restart }
        if deadline.hasPassed { throw .timedOut }
        Scheduler.sleep(until: deadline)
        if try condition() {  // most often: then there is no sleep to prepare for
          isDone = true
          return
        }
      }
    }
  }

  /// Puts `entry`, which is on no queue, at the end. The caller keeps it alive until `remove`.
  public func add(_ entry: WaitEntry) {
    entries.withLock { list in
      entry.isQueued.store(true, ordering: .relaxed)
      list.append(entry)
    }
  }
  /// Takes `entry` off where it is still on.
  public func remove(_ entry: WaitEntry) {
    if !entry.isQueued.load(ordering: .acquiring) { return }
    entries.withLock { list in
      guard entry.isQueued.load(ordering: .relaxed) else { return }
      entry.isQueued.store(false, ordering: .relaxed)
      list.remove(entry)
    }
  }
  /// Wakes all who are not exclusive and `count` of those who are.
  public func wake(_ count: Int = 1, events: UInt32 = 0) {
    if !isEmpty { wakeOccupied(count, events) }
  }
  /// The same where the caller has released a `Mutex` since its change, which is the barrier.
  @inline(__always) public func wakeAfterUnlock(_ count: Int = 1, events: UInt32 = 0) {
    if isOccupied { wakeOccupied(count, events) }
  }
  private func wakeOccupied(_ count: Int, _ events: UInt32) {
    entries.withLock { list in
      var left = count
      var at = list.first
      while let here = at {
        at = here.with { $0.link.next }
        here.with { entry in
          if entry.isExclusive && left == 0 { return }
          if entry.wake(events, from: &list) && entry.isExclusive { left &-= 1 }
        }
      }
    }
  }
  public func wakeAll(events: UInt32 = 0) { wake(.max, events: events) }

  /// Whether somebody waits, where the caller's change came under a lock that a waiter takes to look, once it is on the
  /// queue: no barrier is needed.
  public var isOccupied: Bool { entries.withoutLocking { !$0.isEmpty } }
  /// Whether nobody waits: exact only where the caller's change came before a full barrier.
  public var isEmpty: Bool {
    hostFence()
    return entries.withoutLocking { $0.isEmpty }
  }
}
