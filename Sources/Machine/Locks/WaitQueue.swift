import CMachine
import Synchronization

/// Someone who waits on a queue: a thread, or an entry of poll(2) and epoll(7).
open class WaitEntry: Listed {
  public final var link = Link<WaitEntry>()  // under the queue's lock
  /// Woken alone: `wake(count)` counts these and wakes all others (Linux's WQ_FLAG_EXCLUSIVE).
  public final var isExclusive = false
  final var queue: Borrowed<WaitQueue>?  // on which it is; a queue dies empty
  public init() {}

  /// Called under the queue's lock, by whoever wakes, with what happened (a poll(2) mask, or 0 where unsaid). It takes no
  /// lock but those of a higher rank. Returns whether it used the wake-up up.
  open func wake(_ events: UInt32) -> Bool { false }
}

/// The entry by which a thread sleeps.
public final class ThreadWaitEntry: WaitEntry {
  final var thread: Borrowed<Thread>!  // whose entry it is: the thread owns it
  public override func wake(_ events: UInt32) -> Bool { thread.with { Scheduler.wake($0) } }
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
/// change; a waiter is on the queue before it looks at the condition, so no wake-up is lost.
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
      add(entry)
      var isDone = false
      defer {
        thread.stopWaiting()
        remove(entry)
        // Who gives up may have been chosen meanwhile: then it is the next one's turn.
        if exclusive && !isDone { wake() }
      }
      while true {
        thread.prepareToSleep(mode)
        if try condition() {
          isDone = true
          return
        }
        if thread.mustStopWaiting(mode) { throw .restart }
        if deadline.hasPassed { throw .timedOut }
        Scheduler.sleep(until: deadline)
      }
    }
  }

  /// Puts `entry`, which is on no queue, at the end. The caller keeps it alive until `remove`.
  public func add(_ entry: WaitEntry) {
    entries.withLock { list in
      entry.queue = Borrowed(self)
      list.append(entry)
    }
  }
  /// Takes `entry` off where it is still on.
  public func remove(_ entry: WaitEntry) {
    entries.withLock { list in
      guard entry.queue != nil else { return }
      entry.queue = nil
      list.remove(entry)
    }
  }
  /// Wakes all who are not exclusive and `count` of those who are.
  public func wake(_ count: Int = 1, events: UInt32 = 0) {
    if isEmpty { return }
    entries.withLock { list in
      var left = count
      list.forEach { entry in
        if entry.isExclusive {
          if left > 0 && entry.wake(events) { left &-= 1 }
        } else {
          _ = entry.wake(events)
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
