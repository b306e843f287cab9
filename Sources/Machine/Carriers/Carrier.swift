import CLinux
import CMachine

/// The 64 KiB slots of carriers in kernel memory: block, park stack, alternate signal stack. Slots are reused; all under
/// the scheduler's lock.
enum CarrierSlots {
  static var limit: UInt { KernelMemory.slotCount }

  static func take() -> UnsafeMutablePointer<machine_carrier>? {
    if let carrier = unsafe freeCarrierSlots {
      unsafe freeCarrierSlots = carrier.pointee.next
      return unsafe prepare(carrier)
    }
    guard unsafe usedCarrierSlots < limit else { return nil }
    let address = unsafe KernelMemory.slots + usedCarrierSlots &* UInt(MACHINE_SLOT_SIZE)
    unsafe usedCarrierSlots &+= 1
    return unsafe prepare(UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped)
  }
  private static func prepare(_ carrier: UnsafeMutablePointer<machine_carrier>) -> UnsafeMutablePointer<machine_carrier>
  {
    unsafe carrier.initialize(to: machine_carrier())
    unsafe carrier.pointee.`self` = carrier
    unsafe carrier.pointee.state = UInt32(MACHINE_PARKED)
    unsafe carrier.pointee.pin = -1
    return unsafe carrier
  }
  /// For another thread in the same place of its space's list.
  static func renew(_ carrier: UnsafeMutablePointer<machine_carrier>) {
    let (next, space) = unsafe (carrier.pointee.next, carrier.pointee.space)
    unsafe _ = prepare(carrier)
    unsafe carrier.pointee.next = next
    unsafe carrier.pointee.space = space
  }
  static func free(_ carrier: UnsafeMutablePointer<machine_carrier>) {
    unsafe carrier.pointee.next = freeCarrierSlots
    unsafe freeCarrierSlots = carrier
  }
}
nonisolated(unsafe) var freeCarrierSlots: UnsafeMutablePointer<machine_carrier>? = nil
nonisolated(unsafe) var usedCarrierSlots: UInt = 0

/// How a host clone is made of the current carrier.
enum CloneKind {
  case thread  // another carrier in this process
  case process  // a copy of this process, its parent root's main thread
  case pool  // the same from root's main thread itself

  var flags: UInt {
    // CLONE_CHILD_CLEARTID: the slot of a thread that ended is known to be free.
    // CLONE_FILES: host descriptors stay common. CLONE_PARENT_SETTID: its id is known before it runs.
    let thread =
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID
      | CLONE_CHILD_CLEARTID
    let process = UInt32(CLONE_FILES | CLONE_PARENT_SETTID)
    return switch self {
    case .thread: UInt(thread)
    case .process: UInt(process) | UInt(CLONE_PARENT)
    case .pool: UInt(process)
    }
  }
}

/// Makes a host thread or process that begins in `machine_carrier_start` on the slot's park stack. Returns its id or the
/// host's error. All signals are blocked around it: the child has no alternate stack of its own yet.
func spawn(_ carrier: UnsafeMutablePointer<machine_carrier>, _ kind: CloneKind) -> Int {
  var all: UInt64 = .max, old: UInt64 = 0
  unsafe _ = hostCall(__NR_rt_sigprocmask, Int(SIG_BLOCK), address(&all), address(&old), 8)
  let stack = unsafe UInt(bitPattern: carrier) &+ UInt(MACHINE_PARK_STACK_TOP) &- 64
  unsafe UnsafeMutablePointer<UInt64>(bitPattern: stack).unsafelyUnwrapped.pointee = address_of_arch_carrier_entry()
  let tid = unsafe Int(bitPattern: carrier) + tidOffset
  unsafe carrier.pointee.exists = 1
  let exists = unsafe withUnsafeMutablePointer(to: &carrier.pointee.exists) { unsafe Int(bitPattern: $0) }
  let result = unsafe hostCall(__NR_clone, Int(kind.flags), Int(stack), tid, exists, 0)
  if result > 0 {
    unsafe carrier.pointee.pin = arch_carrier().pointee.pin  // inherited
    unsafe carrier.pointee.pid = kind == .thread ? arch_carrier().pointee.pid : Int32(truncatingIfNeeded: result)
  }
  unsafe _ = hostCall(__NR_rt_sigprocmask, Int(SIG_SETMASK), address(&old), 0, 8)
  return result
}
private var tidOffset: Int { 44 }  // of `tid` in machine_carrier; a test pins it

@inline(__always) func address<T>(_ pointer: UnsafeMutablePointer<T>) -> Int { Int(bitPattern: pointer) }

/// The first steps of every host thread but the first, with all signals blocked. The order matters: the alternate stack
/// before any signal, PDEATHSIG before the parent is checked, both before anything is unblocked.
@c(machine_carrier_start) func machineCarrierStart() {
  let carrier = unsafe arch_carrier()
  unsafe arch_prefault(UInt64(KernelImage.data))  // maps what every process touches (docs/memory.md)
  unsafe setSignalStack(carrier)
  let isMember = unsafe carrier.pointee.entry == nil
  if unsafe carrier.pointee.pid == 0 { unsafe carrier.pointee.pid = Int32(truncatingIfNeeded: hostCall(__NR_getpid)) }
  _ = hostCall(__NR_prctl, Int(PR_SET_PDEATHSIG), Int(SIGKILL))
  if unsafe carrier.pointee.pid != rootProcess && hostCall(__NR_getppid) != Int(unsafe rootProcess) { hostExit(0) }
  var none: UInt64 = 0
  unsafe _ = hostCall(__NR_rt_sigprocmask, Int(SIG_SETMASK), address(&none), 0, 8)
  if let entry = unsafe carrier.pointee.entry, !isMember {
    unsafe entry(carrier.pointee.entry_argument)
    hostExitThread()
  }
  Scheduler.carry(Scheduler.park())
}

func setSignalStack(_ carrier: UnsafeMutablePointer<machine_carrier>) {
  var stack = linux_sigaltstack()
  unsafe stack.ss_sp = UnsafeMutableRawPointer(carrier) + Int(MACHINE_SIGNAL_STACK)
  unsafe stack.ss_size = __kernel_size_t(MACHINE_SLOT_SIZE &- MACHINE_SIGNAL_STACK)
  let result = unsafe hostCall(__NR_sigaltstack, address(&stack), 0)
  if result < 0 { unsafe panic("sigaltstack") }
}

func hostExitThread() -> Never {
  while true { _ = hostCall(__NR_exit, 0) }
}
func hostInterrupt(process: Int32, thread: Int32) {
  _ = hostCall(__NR_tgkill, Int(process), Int(thread), Int(SIGURG))
}
nonisolated(unsafe) var rootProcess: Int32 = 0  // SAFETY: written at boot

// MARK: pinning. A hand-over that stays on one host CPU costs a tenth of one that crosses (docs/scheduling.md).

/// Before its wake: `target` will run where its vCPU runs.
func pin(_ target: UnsafeMutablePointer<machine_carrier>, to vcpu: UnsafeMutablePointer<machine_vcpu>) {
  let cpu = unsafe vcpu.pointee.host_cpu
  guard unsafe cpu >= 0, unsafe target.pointee.pin != cpu, unsafe isPinning else { return }
  var mask = unsafe InlineArray<16, UInt64>(repeating: 0)
  guard cpu < 1024 else { return }
  mask[Int(cpu) / 64] = 1 &<< UInt64(cpu % 64)
  let result = unsafe withUnsafeMutablePointer(to: &mask) { p in
    unsafe hostCall(__NR_sched_setaffinity, Int(target.pointee.tid), 128, Int(bitPattern: p))
  }
  if result >= 0 { unsafe target.pointee.pin = cpu }
}
/// Before an idle wait: the host may choose a CPU for the wake.
func unpin(_ carrier: UnsafeMutablePointer<machine_carrier>) {
  guard unsafe carrier.pointee.pin >= 0 else { return }
  unsafe _ = withUnsafeMutablePointer(to: &hostAffinity) { p in
    unsafe hostCall(__NR_sched_setaffinity, 0, 128, Int(bitPattern: p))
  }
  unsafe carrier.pointee.pin = -1
}
/// After it: the vCPU is where the host put the carrier.
func adoptProcessor(_ carrier: UnsafeMutablePointer<machine_carrier>, _ vcpu: UnsafeMutablePointer<machine_vcpu>) {
  unsafe vcpu.pointee.host_cpu = Int32(truncatingIfNeeded: arch_host_cpu())
}
nonisolated(unsafe) var hostAffinity: InlineArray<16, UInt64> = InlineArray(repeating: 0)  // SAFETY: written at boot
nonisolated(unsafe) var isPinning = true
nonisolated(unsafe) var idleSpinCycles: UInt64 = 0
/// How long a thread runs before one that it wakes takes its turn. SAFETY: written at boot.
nonisolated(unsafe) var preemptionCycles: UInt64 = .max
