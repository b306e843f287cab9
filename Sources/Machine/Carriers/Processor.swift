import CMachine
import Synchronization

/// The Swift half of a vCPU: its run queue and its timers. The half that assembly sees is `machine_vcpu`.
final class Processor {
  let id: Int
  let block: UnsafeMutablePointer<machine_vcpu>
  // Under the scheduler's lock:
  var queue = IntrusiveList<Thread>()
  var queued = 0
  var dead: Borrowed<Thread>?  // switched away from for good; the next thread drops it
  var sliceEnds: UInt64 = 0  // monotonic nanoseconds
  var clock = SwitchClock()
  /// When the last thread was switched away from, where nothing but the switch has taken time since; 0: unknown.
  var now: UInt64 = 0
  /// The processor's cycle counter when the current thread was switched to.
  var switchedInCycles: UInt64 = 0
  /// The current thread has run for a while and has woken another: its turn ends on its way out of the kernel.
  var mustYield = false
  var busy: UInt64 = 0  // nanoseconds that threads ran, up to the last switch
  var switches = 0
  let tick = Atomic<UInt64>(.max)  // when the next tick is due; .max: it does not run
  let timers = SpinLock(TimerHeap(), rank: .timers)
  /// The earliest timer, or .max: read without the lock.
  let earliest = Atomic<UInt64>(.max)

  init(id: Int, block: UnsafeMutablePointer<machine_vcpu>) {
    self.id = id
    unsafe self.block = block
    unsafe block.pointee.id = UInt32(id)
    unsafe block.pointee.host_cpu = -1
  }

  @inline(__always) func append(_ thread: Thread) {
    thread.processor = id
    queue.append(thread)
    queued &+= 1
  }
  @inline(__always) func remove(_ thread: Thread) {
    queue.remove(thread)
    queued &-= 1
  }

  static var maximum: Int { 64 }
  /// SAFETY: made at boot, never destroyed.
  @inline(__always)
  static func with<R: ~Copyable, E: Error>(_ id: Int, _ body: (Processor) throws(E) -> R) throws(E) -> R {
    precondition(UInt(bitPattern: id) < 64)
    return try unsafe processors[id].unsafelyUnwrapped.with(body)
  }
  @inline(__always) static var currentID: Int { unsafe Int(arch_vcpu().pointee.id) }
  @inline(__always) static func withCurrent<R: ~Copyable, E: Error>(_ body: (Processor) throws(E) -> R) throws(E) -> R {
    try with(currentID, body)
  }
  static var count: Int { unsafe processorCount }
}

// SAFETY: written at boot before the second thread exists.
nonisolated(unsafe) var processors: InlineArray<64, Borrowed<Processor>?> = InlineArray(repeating: nil)
nonisolated(unsafe) var processorCount = 0
