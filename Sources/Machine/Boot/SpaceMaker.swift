import CLinux
import CMachine
import Synchronization

/// Root's main thread, the parent of every address space's process: it makes the pool's, and ends the machine.
enum SpaceMaker {
  /// On a vCPU: objects for the spaces to come, since the main thread allocates nothing.
  static func stock() {
    while unsafe blankCount < SpacePool.target {
      let space = HostSpace(isRoot: false)
      Borrowed(space).retain()
      Scheduler.lock()
      unsafe blankSpaces.append(space)
      unsafe blankCount &+= 1
      Scheduler.unlock()
    }
  }

  static func run() -> Never {
    while true {
      if let status = ended { hostExit(status) }
      unsafe arch_store32(machine_space_requests(), 0)
      while make() {}
      if waitingForSpaces.load(ordering: .sequentiallyConsistent) != 0 {
        unsafe spaceWaiters.unsafelyUnwrapped.wakeAll()
      }
      if ended == nil { unsafe hostFutexWait(machine_space_requests(), 0) }
    }
  }

  private static var ended: Int? {
    let word = unsafe arch_load32(machine_power_off())
    return word == 0 ? nil : Int(word) - 1
  }

  private static func make() -> Bool {
    Scheduler.lock()
    guard unsafe pooledCount < SpacePool.target, let blank = unsafe blankSpaces.popFirst(),
      let carrier = unsafe CarrierSlots.take()
    else {
      Scheduler.unlock()
      return false
    }
    unsafe blankCount &-= 1
    unsafe carrier.pointee.space = blank.bits
    Scheduler.unlock()
    let result = unsafe spawn(carrier, .pool)
    Scheduler.lock()
    blank.with { space in
      if result < 0 {
        unsafe CarrierSlots.free(carrier)
        unsafe blankSpaces.append(space)
        unsafe blankCount &+= 1
        unsafe spaceFailure = -result
      } else {
        unsafe space.adopt(carrier)
        space.hostProcess = Int32(truncatingIfNeeded: result)
        if SpaceTable.insert(space) {
          SpacePool.append(space)  // with the count that `stock` made
        } else {
          space.freeCarriers()
          Posts.release(blank)
        }
      }
    }
    Scheduler.unlock()
    noteChild()
    return result >= 0
  }
}
nonisolated(unsafe) var blankSpaces = IntrusiveList<HostSpace>()
nonisolated(unsafe) var blankCount = 0

/// Tells the reaper, which may have found no child, that there is one.
func noteChild() {
  unsafe arch_store32(machine_children(), arch_load32(machine_children()) &+ 1)
  arch_fence()
  if reaperIsIdle.load(ordering: .relaxed) { unsafe hostFutexWake(machine_children()) }
}
