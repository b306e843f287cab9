import CLinux
import CMachine

extension Scheduler {
  /// Makes every vCPU that runs guest code pass through the kernel once, and waits for it: whatever the guest's other
  /// threads did before is then seen by all, and their instruction streams start anew (membarrier(2)). A vCPU that is in
  /// the kernel, or idle, has passed or will before it runs guest code again.
  public static func barrierOnProcessors() {
    hostFence()
    let own = unsafe arch_vcpu()
    for id in 0..<Processor.count {
      let vcpu = unsafe machine_vcpu_at(UInt32(id))
      if unsafe vcpu == own { continue }
      let passes = unsafe passed(vcpu)
      guard let holder = unsafe runsGuest(vcpu) else { continue }
      unsafe kick(vcpu)
      while unsafe passed(vcpu) == passes && runsGuest(vcpu) == holder { hostYield() }
    }
    hostFence()
  }

  // SAFETY of both: carriers' slots and vCPUs stay for the machine's life; a stale answer only costs a turn.
  @inline(never) private static func passed(_ vcpu: UnsafeMutablePointer<machine_vcpu>) -> UInt64 {
    hostFence()
    return unsafe vcpu.pointee.quiescent
  }
  @inline(never) private static func runsGuest(_ vcpu: UnsafeMutablePointer<machine_vcpu>) -> UnsafeMutablePointer<
    machine_carrier
  >? {
    hostFence()
    guard let holder = unsafe vcpu.pointee.carrier, unsafe holder.pointee.state == UInt32(MACHINE_GUEST) else {
      return nil
    }
    return unsafe holder
  }
}
