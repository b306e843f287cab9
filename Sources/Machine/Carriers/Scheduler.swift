import CMachine
import Synchronization

/// Tasks on vCPUs. One lock guards the run queues, the batons, the carriers and the states of threads; it is held across
/// a switch and released by whoever runs next. The essay is docs/scheduling.md.
public enum Scheduler {
  // MARK: the lock

  @inline(__always) static func lock() {
    lockTaken(.scheduler)
    if unsafe !arch_compare_exchange32(machine_scheduler_lock(), 0, 1) { contended() }
  }
  @inline(__always) static func unlock() {
    arch_compiler_barrier()  // as in SpinLock.unlock
    unsafe arch_release32(machine_scheduler_lock(), 0)
    lockReleased(.scheduler)
  }
  /// For the reaper: the process that ended may have held it.
  static func lockAfterDeath() {
    lockTaken(.scheduler)
    let patience = Clock.monotonic() &+ 5_000_000_000
    while unsafe !arch_compare_exchange32(machine_scheduler_lock(), 0, 1) {
      hostYield()
      if Clock.monotonic() > patience { unsafe panic("a host process was killed with the scheduler's lock held") }
    }
  }
  @inline(never) private static func contended() {
    var spins = 0
    while unsafe !arch_compare_exchange32(machine_scheduler_lock(), 0, 1) {
      arch_pause()
      spins &+= 1
      if spins & 255 == 0 { hostYield() }
    }
  }

  // MARK: for threads

  /// vCPUs of the machine.
  public static var processorCount: Int { Processor.count }

  /// Lets a new thread run, on this vCPU, whose queue it joins. The scheduler keeps it alive until it has exited.
  public static func start(_ thread: Thread) {
    Borrowed(thread).retain()
    lock()
    thread.space.add(thread)
    let kick = enqueue(thread)
    unlock()
    kick.deliver()
  }

  /// Ends the current thread. Its stack is left for good; the next thread on this vCPU drops it.
  public static func exit() -> Never {
    Arena.leave()
    Thread.withCurrent { thread in
      lock()
      thread.stateWord.store(ThreadState.dead.rawValue, ordering: .sequentiallyConsistent)
      thread.space.remove(thread)
    }
    switchAway()
    unsafe panic("a dead thread ran")
  }

  /// Sleeps until woken or the deadline, where `prepareToSleep` said so and no wake-up came since.
  public static func sleep(until deadline: Deadline) {
    mightSleep()
    Arena.leave()
    Posts.drain()  // not in whoever is switched to, who may be new and have touched little
    Thread.withCurrent { thread in
      if !deadline.isNever { thread.sleepTimer.start(deadline) }
      lock()
      if thread.stateWord.load(ordering: .relaxed) == ThreadState.running.rawValue {
        unlock()
      } else {
        thread.voluntarySwitches &+= 1
        switchAway()
      }
      if !deadline.isNever { thread.sleepTimer.stop() }
    }
  }

  /// Gives others their turn, where there are any: sched_yield(2), and the end of a time slice.
  public static func yield() {
    mightSleep()
    Arena.leave()
    lock()
    switchAway()
  }

  /// Stops the current thread until `wake` (job control, tracers), unless a wake came since `state` was set.
  public static func stop() { sleep(until: .never) }

  /// Marks the current thread stopped; then the caller looks once more whether it should be, then `stop`.
  public static func prepareToStop() {
    Thread.withCurrent { _ = $0.stateWord.exchange(ThreadState.stopped.rawValue, ordering: .sequentiallyConsistent) }
  }

  /// Wakes a sleeping or stopped thread. Returns whether it was one. Takes only the scheduler's lock.
  @discardableResult
  public static func wake(_ thread: Thread) -> Bool { wake(thread, taken: {}) }

  /// The same, with `prepare` before and `taken` after under the scheduler's lock, `taken` only where it was one. The thread
  /// exists while it waits for what they do, since its end takes that lock.
  @inline(__always) @discardableResult
  public static func wake(_ thread: Thread, after prepare: () -> Void = {}, taken: () -> Void = {}) -> Bool {
    lock()
    prepare()
    let kick = wakeLocked(thread)
    if kick != nil { taken() }
    unlock()
    kick?.deliver()
    return kick != nil
  }

  /// Makes `thread` notice its interruption bits: wakes it where its sleep allows, kicks it out of guest code.
  static func notice(_ thread: Thread) {
    lock()
    let bits = thread.interruption.load(ordering: .relaxed)
    let kick: Kick?
    switch thread.state {
    case .interruptible: kick = wakeLocked(thread)
    case .killable, .stopped: kick = bits & Interruption.kill != 0 ? wakeLocked(thread) : nil
    case .running where thread.onProcessor: kick = Kick(processor: thread.processor, ifIdle: false)
    case .running, .uninterruptible, .dead: kick = nil
    }
    unlock()
    kick?.deliver()
  }

  static func wakeLocked(_ thread: Thread) -> Kick? {
    let state = thread.state
    if state == .running || state == .dead { return nil }
    thread.stateWord.store(ThreadState.running.rawValue, ordering: .releasing)
    if thread.onProcessor { return Kick.none }  // on its way to sleep: it will see that it need not
    let kick = enqueue(thread)
    if kick.processor < 0 { preempt(by: thread) }
    return kick
  }

  /// `thread` was woken and waits on this vCPU: where the current one has had it for a while, it is the other's turn, else
  /// with the next tick, so that who slept need not wait for the end of a time slice. Lock held.
  private static func preempt(by thread: Thread) {
    guard let vcpu = unsafe arch_carrier().pointee.vcpu, let current = unsafe arch_carrier().pointee.current else {
      return
    }
    let nice = unsafe Borrowed<Thread>(bits: current).with { $0.nice }
    unsafe Processor.with(Int(vcpu.pointee.id)) { processor in
      guard thread.nice <= nice else { return }
      guard arch_cycles() &- processor.switchedInCycles > preemptionCycles else {
        processor.sliceEnds = 0
        return
      }
      processor.mustYield = true
      unsafe arch_store32(UnsafeMutableRawPointer(vcpu).assumingMemoryBound(to: UInt32.self), 1)
    }
  }

  // MARK: placing

  /// A host call that comes after the lock is dropped.
  struct Kick {
    var processor: Int  // -1: nobody
    var ifIdle: Bool
    var tick: UInt64 = .max  // a tick that became due earlier than the I/O thread knows
    static var none: Kick { Kick(processor: -1, ifIdle: true) }
    @inline(__always) func deliver() {
      if processor >= 0 { unsafe kick(machine_vcpu_at(UInt32(processor)), onlyIfIdle: ifIdle) }
      if tick != .max { Timers.arm(tick) }
    }
  }

  /// Queues a thread that became runnable: on the waker's vCPU, whose cache is warm with what it will need; where its
  /// address space has no carrier for that one, on one that has. Lock held.
  static func enqueue(_ thread: Thread) -> Kick {
    let here = unsafe arch_carrier().pointee.vcpu.map { unsafe Int($0.pointee.id) }
    var target = here ?? thread.processor
    if thread.affinity &>> UInt64(target) & 1 == 0 { target = allowed(thread) }
    if thread.space.carrier(for: target) == nil {
      if let other = thread.space.activeProcessor(allowed: thread.affinity) {
        target = other
      } else {
        thread.space.wantCarrier()
      }
    }
    Processor.with(target) { $0.append(thread) }
    // A busy vCPU, here or elsewhere, takes its turn to it by its tick.
    let tick = Processor.with(target) { startTick($0) }
    return Kick(processor: target == here ? -1 : target, ifIdle: true, tick: tick)
  }

  /// Starts the vCPU's tick where it does not run: it does only while more than one thread is runnable. Returns the
  /// tick's time where it is new. Lock held.
  static func startTick(_ processor: Processor) -> UInt64 {
    guard processor.tick.load(ordering: .relaxed) == .max else { return .max }
    let due = Clock.monotonic() &+ tickNanoseconds
    processor.tick.store(due, ordering: .relaxed)
    return due
  }

  private static func allowed(_ thread: Thread) -> Int {
    for id in 0..<Processor.count where thread.affinity &>> UInt64(id) & 1 != 0 { return id }
    return 0
  }

  /// The next thread for this vCPU, or nil: its own queue's first, else one stolen. Lock held.
  static func takeNext(_ processor: Processor) -> Borrowed<Thread>? {
    var at = processor.queue.first
    while let candidate = at {
      at = candidate.with { processor.queue.after($0) }
      if candidate.with({ $0.space.carrier(for: processor.id) != nil && $0.affinity &>> UInt64(processor.id) & 1 != 0 })
      {
        candidate.with { processor.remove($0) }
        return candidate
      }
      candidate.with { relocate($0, from: processor) }
    }
    return nil
  }

  /// A queued thread that its vCPU cannot run goes to one that can.
  private static func relocate(_ thread: Thread, from processor: Processor) {
    for id in 0..<Processor.count where id != processor.id && thread.affinity &>> UInt64(id) & 1 != 0 {
      if thread.space.carrier(for: id) == nil { continue }
      processor.remove(thread)
      Processor.with(id) { $0.append(thread) }
      Kick(processor: id, ifIdle: true, tick: startTickWhereBusy(id)).deliver()
      return
    }
    thread.space.wantCarrier()
  }

  /// Another vCPU got something queued: busy with one thread so far, it has no tick yet; idle, it is woken. Lock held.
  static func startTickWhereBusy(_ id: Int) -> UInt64 {
    if unsafe machine_vcpu_at(UInt32(id)).pointee.idle != 0 { return .max }
    return Processor.with(id) { startTick($0) }
  }

  /// Takes a thread from the longest queue of the others, for a vCPU that would idle. Lock held.
  static func steal(for processor: Processor) -> Borrowed<Thread>? {
    for step in 1..<max(Processor.count, 1) {
      let id = (processor.id &+ step) % Processor.count
      let found = Processor.with(id) { victim -> Borrowed<Thread>? in
        var at = victim.queue.first
        while let candidate = at {
          at = candidate.with { victim.queue.after($0) }
          let fits = candidate.with { thread -> Bool in
            guard thread.affinity &>> UInt64(processor.id) & 1 != 0 else { return false }
            if thread.space.carrier(for: processor.id) != nil { return true }
            if !thread.space.isRoot { thread.space.wantsCarrier = true }
            return false
          }
          if fits {
            candidate.with { victim.remove($0) }
            return candidate
          }
        }
        return nil
      }
      if let found { return found }
    }
    return nil
  }
}

/// Interrupts a vCPU: the flag first (an exchange, so kicks coalesce), then its holder, by signal or by the idle futex.
/// The flag belongs to the vCPU, so it survives a hand-over. Callable from any host thread, without the lock.
/// `onlyIfIdle` is for what was queued under the scheduler's lock, under which a vCPU becomes idle: a busy one will look.
/// It leaves no flag there, which would keep the next kick from sending its signal.
func kick(_ vcpu: UnsafeMutablePointer<machine_vcpu>, onlyIfIdle: Bool = false) {
  let pending = unsafe UnsafeMutableRawPointer(vcpu).assumingMemoryBound(to: UInt32.self)  // its first word
  // A flag without a signal would make later kicks believe that the holder knows. Who goes idle looks at its queue first,
  // under the lock that the caller has just held.
  if unsafe onlyIfIdle && vcpu.pointee.idle == 0 { return }
  let already = unsafe arch_exchange32(pending, 1) != 0
  if unsafe vcpu.pointee.idle != 0 {
    unsafe hostFutexWake(pending)
    return
  }
  if already { return }
  guard let holder = unsafe vcpu.pointee.carrier, unsafe holder != arch_carrier() else { return }
  unsafe hostInterrupt(process: holder.pointee.pid, thread: holder.pointee.tid)
}

extension Scheduler {
  /// On the way out of the kernel: the tick, if it is due. Ends a used-up time slice, and lets idle vCPUs have what waits.
  static func tick(_ id: Int) {
    let mustYield = Processor.with(id) { processor in
      defer { processor.mustYield = false }
      return processor.mustYield
    }
    if mustYield { return yield() }
    let now = Clock.monotonic()
    let (isOver, hasWork) = Processor.with(id) { processor -> (Bool, Bool) in
      let due = processor.tick.load(ordering: .relaxed)
      // Without a tick though something is queued: the reaper left it.
      guard due <= now || (due == .max && !processor.queue.isEmpty) else { return (false, false) }
      processor.tick.store(.max, ordering: .relaxed)
      return (now >= processor.sliceEnds, !processor.queue.isEmpty)
    }
    guard hasWork else { return }
    kickIdle()
    if isOver {
      yield()
    } else {
      lock()
      let due = Processor.with(id) { $0.queue.isEmpty ? UInt64.max : startTick($0) }
      unlock()
      if due != .max { Timers.arm(due) }
    }
  }
}
