import CLinux
import CMachine
import Synchronization

/// The machine's half of an address space: a host process and its carriers. In `mmu=none` all tasks share one. Root's own
/// has no guest memory; kernel threads and killed tasks run there.
///
/// All fields are under the scheduler's lock, but those that never change.
public final class HostSpace: Listed {
  public var link = Link<HostSpace>()  // of `blankSpaces`, of `postedSpaces`
  var hostProcess: Int32 = 0  // 0 until its process is known
  var carriers: UnsafeMutablePointer<machine_carrier>?  // a chain through `next`
  var carrierCount = 0  // host threads that have not left
  var firstThread: Borrowed<Thread>?  // the threads in it, through spaceNext; each alive while it is listed
  var tableNext: Borrowed<HostSpace>?  // SpaceTable's chain, which holds a count
  /// Threads and visitors in it. At zero its process ends, unless it was wiped and goes back to the pool.
  var users = 0
  var isDying = false
  var isDead = false  // its process is gone
  var isWiped = false
  /// What stays mapped in it between two programs, by a number that its last user gave: 0 for nothing.
  var label: UInt64 = 0
  var wantsCarrier = false  // a thread of it waits for a vCPU that none of its carriers can serve
  let isRoot: Bool

  init(isRoot: Bool) { self.isRoot = isRoot }

  /// Whether its host process was killed from outside.
  public var wasKilled: Bool { isDead }

  // MARK: membership; the scheduler's lock is held

  func add(_ thread: Thread) {
    thread.space = self
    users &+= 1
    thread.spacePrevious = nil
    thread.spaceNext = firstThread
    let new = Borrowed(thread)
    firstThread?.with { $0.spacePrevious = new }
    firstThread = new
  }

  /// The thread's `space` stays as it is until the next `add`.
  func remove(_ thread: Thread) {
    if let previous = thread.spacePrevious {
      previous.with { $0.spaceNext = thread.spaceNext }
    } else {
      firstThread = thread.spaceNext
    }
    if let next = thread.spaceNext { next.with { $0.spacePrevious = thread.spacePrevious } }
    thread.spaceNext = nil
    thread.spacePrevious = nil
    drop()
  }

  func drop() {
    users &-= 1
    guard users == 0, !isRoot, !isDead, unsafe machineHasAddressSpaces else { return }
    if isWiped && SpacePool.put(self) { return }
    end()
  }

  /// Its process ends: nobody is in it.
  func end() {
    isDying = true
    dyingSpaces.add(1, ordering: .sequentiallyConsistent)
    // Its parked carriers must leave: whoever is awake in it does that. Where nobody is, one is woken for it.
    if !hasActiveCarrier, let carrier = unsafe parkedCarrier {
      unsafe arch_store32(&carrier.pointee.baton, 2)
      unsafe hostFutexWake(&carrier.pointee.baton)
    }
  }

  // MARK: carriers; the scheduler's lock is held

  /// A carrier that can run this space's threads on vCPU `id`: the one that is bound to it, else a parked one, which may
  /// be bound anew. Nil: all are busy with other vCPUs.
  func carrier(for id: Int) -> UnsafeMutablePointer<machine_carrier>? {
    var parked: UnsafeMutablePointer<machine_carrier>?
    var at = unsafe carriers
    while let carrier = unsafe at {
      if let vcpu = unsafe carrier.pointee.vcpu {
        let isHolder = unsafe vcpu.pointee.carrier == carrier
        if unsafe Int(vcpu.pointee.id) == id { return unsafe carrier }
        if !isHolder && !isRoot { unsafe parked = carrier }
      } else if unsafe carrier.pointee.retired == 0 {
        unsafe parked = carrier
      }
      unsafe at = carrier.pointee.next
    }
    return unsafe parked
  }

  /// Some carrier that has not left.
  private var parkedCarrier: UnsafeMutablePointer<machine_carrier>? {
    var at = unsafe carriers
    while let carrier = unsafe at, unsafe carrier.pointee.retired != 0 { unsafe at = carrier.pointee.next }
    return unsafe at
  }
  /// The slot of one that has left and whose host thread is gone.
  var retiredCarrier: UnsafeMutablePointer<machine_carrier>? {
    var at = unsafe carriers
    while let carrier = unsafe at {
      if unsafe carrier.pointee.retired != 0 && arch_load32(&carrier.pointee.exists) == 0 { return unsafe carrier }
      unsafe at = carrier.pointee.next
    }
    return nil
  }

  /// Whether a carrier of it holds a vCPU's baton.
  var hasActiveCarrier: Bool { activeProcessor(allowed: .max) != nil }

  func activeProcessor(allowed: UInt64) -> Int? {
    var at = unsafe carriers
    while let carrier = unsafe at {
      if let vcpu = unsafe carrier.pointee.vcpu, unsafe vcpu.pointee.carrier == carrier {
        let id = unsafe Int(vcpu.pointee.id)
        if allowed &>> UInt64(id) & 1 != 0 { return id }
      }
      unsafe at = carrier.pointee.next
    }
    return nil
  }

  func adopt(_ carrier: UnsafeMutablePointer<machine_carrier>) {
    unsafe carrier.pointee.next = carriers
    unsafe carrier.pointee.space = Borrowed(self).bits
    unsafe carriers = carrier
    carrierCount &+= 1
  }

  /// After the process is gone, or a clone failed.
  func freeCarriers() {
    while let carrier = unsafe carriers {
      unsafe carriers = carrier.pointee.next
      unsafe CarrierSlots.free(carrier)
    }
    carrierCount = 0
  }
}

/// Which of the two machines this is: an address space for each process, or one for all.
public var hasAddressSpaces: Bool { unsafe machineHasAddressSpaces }
nonisolated(unsafe) var machineHasAddressSpaces = true  // SAFETY: written at boot
nonisolated(unsafe) var rootSpace: HostSpace! = nil  // SAFETY: written at boot
@inline(__always) func rootCarrier(_ id: Int) -> UnsafeMutablePointer<machine_carrier> {
  unsafe rootSpace.carrier(for: id).unsafelyUnwrapped
}
