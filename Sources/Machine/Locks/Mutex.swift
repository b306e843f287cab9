import Synchronization

/// A sleeping lock that owns its data, for work that may sleep, copy to the guest or call the host.
@safe public struct Mutex<Value: ~Copyable>: ~Copyable {
  private let word = Atomic<UInt32>(0)  // 0 free, 1 held, 2 held and someone waits
  private let waiters = SpinLock(IntrusiveList<WaitEntry>(), rank: .waitQueue)
  private let cell: Cell<Value>
  private let rank: MutexRank

  @inline(__always) public init(_ value: consuming sending Value, rank: MutexRank) {
    cell = Cell(value)
    self.rank = rank
  }

  @inline(__always)
  public borrowing func withLock<R: ~Copyable, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    lock()
    defer { unlock() }
    return try unsafe body(&cell.address.pointee)
  }

  /// For locks that span a scope the compiler cannot see (one taken in a walk, a pair in address order).
  @inline(__always) public borrowing func lock() {
    unsafe mutexTaken(rank, UInt(bitPattern: cell.address))
    if !word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { contended() }
  }
  @inline(__always) public borrowing func unlock() {
    if word.exchange(0, ordering: .releasing) == 2 { release() }
    unsafe mutexReleased(UInt(bitPattern: cell.address))
  }

  @inline(never) private borrowing func contended() {
    Thread.withCurrent { thread in
      let entry = thread.mutexEntry
      while true {
        let acquired = waiters.withLock { list in
          if word.exchange(2, ordering: .acquiringAndReleasing) == 0 { return true }
          thread.prepareToSleep(.uninterruptible)
          list.append(entry)
          return false
        }
        if acquired { return }
        Scheduler.sleep(until: .never)
        // Whoever woke this thread took the entry off; a wake-up meant for another wait may not have.
        waiters.withLock { list in
          if entry.link.next != nil || entry.link.previous != nil || list.first.map({ $0 == entry }) == true {
            list.remove(entry)
          }
        }
      }
    }
  }
  @inline(never) private borrowing func release() {
    waiters.withLock { list in
      if let entry = list.popFirst() { _ = entry.with { $0.wake(0) } }
    }
  }
}
extension Mutex: @unchecked Sendable where Value: ~Copyable {}
