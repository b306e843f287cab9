import CMachine
import Synchronization

// Readers without a lock: whoever runs in the kernel and neither sleeps nor yields may go on looking at what was there
// when it began. A writer takes an object out of the readers' way, then has it released after a grace period: the time in
// which every vCPU has passed a quiescent state, where it reads nothing: a switch, idling, the way out to the guest with
// the flag set. Idle vCPUs count as passed. A vCPU that runs on and on is kicked after a tick.
//
// All state is under the scheduler's lock, which a switch holds anyway, and under which a vCPU becomes idle and ceases to
// be. That orders a reader: it passes before a grace period begins and then must pass again, or after, and then sees
// what the writer did before.

/// What is released after a grace period: it has the list's link in it, so nothing is allocated. What its deinit does must
/// be fit for a vCPU without a thread: it does not sleep.
open class Deferred {
  fileprivate final var nextDeferred: Borrowed<Deferred>?  // a batch, which owns a count of each
  public init() {}
}

public enum RCU {
  /// Gives the caller's count of `object`, which no new reader finds any more, back after a grace period: not again before
  /// that is over. With the other vCPUs idle it is over when this one leaves the kernel. Takes the scheduler's lock and the
  /// timers'.
  public static func release<Object: Deferred>(_ object: Borrowed<Object>) {
    if Processor.count == 0 { return object.release() }  // at boot, and in hosted tests
    Scheduler.lock()
    // SAFETY: an object of a subclass is one of the class.
    unsafe rcu.next.add(Borrowed<Deferred>(bits: object.bits))
    rcuIsHolding.store(true, ordering: .relaxed)
    let arms = unsafe rcu.begin()
    unsafe arch_store32(UnsafeMutableRawPointer(arch_vcpu()).assumingMemoryBound(to: UInt32.self), 1)
    Scheduler.unlock()
    if arms { arm() }
  }

  /// Waits for a grace period: every reader that began before has ended, and what was to be released before is. Sleeps.
  public static func synchronize() {
    Scheduler.lock()
    let target = unsafe rcu.started &+ 1
    unsafe rcu.wanted = target
    let arms = unsafe rcu.begin()
    Scheduler.unlock()
    if arms { arm() }
    try? unsafe rcuWaiters.unsafelyUnwrapped.wait(.uninterruptible) { () throws(Errno) in
      rcuReleased.load(ordering: .sequentiallyConsistent) >= target
    }
  }

  static func prepare() {
    unsafe rcuWaiters = WaitQueue()
    unsafe rcuTimer = RCUTimer()
  }

  /// vCPU `id`, which the caller runs as, reads nothing now. The scheduler's lock is held.
  @inline(__always) static func pass(_ id: Int) {
    if rcuMask.load(ordering: .relaxed) &>> UInt64(id) & 1 != 0 { unsafe rcu.pass(id) }
  }
  /// The same without the lock: on the way out to the guest.
  @inline(__always) static func passOnExit(_ id: Int) {
    if rcuMask.load(ordering: .relaxed) &>> UInt64(id) & 1 == 0 { return }
    Scheduler.lock()
    pass(id)
    Scheduler.unlock()
  }

  /// Whether objects wait to be released: `synchronize` sees to that.
  public static var isHolding: Bool { rcuIsHolding.load(ordering: .relaxed) }
  /// Whether a grace period has ended whose objects are still there.
  @inline(__always) static var hasEnded: Bool { rcuHasEnded.load(ordering: .relaxed) }

  /// Releases what has waited long enough, on a vCPU without any lock: on the way out to the guest, or idling.
  @inline(__always) static func drain() { if hasEnded { releaseEnded() } }
  @inline(never) private static func releaseEnded() {
    Scheduler.lock()
    let batch = unsafe rcu.ended
    let period = unsafe rcuMask.load(ordering: .relaxed) == 0 ? rcu.started : rcu.started &- 1
    unsafe rcu.ended = Batch()
    rcuHasEnded.store(false, ordering: .relaxed)
    Scheduler.unlock()
    batch.release()
    rcuReleased.max(period, ordering: .sequentiallyConsistent)
    Scheduler.lock()
    if unsafe rcu.isEmpty { rcuIsHolding.store(false, ordering: .relaxed) }
    Scheduler.unlock()
    unsafe rcuWaiters.unsafelyUnwrapped.wakeAll()
  }

  private static func arm() { unsafe rcuTimer.unsafelyUnwrapped.start(.after(nanoseconds: tickNanoseconds)) }
}

/// Objects that wait for the same grace period.
private struct Batch {
  var first: Borrowed<Deferred>?
  var last: Borrowed<Deferred>?

  mutating func add(_ object: Borrowed<Deferred>) {
    object.with { $0.nextDeferred = nil }
    if let last { last.with { $0.nextDeferred = object } } else { first = object }
    last = object
  }
  mutating func add(_ other: Batch) {
    guard let theirs = other.first else { return }
    if let last { last.with { $0.nextDeferred = theirs } } else { first = theirs }
    last = other.last
  }
  func release() {
    var at = first
    while let object = at {
      at = object.with { $0.nextDeferred }
      object.release()
    }
  }
}

private struct GracePeriods {
  var next = Batch()  // for the grace period after this one
  var current = Batch()
  var ended = Batch()
  /// Grace periods begun; the last of them is over where nobody is in the mask.
  var started: UInt64 = 0
  /// The last one that somebody waits for.
  var wanted: UInt64 = 0
  /// The timer runs, or is about to.
  var isArmed = false

  var isEmpty: Bool { next.first == nil && current.first == nil && ended.first == nil }

  /// Begins one, where none is and somebody wants it. Returns whether the caller must start the timer.
  mutating func begin() -> Bool {
    guard rcuMask.load(ordering: .relaxed) == 0, next.first != nil || wanted > started else { return false }
    started &+= 1
    current = next
    next = Batch()
    var mask: UInt64 = 0
    for id in 0..<Processor.count where unsafe machine_vcpu_at(UInt32(id)).pointee.idle == 0 {
      mask |= 1 &<< UInt64(id)
    }
    rcuMask.store(mask, ordering: .relaxed)
    if mask == 0 { end() }
    if mask == 0 || isArmed { return false }
    isArmed = true
    return true
  }

  mutating func pass(_ id: Int) {
    let mask = rcuMask.load(ordering: .relaxed) & ~(1 &<< UInt64(id))
    rcuMask.store(mask, ordering: .relaxed)
    if mask != 0 { return }
    end()
    _ = begin()  // the timer still runs: it stops only where it finds the mask empty
  }

  private mutating func end() {
    ended.add(current)
    current = Batch()
    rcuHasEnded.store(true, ordering: .relaxed)
  }
}

/// Kicks those who have not passed for a tick.
final class RCUTimer: Timer {
  override func fire() {
    Scheduler.lock()
    let mask = rcuMask.load(ordering: .relaxed)
    unsafe rcu.isArmed = mask != 0
    Scheduler.unlock()
    if mask == 0 { return }
    for id in 0..<Processor.count where mask &>> UInt64(id) & 1 != 0 { unsafe kick(machine_vcpu_at(UInt32(id))) }
    start(.after(nanoseconds: tickNanoseconds))
  }
}

// SAFETY: under the scheduler's lock.
nonisolated(unsafe) private var rcu = GracePeriods()
/// vCPUs that have not passed in this grace period; changed under the scheduler's lock.
private let rcuMask = Atomic<UInt64>(0)
private let rcuReleased = Atomic<UInt64>(0)  // grace periods whose objects are released
private let rcuHasEnded = Atomic<Bool>(false)
private let rcuIsHolding = Atomic<Bool>(false)
nonisolated(unsafe) private var rcuWaiters: WaitQueue! = nil  // SAFETY: written at boot
nonisolated(unsafe) private var rcuTimer: RCUTimer! = nil  // SAFETY: written at boot

/// `RCUReference` that may hold nothing.
@safe public struct RCUOptional<Object: Deferred>: ~Copyable, @unchecked Sendable {
  private let word = Atomic<UInt>(0)
  public init() {}
  deinit { borrowed?.release() }

  @inline(__always) public var borrowed: Borrowed<Object>? {
    // SAFETY: as in RCUReference.
    guard let bits = unsafe UnsafeMutableRawPointer(bitPattern: word.load(ordering: .acquiring)) else { return nil }
    return unsafe Borrowed(bits: bits)
  }
  public func replace(_ object: Object?) {
    let new = object.map { Borrowed($0) }
    new?.retain()
    let old = word.exchange(new?.identity ?? 0, ordering: .acquiringAndReleasing)
    guard let bits = unsafe UnsafeMutableRawPointer(bitPattern: old) else { return }
    // SAFETY: as above; the count passes to the grace period.
    unsafe RCU.release(Borrowed<Object>(bits: bits))
  }
}

/// A strong field that is read without a lock and replaced under its owner's: what it held is released after a grace
/// period. What is read is good until the reader sleeps.
@safe public struct RCUReference<Object: Deferred>: ~Copyable, @unchecked Sendable {
  private let word: Atomic<UInt>

  public init(_ object: Object) {
    let new = Borrowed(object)
    new.retain()
    word = Atomic(new.identity)
  }
  deinit { borrowed.release() }

  @inline(__always) public var borrowed: Borrowed<Object> {
    // SAFETY: the word is the address of an object that this field counts, or did when the reader began.
    unsafe Borrowed(bits: UnsafeMutableRawPointer(bitPattern: word.load(ordering: .acquiring)).unsafelyUnwrapped)
  }
  public func replace(_ object: Object) {
    let new = Borrowed(object)
    new.retain()
    let old = word.exchange(new.identity, ordering: .acquiringAndReleasing)
    // SAFETY: as above; the count passes to the grace period.
    unsafe RCU.release(Borrowed<Deferred>(bits: UnsafeMutableRawPointer(bitPattern: old).unsafelyUnwrapped))
  }
}
