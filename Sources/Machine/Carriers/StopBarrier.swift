import CBoot
import CLinux
import CMachine
import Synchronization

/// Holds all vCPUs while the tool is stopped (SIGTSTP from outside). Every vCPU passes here on its way to the guest and out
/// of idling; the last to arrive answers the tool.
public enum StopBarrier {
  /// On the I/O thread: MARTLET_STOP.
  public static func close() {
    unsafe arch_store32(machine_stopped(), 1)
    for id in 0..<Processor.count { unsafe kick(machine_vcpu_at(UInt32(id))) }
  }
  /// On the I/O thread: MARTLET_CONTINUE.
  public static func open() {
    unsafe arch_store32(machine_stopped(), 0)
    unsafe hostFutexWake(machine_stopped(), Int(Int32.max))
  }

  /// On a vCPU, without a lock.
  @inline(__always) static func pass() {
    if unsafe arch_load32(machine_stopped()) != 0 { wait() }
  }
  @inline(never) private static func wait() {
    if arrivals.add(1, ordering: .sequentiallyConsistent).newValue == Processor.count { answer() }
    while unsafe arch_load32(machine_stopped()) != 0 { unsafe hostFutexWait(machine_stopped(), 1) }
    arrivals.subtract(1, ordering: .sequentiallyConsistent)
  }

  private static func answer() {
    let descriptor = bootBlock.header.controlDescriptor
    guard descriptor >= 0 else { return }
    var message = martlet_message()
    message.kind = UInt32(truncatingIfNeeded: MARTLET_STOPPED)
    unsafe _ = hostCall(__NR_write, Int(descriptor), address(&message), MemoryLayout<martlet_message>.size)
  }
}
private let arrivals = Atomic<Int>(0)
