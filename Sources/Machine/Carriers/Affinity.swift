import CMachine

/// The guest machine's processors.
public enum Processors {
  /// How many there are; their numbers count from 0.
  public static var count: Int { Processor.count }
  /// A bit for each.
  public static var all: UInt64 { count >= 64 ? .max : 1 &<< UInt64(count) &- 1 }
  /// The one that runs this; another one after any switch.
  public static var current: Int { Processor.currentID }
}

extension Scheduler {
  /// Binds `thread` to the vCPUs in `mask`, at least one of which exists. The current thread has moved when this returns;
  /// another one moves when its vCPU looks at it next, which is soon.
  public static func setAffinity(_ thread: Thread, _ mask: UInt64) {
    lock()
    thread.affinity = mask
    let isCurrent = Thread.current == thread
    let other = thread.onProcessor && !isCurrent && mask &>> UInt64(thread.processor) & 1 == 0 ? thread.processor : -1
    unlock()
    if isCurrent { moveToAllowed(thread) }
    if other >= 0 { unsafe kick(machine_vcpu_at(UInt32(other))) }
  }

  /// Moves the current thread away from a vCPU that it may not use.
  static func moveToAllowed(_ thread: Thread) {
    if thread.affinity &>> UInt64(Processor.currentID) & 1 == 0 { yield() }
  }
}

extension Clock {
  /// CLOCK_MONOTONIC when the machine was started.
  public static var machineStart: UInt64 { unsafe bootTime }
}

// A thread may be bound to a vCPU that no carrier of its space can serve, as all hold the batons of others.
extension HostSpace {
  /// Asks for a carrier: whoever runs in the space makes one on its way out, whoever idles in it gives up its baton.
  /// Lock held.
  func wantCarrier() {
    if isRoot || wantsCarrier { return }
    wantsCarrier = true
    var at = unsafe carriers
    while let carrier = unsafe at {
      if let vcpu = unsafe carrier.pointee.vcpu, unsafe vcpu.pointee.carrier == carrier { unsafe kick(vcpu) }
      unsafe at = carrier.pointee.next
    }
  }
  /// Lock held.
  func takeWish() -> Bool {
    if isRoot || !wantsCarrier { return false }
    wantsCarrier = false
    return true
  }
}

extension Scheduler {
  /// Wakes the idle vCPUs that have something queued. Without the lock.
  static func kickIdleWithWork() {
    for id in 0..<Processor.count where Processor.with(id, { $0.queued > 0 }) {
      unsafe kick(machine_vcpu_at(UInt32(id)), onlyIfIdle: true)
    }
  }
}
