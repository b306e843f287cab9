import CMachine
import Synchronization

extension Scheduler {
  /// Switches from the current thread to the next; no arena is open. The lock is held on the way in and released on the way
  /// out, which is on another carrier, perhaps on another vCPU, whenever this thread runs again.
  static func switchAway() {
    let current = Thread.current
    let next = Processor.withCurrent { processor in current.with { leave($0, processor) } }
    switch next {
    case .stay:
      RCU.pass(Processor.currentID)
      unlock()
      drainRCU(current)
    case .to(let thread):
      let (from, to) = unsafe current.with { old in thread.with { new in unsafe (savedSlot(old), new.savedStack) } }
      unsafe arch_carrier().pointee.vcpu.pointee.current = thread.bits
      unsafe arch_switch(from, to)
      finishSwitch()
    case .handOver(let thread):
      unsafe arch_switch_call(current.with { savedSlot($0) }, parkStack(), { handOver($0) }, thread?.bits)
      finishSwitch()
    }
  }

  /// The current thread goes on in the address space `space`, on a carrier of that. The one that it leaves ends when
  /// nobody is left in it.
  public static func move(to space: HostSpace) {
    mightSleep()
    Arena.leave()
    let current = Thread.current
    current.with { thread in
      if thread.space === space { return }
      lock()
      thread.space.remove(thread)
      space.add(thread)
      hop(current)
    }
  }

  /// To a carrier of the current thread's space, which has just changed. No arena is open. The lock is held and released.
  static func hop(_ current: Borrowed<Thread>) {
    current.with { thread in
      save(thread)
      account(thread)
      thread.onProcessor = false
      unsafe arch_switch_call(savedSlot(thread), parkStack(), { handOver($0) }, current.bits)
      finishSwitch()
    }
  }

  /// Releases what RCU has kept long enough, unless the current thread holds a lock that somebody's deinit may want: then
  /// it does so on its way out.
  private static func drainRCU(_ current: Borrowed<Thread>) {
    if !RCU.hasEnded { return }
    if current.with({ $0.mutexCount == 0 }) {
      RCU.drain()
    } else {
      unsafe arch_store32(UnsafeMutableRawPointer(arch_vcpu()).assumingMemoryBound(to: UInt32.self), 1)
    }
  }

  private enum Next {
    case stay
    case to(Borrowed<Thread>)
    case handOver(Borrowed<Thread>?)
  }

  private static func leave(_ old: Thread, _ processor: Processor) -> Next {
    let state = old.state
    var next = takeNext(processor)
    let mustMove = state == .running && old.affinity &>> UInt64(processor.id) & 1 == 0
    if state == .running && !mustMove {
      if next == nil { return .stay }
      old.involuntarySwitches &+= 1
      processor.append(old)
    } else if next == nil {
      next = steal(for: processor)
    }
    account(old)
    old.onProcessor = false
    if state == .dead {
      processor.dead = Borrowed(old)
    } else {
      save(old)
      if mustMove { enqueue(old).deliver() }  // to a vCPU that it may use
    }
    guard let next else { return .handOver(nil) }
    let isHere = unsafe next.with { unsafe arch_carrier().pointee.space == Borrowed($0.space).bits }
    return isHere ? .to(next) : .handOver(next)
  }

  @inline(__always) private static func savedSlot(_ thread: Thread) -> UnsafeMutablePointer<UInt64> {
    // SAFETY: a thread's field; the thread outlives the switch that writes it.
    unsafe withUnsafeMutablePointer(to: &thread.savedStack) { unsafe $0 }
  }
  @inline(__always) private static func parkStack() -> UInt64 {
    unsafe UInt64(UInt(bitPattern: arch_carrier())) &+ UInt64(MACHINE_PARK_STACK_TOP)
  }

  private static func save(_ thread: Thread) {
    if let vectors = thread.vectors {
      vectors.with { $0.leave() }
      thread.threadPointer = arch_get_fs()
    }
  }
  private static func account(_ thread: Thread) {
    Processor.withCurrent { processor in
      let now = processor.clock.read()
      let used = now > thread.switchedIn ? now &- thread.switchedIn : 0
      thread.runtime &+= used
      processor.now = now
      processor.busy &+= used
      processor.switches &+= 1
    }
  }

  /// The first steps of whoever runs next, on its own stack: the lock is still held.
  static func finishSwitch() {
    let carrier = unsafe arch_carrier()
    let vcpu = unsafe carrier.pointee.vcpu.unsafelyUnwrapped
    unsafe RCU.pass(Int(vcpu.pointee.id))
    let current = unsafe Borrowed<Thread>(bits: vcpu.pointee.current.unsafelyUnwrapped)
    unsafe carrier.pointee.current = vcpu.pointee.current
    unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
    let dead = unsafe Processor.with(Int(vcpu.pointee.id)) { processor -> Borrowed<Thread>? in
      defer { processor.dead = nil }
      return processor.dead
    }
    let tick = current.with { thread -> UInt64 in
      unsafe carrier.pointee.stack_top = thread.stack.top
      thread.onProcessor = true
      unsafe thread.processor = Int(vcpu.pointee.id)
      thread.switchedIn = unsafe Processor.with(Int(vcpu.pointee.id)) { processor in
        // What the switch has cost so far is this thread's.
        let now = processor.now != 0 ? processor.now : processor.clock.read()
        processor.now = 0
        processor.mustYield = false
        processor.switchedInCycles = processor.clock.cycles
        return now
      }
      let looks = thread.vectors != nil && thread.sampledSecond != MemorySampling.second
      if thread.interruption.load(ordering: .relaxed) != 0 || thread.space.wantsCarrier || looks {
        unsafe arch_store32(UnsafeMutableRawPointer(vcpu).assumingMemoryBound(to: UInt32.self), 1)
      }
      return unsafe Processor.with(Int(vcpu.pointee.id)) { processor in
        processor.sliceEnds = thread.switchedIn &+ slice(thread)
        return processor.queue.isEmpty ? UInt64.max : startTick(processor)
      }
    }
    unlock()
    dead?.release()
    drainRCU(current)
    MemorySampling.noteActivity()
    if tick != .max { Timers.arm(tick) }
    current.with { thread in
      if let vectors = thread.vectors {
        vectors.with { $0.resume() }
        arch_set_fs(thread.threadPointer)
      }
    }
  }

  /// The time slice: 4 ms, doubled or halved for each five steps of nice.
  private static func slice(_ thread: Thread) -> UInt64 {
    let base = sliceNanoseconds
    let steps = thread.nice / 5
    return steps >= 0 ? max(base &>> UInt64(min(steps, 4)), tickNanoseconds) : base &<< UInt64(min(-steps, 4))
  }

  // MARK: hand-over

  /// A carrier without a thread, on its park stack, holding its vCPU's baton and the lock: runs `next`, idles, hands the
  /// baton over and parks, or leaves with its process. Never returns.
  static func carry(_ next: Borrowed<Thread>?) -> Never {
    var next = next
    while true {
      let carrier = unsafe arch_carrier()
      let vcpu = unsafe carrier.pointee.vcpu.unsafelyUnwrapped
      let id = unsafe Int(vcpu.pointee.id)
      let space = unsafe Borrowed<HostSpace>(bits: carrier.pointee.space.unsafelyUnwrapped)
      if next == nil { next = Processor.with(id) { takeNext($0) ?? steal(for: $0) } }
      let isDying = space.with { $0.isDying }
      guard let chosen = next else {
        if isDying {
          giveBaton(vcpu, to: rootCarrier(id), thread: nil)
          leave(space)
        }
        // Where the baton goes on, whoever gets it does this: his process has touched all that it takes.
        let dead = Processor.with(id) { processor -> Borrowed<Thread>? in
          defer { processor.dead = nil }
          return processor.dead
        }
        if let dead {  // nobody stands on its stack any more
          unlock()
          dead.release()
          lock()
          continue
        }
        if space.with({ $0.takeWish() }) {
          // A thread waits for a carrier elsewhere: this one, once root holds the baton.
          giveBaton(vcpu, to: rootCarrier(id), thread: nil)
          kickIdleWithWork()
          next = park()
          continue
        }
        next = idle(vcpu, id)
        continue
      }
      if chosen.with({ Borrowed($0.space) == space }) {
        unsafe vcpu.pointee.current = chosen.bits
        chosen.with { unsafe arch_resume($0.savedStack) }
      }
      guard let target = chosen.with({ $0.space.carrier(for: id) }) else {
        // Its carriers are all busy elsewhere: it waits there.
        _ = chosen.with { thread in Processor.with(id) { $0.append(thread) } }
        next = nil
        continue
      }
      giveBaton(vcpu, to: target, thread: chosen)
      if isDying { leave(space) }
      next = park()
    }
  }

  /// Names the new holder before it is woken; the wake comes after the lock is dropped. The lock is released.
  private static func giveBaton(
    _ vcpu: UnsafeMutablePointer<machine_vcpu>, to target: UnsafeMutablePointer<machine_carrier>,
    thread: Borrowed<Thread>?
  ) {
    let carrier = unsafe arch_carrier()
    unsafe target.pointee.vcpu = vcpu
    unsafe vcpu.pointee.current = thread?.bits
    unsafe vcpu.pointee.carrier = target
    unsafe carrier.pointee.current = nil
    unsafe pin(target, to: vcpu)
    unsafe arch_store32(&target.pointee.baton, 1)
    unsafe carrier.pointee.state = UInt32(MACHINE_PARKED)
    unlock()
    unsafe hostFutexWake(&target.pointee.baton)
  }

  /// Waits for the baton of some vCPU; returns with the lock held and the thread that the giver chose.
  static func park() -> Borrowed<Thread>? {
    let carrier = unsafe arch_carrier()
    while true {
      let baton = unsafe arch_exchange32(&carrier.pointee.baton, 0)
      if baton == 2 { unsafe leave(Borrowed<HostSpace>(bits: carrier.pointee.space.unsafelyUnwrapped)) }
      if baton == 1 {
        unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
        lock()
        // Root may have taken the vCPU over meanwhile, or given the baton twice after a kill.
        let vcpu = unsafe carrier.pointee.vcpu.unsafelyUnwrapped
        if unsafe vcpu.pointee.carrier == carrier {
          return unsafe vcpu.pointee.current.map { unsafe Borrowed<Thread>(bits: $0) }
        }
        unsafe carrier.pointee.state = UInt32(MACHINE_PARKED)
        unlock()
        continue
      }
      let end = unsafe patience(carrier)
      unsafe hostFutexWait(&carrier.pointee.baton, 0, until: end)
      if end.hasPassed { unsafe retire(carrier) }
    }
  }
  /// How long a carrier waits before it makes itself superfluous. Root's stay, and a process's first one.
  private static func patience(_ carrier: UnsafeMutablePointer<machine_carrier>) -> Deadline {
    let stays = unsafe carrier.pointee.tid == carrier.pointee.pid || carrier.pointee.pid == rootProcess
    return stays ? .never : .after(nanoseconds: 1_000_000_000)
  }

  /// A carrier that nobody needed for a second leaves, unless it was given a baton just now, or whoever made it has not
  /// entered it yet. The slot stays with its space.
  private static func retire(_ carrier: UnsafeMutablePointer<machine_carrier>) {
    lock()
    if unsafe arch_load32(&carrier.pointee.baton) != 0 || carrier.pointee.retired != 0 {
      unlock()
      return
    }
    unsafe Borrowed<HostSpace>(bits: carrier.pointee.space.unsafelyUnwrapped).with { $0.carrierCount &-= 1 }
    unsafe carrier.pointee.retired = 1
    unsafe carrier.pointee.vcpu = nil
    unlock()
    hostExitThread()
  }

  /// Nothing to run: spins briefly, then waits for a kick or the earliest timer. Lock held on both ends.
  private static func idle(_ vcpu: UnsafeMutablePointer<machine_vcpu>, _ id: Int) -> Borrowed<Thread>? {
    let pending = unsafe UnsafeMutableRawPointer(vcpu).assumingMemoryBound(to: UInt32.self)
    let carrier = unsafe arch_carrier()
    unsafe vcpu.pointee.current = nil
    unsafe carrier.pointee.current = nil
    unsafe _ = arch_exchange32(pending, 0)
    Processor.with(id) { processor in
      processor.tick.store(.max, ordering: .relaxed)
      processor.now = 0
    }
    unsafe vcpu.pointee.idle = 1
    RCU.pass(id)
    if RCU.hasEnded || Posts.isWaiting { unsafe arch_store32(pending, 1) }
    unsafe carrier.pointee.state = UInt32(MACHINE_IDLE)
    unlock()
    unsafe vcpu.pointee.quiescent &+= 1
    let until = Processor.with(id) { $0.earliest.load(ordering: .sequentiallyConsistent) }
    if idleSpinCycles > 0 {
      let start = arch_cycles()
      while unsafe arch_load32(pending) == 0 && arch_cycles() &- start < idleSpinCycles { arch_pause() }
    }
    // A stop that came before `pending` was cleared.
    var end = Deadline.never
    if unsafe arch_load32(pending) == 0 && arch_load32(machine_stopped()) == 0 {
      unsafe unpin(carrier)
      unsafe end = patience(carrier)
      unsafe hostFutexWait(pending, 0, until: Deadline(nanoseconds: min(until, end.nanoseconds)))
      unsafe adoptProcessor(carrier, vcpu)
    }
    unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
    lock()
    guard unsafe vcpu.pointee.carrier == carrier else {  // taken over after a kill
      unsafe carrier.pointee.state = UInt32(MACHINE_PARKED)
      unlock()
      return park()
    }
    unsafe vcpu.pointee.idle = 0
    if unsafe end.hasPassed && arch_load32(pending) == 0 {  // root's carrier may wait as well
      unsafe giveBaton(vcpu, to: rootCarrier(id), thread: nil)
      return park()
    }
    unlock()
    StopBarrier.pass()
    Timers.run(id)
    Posts.drain()
    RCU.drain()
    lock()
    return nil
  }

  // MARK: leaving

  /// A carrier whose baton is given away and whose process ends: wakes its parked siblings to leave and makes idle ones
  /// hand over. Called without the lock.
  private static func leave(_ space: Borrowed<HostSpace>) -> Never {
    lock()
    space.with { space in
      var at = space.carriers
      let carrier = unsafe arch_carrier()
      while let other = unsafe at {
        unsafe at = other.pointee.next
        if unsafe other == carrier { continue }
        if let vcpu = unsafe other.pointee.vcpu, unsafe vcpu.pointee.carrier == other {
          unsafe kick(vcpu)
        } else {
          unsafe arch_store32(&other.pointee.baton, 2)
          unsafe hostFutexWake(&other.pointee.baton)
        }
      }
    }
    // The last one out ends the process; the reaper frees the slots.
    let left = space.with { space -> Int in
      space.carrierCount &-= 1
      return space.carrierCount
    }
    unsafe arch_carrier().pointee.state = UInt32(MACHINE_PARKED)
    unlock()
    if left == 0 { hostExit(0) }
    hostExitThread()
  }
}

/// Where `arch_switch_call` puts a carrier without a thread.
private func handOver(_ next: UnsafeMutableRawPointer?) {
  unsafe Scheduler.carry(next.map { unsafe Borrowed<Thread>(bits: $0) })
}

/// The first switch to a thread comes here, on its own stack.
@c(machine_thread_start) func machineThreadStart() {
  Scheduler.finishSwitch()
  Thread.withCurrent { thread in
    thread.begin()
    if thread.vectors == nil { Scheduler.exit() }
  }
}
