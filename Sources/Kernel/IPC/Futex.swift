import CLinux
import Machine
import Synchronization

// futex(2). Waiters hang in buckets by key; a waiter is the task's own object, so waiting allocates nothing. It is on its
// bucket before the word is looked at, and a waker changes the word before it looks at the bucket, so no wake-up is lost.
// Nothing touches guest memory while a bucket's lock is held.

/// What a futex is: a word of one address space, or one of a file's page that several map.
struct FutexKey: Equatable {
  /// The identity of the address space or of the cached file.
  var object: UInt
  /// The address, or the offset in the file.
  var offset: UInt
  @inline(__always) static func == (a: FutexKey, b: FutexKey) -> Bool { a.offset == b.offset && a.object == b.object }
  @inline(__always) var hash: Int {
    let mixed = (UInt64(object) &* 0x9e37_79b9_7f4a_7c15) ^ (UInt64(offset &>> 2) &* 0xc2b2_ae3d_27d4_eb4f)
    return Int(truncatingIfNeeded: (mixed ^ mixed &>> 29) &>> 17)
  }
}

/// A task's entry on a bucket.
final class FutexWaiter: Listed {
  var link = Link<FutexWaiter>()  // on a bucket's list or a waker's own
  var task: Borrowed<Task>!  // the task owns this
  // Set by the task before it is queued; a requeue changes the key, under the bucket's lock.
  var key = FutexKey(object: 0, offset: 0)
  var bitset: UInt32 = 0
  /// On which bucket it is, or moves to.
  let bucket = Atomic<Int>(0)
  let stateWord = Atomic<UInt32>(0)

  enum State {
    static var idle: UInt32 { 0 }
    static var queued: UInt32 { 1 }
    /// Off its bucket: whoever took it makes it idle and then wakes the task.
    static var waking: UInt32 { 2 }
    /// Between two buckets, under the table's `moves`.
    static var moving: UInt32 { 3 }
  }
  @inline(__always) var state: UInt32 { stateWord.load(ordering: .acquiring) }
  /// Under the bucket's lock or `moves`.
  @inline(__always) func setState(_ state: UInt32) { stateWord.store(state, ordering: .releasing) }
  /// By its waker, who then looks whether the task sleeps, which looks at this once it says that it does.
  @inline(__always) func release() { stateWord.store(State.idle, ordering: .sequentiallyConsistent) }
}

/// Under a bucket's lock.
struct FutexBucketState: ~Copyable {
  var waiters = IntrusiveList<FutexWaiter>()
  /// Counts who came, so that a requeue notices.
  var arrivals: UInt64 = 0
}
final class FutexBucket {
  let state = SpinLock(FutexBucketState(), rank: .futex)
}

/// All futexes of the machine.
final class FutexTable {
  private static var size: Int { 256 }
  private var buckets = ReferenceTable<FutexBucket>(capacity: FutexTable.size)
  /// Held over a requeue: a waiter that finds itself on the move waits for it here.
  let moves = SpinLock((), rank: .poll)

  init() {
    for i in 0..<Self.size { _ = buckets.exchange(i, FutexBucket()) }
  }

  @inline(__always) func index(_ key: FutexKey) -> Int { key.hash & (Self.size - 1) }
  @inline(__always)
  func withBucket<R>(_ index: Int, _ body: (inout FutexBucketState) -> R) -> R {
    // Every slot below `size` was filled at boot.
    buckets[index & (Self.size - 1)]!.with { $0.state.withLock(body) }
  }

  // MARK: queueing

  func enqueue(_ waiter: FutexWaiter, _ key: FutexKey, _ bitset: UInt32) {
    waiter.key = key
    waiter.bitset = bitset
    let at = index(key)
    waiter.bucket.store(at, ordering: .relaxed)
    withBucket(at) { bucket in
      waiter.setState(FutexWaiter.State.queued)
      bucket.arrivals &+= 1
      bucket.waiters.append(waiter)
    }
  }

  /// Takes the caller's `waiter` off, where nobody woke it. Returns whether somebody had.
  func dequeue(_ waiter: FutexWaiter) -> Bool {
    while true {
      switch waiter.state {
      case FutexWaiter.State.idle: return true
      case FutexWaiter.State.moving: moves.withLock { _ in }
      case FutexWaiter.State.waking:
        // Its waker still holds it, and will wake it whatever it sleeps on.
        Thread.withCurrent { thread in
          thread.prepareToSleep(.uninterruptible)
          if waiter.state == FutexWaiter.State.waking { Scheduler.sleep(until: .never) }
          thread.stopWaiting()
        }
      default:
        let at = waiter.bucket.load(ordering: .acquiring)
        let isRemoved = withBucket(at) { bucket -> Bool in
          guard waiter.state == FutexWaiter.State.queued, waiter.bucket.load(ordering: .relaxed) == at else {
            return false
          }
          bucket.waiters.remove(waiter)
          waiter.setState(FutexWaiter.State.idle)
          return true
        }
        if isRemoved { return false }
      }
    }
  }

  // MARK: waking

  /// Wakes up to `count` (at least one) of those who wait on `key` with a bit of `bitset`. Returns how many.
  func wake(_ key: FutexKey, count: Int, bitset: UInt32 = .max) -> Int {
    var woken = IntrusiveList<FutexWaiter>()
    var number = 0
    withBucket(index(key)) { bucket in
      var at = bucket.waiters.first
      while let here = at {
        at = here.with { bucket.waiters.after($0) }
        let fits = here.with { $0.key == key && $0.bitset & bitset != 0 }
        if !fits { continue }
        here.with { take($0, from: &bucket, to: &woken) }
        number &+= 1
        if number >= count { break }
      }
    }
    release(&woken)
    return number
  }

  /// Off its bucket. Its task does not end before `release`: it waits for that. The bucket's lock is held.
  private func take(
    _ waiter: FutexWaiter, from bucket: inout FutexBucketState, to list: inout IntrusiveList<FutexWaiter>
  ) {
    bucket.waiters.remove(waiter)
    waiter.setState(FutexWaiter.State.waking)
    list.append(waiter)
  }
  /// Wakes those taken, without a bucket's lock.
  private func release(_ woken: inout IntrusiveList<FutexWaiter>) {
    while let waiter = woken.popFirst() {
      // A task that finds itself idle may be gone when the scheduler's lock, which its end takes, is released.
      waiter.with { waiter in
        let task: Borrowed<Task> = waiter.task
        task.with { _ = Scheduler.wake($0, after: { waiter.release() }) }
      }
    }
  }

  /// Wakes `wakes` of those on `from` and moves up to `moved` others to `to`. `check` looks at the word with no lock held;
  /// it is asked again where somebody came to wait in between, so that what it says holds at the move. Returns how many
  /// were woken or moved.
  func requeue(
    _ from: FutexKey, _ to: FutexKey, wakes: Int, moved: Int, check: () throws(Errno) -> Void
  ) throws(Errno) -> Int {
    let source = index(from), target = index(to)
    for _ in 0..<64 {
      let arrivals = withBucket(source) { $0.arrivals }
      try check()
      var woken = IntrusiveList<FutexWaiter>()
      var number = 0
      let isDone = moves.withLock { _ -> Bool in
        var moving = IntrusiveList<FutexWaiter>()
        let isSame = withBucket(source) { bucket -> Bool in
          if bucket.arrivals != arrivals { return false }
          var at = bucket.waiters.first
          while let here = at {
            at = here.with { bucket.waiters.after($0) }
            if number >= wakes &+ moved { break }
            guard here.with({ $0.key == from }) else { continue }
            number &+= 1
            if number <= wakes {
              here.with { take($0, from: &bucket, to: &woken) }
            } else {
              here.with { waiter in
                bucket.waiters.remove(waiter)
                waiter.key = to
                waiter.bucket.store(target, ordering: .relaxed)
                waiter.setState(FutexWaiter.State.moving)
                moving.append(waiter)
              }
            }
          }
          return true
        }
        if !isSame { return false }
        withBucket(target) { bucket in
          while let here = moving.popFirst() {
            here.with { waiter in
              bucket.arrivals &+= 1
              bucket.waiters.append(waiter)
              waiter.setState(FutexWaiter.State.queued)
            }
          }
        }
        return true
      }
      if isDone {
        release(&woken)
        return number
      }
    }
    throw .wouldBlock
  }
}
/// Set at boot.
let futexes = KernelGlobal<FutexTable>()
