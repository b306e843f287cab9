import CLinux
import Machine
import Synchronization

private final class Tokens {
  let left = Atomic<Int>(0)
  let calls = Atomic<Int>(0)  // of conditions
  let done = Atomic<Int>(0)
  let late = Atomic<Int>(0)
  let queue = WaitQueue(), doneQueue = WaitQueue()
  init() {}

  /// A condition that takes one token.
  func take() -> Bool {
    calls.add(1, ordering: .sequentiallyConsistent)
    var now = left.load(ordering: .acquiring)
    while now > 0 {
      let (isTaken, original) = left.compareExchange(
        expected: now, desired: now - 1, ordering: .sequentiallyConsistent)
      if isTaken { return true }
      now = original
    }
    return false
  }
  func finish() {
    done.add(1, ordering: .sequentiallyConsistent)
    doneQueue.wakeAll()
  }
}

/// Sleeps for a while.
func pause(microseconds: UInt64) {
  try? WaitQueue().wait(.uninterruptible, until: .after(nanoseconds: microseconds * 1000)) { () throws(Errno) in false }
}

/// Sleeps until `condition`, which nobody announces.
func eventually(_ k: KUnit, _ what: String, line: Int = #line, _ condition: () -> Bool) {
  for _ in 0..<20_000 {
    if condition() { return }
    pause(microseconds: 500)
  }
  k.expect(false, "never: \(what)", line: line)
}

/// A wake-up wakes as many exclusive waiters as it says, and all others.
func wakeExclusive(_ k: KUnit) {
  let t = Tokens()
  let c = TestCounters()
  for _ in 0..<6 {
    startThread(k) {
      try? t.queue.wait(.uninterruptible, exclusive: true) { () throws(Errno) in t.take() }
      t.finish()
    }
  }
  // Each asks once before it is on the queue and once when it is: then only a wake-up makes it ask again.
  eventually(k, "six wait") { t.calls.load(ordering: .acquiring) == 12 }
  startThread(k) {
    try? t.queue.wait(.uninterruptible) { () throws(Errno) in
      c.a.add(1, ordering: .sequentiallyConsistent)
      return t.done.load(ordering: .acquiring) == 6
    }
    c.a.add(1000, ordering: .sequentiallyConsistent)
  }
  eventually(k, "the seventh waits") { c.a.load(ordering: .acquiring) == 2 }
  t.queue.wake()
  // Who is woken in vain asks once more when it is on the queue again.
  eventually(k, "one was woken in vain") { t.calls.load(ordering: .acquiring) == 14 }
  eventually(k, "and the one that is not exclusive") { c.a.load(ordering: .acquiring) == 4 }
  pause(microseconds: 3000)
  k.expect(t.calls.load(ordering: .acquiring) == 14, "no other was")
  t.left.store(2, ordering: .sequentiallyConsistent)
  t.queue.wake(2)
  eventually(k, "two are done") { t.done.load(ordering: .acquiring) == 2 }
  pause(microseconds: 3000)
  k.expect(t.calls.load(ordering: .acquiring) == 16, "two were woken: \(t.calls.load(ordering: .acquiring))")
  t.left.store(4, ordering: .sequentiallyConsistent)
  t.queue.wakeAll()
  eventually(k, "all are done") { t.done.load(ordering: .acquiring) == 6 }
  t.queue.wakeAll()
  eventually(k, "the last one is done") { c.a.load(ordering: .acquiring) >= 1000 }
  k.expect(t.queue.isEmpty, "nobody is left")
}

/// An exclusive waiter that gives up at the moment it is chosen passes the wake-up on.
func wakePassedOn(_ k: KUnit) {
  let t = Tokens()
  let rounds = 300
  for round in 0..<rounds {
    t.done.store(0, ordering: .sequentiallyConsistent)
    t.calls.store(0, ordering: .sequentiallyConsistent)
    t.left.store(0, ordering: .sequentiallyConsistent)
    let deadline = Deadline.after(nanoseconds: 400_000)
    for hasty in [true, false] {
      startThread(k) {
        do throws(Errno) {
          let until = hasty ? deadline : Deadline.after(nanoseconds: 10_000_000_000)
          try t.queue.wait(.uninterruptible, until: until, exclusive: true) { () throws(Errno) in t.take() }
          // The token is for one of the two: the other gets one of its own.
          if hasty {
            t.left.store(1, ordering: .sequentiallyConsistent)
            t.queue.wake()
          }
        } catch {
          if !hasty { t.late.add(1, ordering: .sequentiallyConsistent) }
        }
        t.finish()
      }
    }
    while !deadline.hasPassed { Scheduler.yield() }
    if round % 3 > 0 { for _ in 0..<round { Scheduler.yield() } }
    t.left.add(1, ordering: .sequentiallyConsistent)
    t.queue.wake()
    eventually(k, "both are done") { t.done.load(ordering: .acquiring) == 2 }
  }
  k.expect(t.late.load(ordering: .acquiring) == 0, "wake-ups lost: \(t.late.load(ordering: .acquiring))")
}

private final class SlowTimer: Timer {
  let isFiring = Atomic<Bool>(false)
  let count = Atomic<Int>(0)
  let again: UInt64  // nanoseconds; 0: only once
  init(again: UInt64) {
    self.again = again
    super.init()
  }
  override func fire() {
    isFiring.store(true, ordering: .sequentiallyConsistent)
    count.add(1, ordering: .sequentiallyConsistent)
    let end = Clock.monotonic() + 30_000
    while Clock.monotonic() < end {}
    if again > 0 { start(.after(nanoseconds: again)) }
    isFiring.store(false, ordering: .sequentiallyConsistent)
  }
}

/// After `stop` a timer neither fires nor will, whatever vCPU it fired on and even if it starts itself anew.
func timersStop(_ k: KUnit) {
  var fired = 0
  for round in 0..<400 {
    let timer = SlowTimer(again: round % 2 == 0 ? 0 : 20_000)
    let c = TestCounters()
    startThread(k) {  // on whatever vCPU takes it
      timer.start(.after(nanoseconds: 50_000))
      c.a.store(1, ordering: .sequentiallyConsistent)
    }
    while c.a.load(ordering: .acquiring) == 0 { Scheduler.yield() }
    if round % 4 < 2 { pause(microseconds: 100) }
    let end = Clock.monotonic() + UInt64(round % 50) * 3000
    while Clock.monotonic() < end {}
    timer.stop()
    k.expect(!timer.isFiring.load(ordering: .acquiring), "stopped while firing")
    k.expect(!timer.isStarted, "still started")
    let count = timer.count.load(ordering: .acquiring)
    if round % 8 == 0 { pause(microseconds: 200) }
    k.expect(timer.count.load(ordering: .acquiring) == count, "fired after it was stopped")
    fired += count
  }
  k.expect(fired > 0, "some fired")
}

/// While the machine is stopped no other vCPU runs anything.
func stopBarrier(_ k: KUnit) {
  if Scheduler.processorCount < 2 { return }
  let c = TestCounters()  // steps in `a`; 1 in `b`: end; 2: ended
  startThread(k) {
    Thread.withCurrent { $0.affinity = 2 }
    Scheduler.yield()
    while c.b.load(ordering: .acquiring) == 0 {
      c.a.add(1, ordering: .sequentiallyConsistent)
      pause(microseconds: 200)
    }
    c.b.store(2, ordering: .sequentiallyConsistent)
  }
  Thread.withCurrent { $0.affinity = 1 }
  Scheduler.yield()
  eventually(k, "the other vCPU works") { c.a.load(ordering: .acquiring) > 5 }
  for _ in 0..<5 {
    StopBarrier.close()
    var end = Clock.monotonic() + 3_000_000
    while Clock.monotonic() < end {}
    let before = c.a.load(ordering: .acquiring)
    end = Clock.monotonic() + 5_000_000
    while Clock.monotonic() < end {}
    k.expect(c.a.load(ordering: .acquiring) == before, "it went on while stopped")
    StopBarrier.open()
    eventually(k, "it goes on") { c.a.load(ordering: .acquiring) > before + 3 }
  }
  c.b.store(1, ordering: .sequentiallyConsistent)
  eventually(k, "it ends") { c.b.load(ordering: .acquiring) == 2 }
  Thread.withCurrent { $0.affinity = .max }
}
