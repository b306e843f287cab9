import CLinux
import CMachine
import Synchronization

/// A binary heap of timers by deadline. It owns none: a timer is stopped before it dies.
struct TimerHeap: ~Copyable {
  private var entries: [Borrowed<Timer>] = []
  var firing: Borrowed<Timer>?

  var earliest: UInt64 { entries.isEmpty ? .max : entries[0].with { $0.deadline } }

  private func deadline(_ i: Int) -> UInt64 { entries[i].with { $0.deadline } }
  private mutating func place(_ timer: Borrowed<Timer>, _ i: Int) {
    entries[i] = timer
    timer.with { $0.index = i }
  }
  private mutating func rise(_ from: Int) {
    var i = from
    while i > 0 {
      let parent = (i - 1) / 2
      if deadline(parent) <= deadline(i) { return }
      let a = entries[parent], b = entries[i]
      place(b, parent)
      place(a, i)
      i = parent
    }
  }
  private mutating func sink(_ from: Int) {
    var i = from
    while true {
      var least = i
      for child in 2 * i + 1...2 * i + 2 where child < entries.count && deadline(child) < deadline(least) {
        least = child
      }
      if least == i { return }
      let a = entries[i], b = entries[least]
      place(b, i)
      place(a, least)
      i = least
    }
  }
  mutating func insert(_ timer: Timer) {
    entries.append(Borrowed(timer))
    timer.index = entries.count - 1
    rise(timer.index)
  }
  mutating func remove(_ timer: Timer) {
    let i = timer.index
    let last = entries.removeLast()
    timer.index = -1
    if i < entries.count {
      place(last, i)
      rise(i)
      sink(last.with { $0.index })
    }
  }
  mutating func popDue(_ now: UInt64) -> Borrowed<Timer>? {
    guard !entries.isEmpty, deadline(0) <= now else { return nil }
    let found = entries[0]
    found.with { remove($0) }
    return found
  }
}

/// Each vCPU's timers. An idle vCPU waits for its own earliest; for busy ones the I/O thread's timerfd is armed, and only
/// when the minimum moves earlier.
public enum Timers {
  static func start(_ timer: Timer, _ deadline: Deadline) {
    timer.stop()
    if deadline.isNever { return }
    let id = Processor.currentID
    let earliest = Processor.with(id) { processor in
      processor.timers.withLock { heap -> UInt64 in
        timer.deadline = deadline.nanoseconds
        timer.processor = id
        heap.insert(timer)
        processor.earliest.store(heap.earliest, ordering: .sequentiallyConsistent)
        return heap.earliest
      }
    }
    if earliest == deadline.nanoseconds { arm(earliest) }
  }

  static func stop(_ timer: Timer) {
    while true {
      let id = timer.processor
      guard id >= 0 else { return }
      let isFiring = Processor.with(id) { processor in
        processor.timers.withLock { heap -> Bool in
          if timer.index >= 0 {
            heap.remove(timer)
            processor.earliest.store(heap.earliest, ordering: .sequentiallyConsistent)
          }
          return heap.firing.map { $0 == timer } == true
        }
      }
      if !isFiring || id == Processor.currentID { return }
      hostYield()
    }
  }

  /// Fires what is due on vCPU `id`, which the caller runs as, without any lock held.
  static func run(_ id: Int) {
    let now = Clock.monotonic()
    while true {
      let due = Processor.with(id) { processor -> Borrowed<Timer>? in
        if processor.earliest.load(ordering: .relaxed) > now { return nil }
        return processor.timers.withLock { heap -> Borrowed<Timer>? in
          let due = heap.popDue(now)
          heap.firing = due
          processor.earliest.store(heap.earliest, ordering: .sequentiallyConsistent)
          return due
        }
      }
      guard let due else { break }
      due.with { $0.fire() }
      Processor.with(id) { processor in processor.timers.withLock { $0.firing = nil } }
    }
    let next = Processor.with(id) { min($0.earliest.load(ordering: .relaxed), $0.tick.load(ordering: .relaxed)) }
    if next != .max { arm(next) }
  }

  /// Makes the I/O thread's timerfd fire at `deadline` or before.
  static func arm(_ deadline: UInt64) {
    var armed = unsafe armedDeadline.load(ordering: .sequentiallyConsistent)
    while deadline < armed {
      let (exchanged, original) = unsafe armedDeadline.compareExchange(
        expected: armed, desired: deadline, ordering: .sequentiallyConsistent)
      if exchanged {
        setHostTimer(deadline)
        return
      }
      armed = original
    }
  }

  /// On the I/O thread, when the timerfd fired: kicks the vCPUs that have something due, arms for the rest.
  static func hostTimerFired() {
    unsafe armedDeadline.store(.max, ordering: .sequentiallyConsistent)
    let now = Clock.monotonic()
    var next = UInt64.max
    for id in 0..<Processor.count {
      let due = Processor.with(id) { processor in
        min(processor.earliest.load(ordering: .sequentiallyConsistent), processor.tick.load(ordering: .relaxed))
      }
      if due <= now { unsafe kick(machine_vcpu_at(UInt32(id))) } else { next = min(next, due) }
    }
    if next != .max { arm(next) }
  }

  private static func setHostTimer(_ deadline: UInt64) {
    var time = linux_itimerspec()
    time.it_value.tv_sec = Int(deadline / 1_000_000_000)
    time.it_value.tv_nsec = Int(deadline % 1_000_000_000)
    if deadline == 0 { time.it_value.tv_nsec = 1 }
    unsafe _ = hostCall(__NR_timerfd_settime, Int(hostTimerDescriptor), 1, address(&time), 0)
  }
}
let armedDeadline = Atomic<UInt64>(.max)
nonisolated(unsafe) var hostTimerDescriptor: Int32 = -1  // SAFETY: written at boot
nonisolated(unsafe) var tickNanoseconds: UInt64 = 1_000_000
nonisolated(unsafe) var sliceNanoseconds: UInt64 = 4_000_000
