import CLinux
import CMachine
import Synchronization

/// Root's service thread that waits for host processes. An orderly end frees the carriers' slots; a process killed from
/// outside takes its threads' registers with it, so they die on root's carriers.
let reaperIsIdle = Atomic<Bool>(false)
enum Reaper {
  static func run() -> Never {
    while true {
      var status: Int32 = 0
      let made = unsafe arch_load32(machine_children())
      let process = unsafe hostCall(__NR_wait4, -1, address(&status), Int(bitPattern: UInt(__WALL)))
      if process > 0 {
        ended(Int32(truncatingIfNeeded: process), status)
      } else {
        // No child at all, or a signal: wait for the next process to be made.
        guard process == -Int(ECHILD) else { continue }
        reaperIsIdle.store(true, ordering: .sequentiallyConsistent)
        unsafe hostFutexWait(machine_children(), made)
        reaperIsIdle.store(false, ordering: .relaxed)
      }
    }
  }

  private static func ended(_ process: Int32, _ status: Int32) {
    Scheduler.lockAfterDeath()
    guard let space = SpaceTable.remove(process) else {
      SpaceTable.noteStillborn(process)
      Scheduler.unlock()
      return
    }
    space.with { space in
      let isOrderly = space.isDying && status & 0x7f == 0
      if space.isDying { dyingSpaces.subtract(1, ordering: .sequentiallyConsistent) }
      space.isDead = true
      if !isOrderly { mourn(space) }
      space.freeCarriers()
    }
    Posts.release(space)
    Scheduler.unlock()
    unsafe spaceWaiters.unsafelyUnwrapped.wakeAll()
  }

  /// Lock held.
  private static func mourn(_ space: HostSpace) {
    var at = unsafe space.carriers
    while let carrier = unsafe at {
      if unsafe carrier.pointee.locks != 0 {
        unsafe panic("a host process was killed inside the kernel with a lock held")
      }
      unsafe at = carrier.pointee.next
    }
    SpacePool.forget(space)
    let root = unsafe rootSpace.unsafelyUnwrapped
    while let first = space.firstThread {
      first.with { thread in
        space.remove(thread)
        root.add(thread)
        thread.interruption.bitwiseOr(Interruption.kill | Interruption.lostSpace, ordering: .sequentiallyConsistent)
        if thread.onProcessor {
          // Its registers are lost: it begins anew at the top of its stack, where it dies. A mutex that it holds would
          // stay locked for ever.
          if thread.mutexCount != 0 { unsafe panic("a host process was killed inside the kernel with a lock held") }
          thread.onProcessor = false
          unsafe thread.startOver()
          thread.stateWord.store(ThreadState.running.rawValue, ordering: .sequentiallyConsistent)
          Processor.with(thread.processor) { $0.append(thread) }
        } else if thread.state != .running && thread.state != .uninterruptible {
          thread.stateWord.store(ThreadState.running.rawValue, ordering: .sequentiallyConsistent)
          Processor.with(thread.processor) { $0.append(thread) }
        }
      }
    }
    // Batons that its carriers held go to root's; every other holder is woken once more, since the dead one may have
    // been about to wake it.
    for id in 0..<Processor.count {
      let vcpu = unsafe machine_vcpu_at(UInt32(id))
      guard let holder = unsafe vcpu.pointee.carrier else { continue }
      if unsafe holder.pointee.space == Borrowed(space).bits {
        let heir = rootCarrier(id)
        unsafe vcpu.pointee.current = nil
        unsafe vcpu.pointee.idle = 0
        unsafe vcpu.pointee.carrier = heir
        unsafe arch_store32(&heir.pointee.baton, 1)
        unsafe hostFutexWake(&heir.pointee.baton)
      } else {
        unsafe hostFutexWake(&holder.pointee.baton)
        unsafe kick(vcpu)
      }
    }
  }
}
