import CLinux
import CMachine
import Synchronization

// The host's signals. A `syscall` outside the door arrives as SIGSYS, a kick as SIGURG, a fault as itself. The handler runs
// on the alternate stack in the carrier's slot and does next to nothing: from guest code it stores the registers and goes
// to the kernel's entry; in kernel code it leaves the flag, repairs a fix-up, or reports an oops.

private let handled: InlineArray<7, Int32> = [SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGURG]

func installHostSignals() {
  for signal in handled.indices.map({ handled[$0] }) {
    // SA_NODEFER and an empty mask: the handler may be left for good without a sigreturn.
    setHostAction(signal, handler: address_of_arch_signal_entry(), flags: UInt64(SA_SIGINFO | SA_ONSTACK) | 0x4000_0000)
  }
  for signal in [
    SIGPIPE, SIGXFSZ, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM,
  ] as [Int32] {
    setHostAction(signal, handler: 1, flags: 0)  // SIG_IGN
  }
}

private struct HostAction {
  var handler: UInt64
  var flags: UInt64
  var restorer: UInt64
  var mask: UInt64
}
private func setHostAction(_ signal: Int32, handler: UInt64, flags: UInt64) {
  var action = HostAction(handler: handler, flags: flags | 0x0400_0000, restorer: address_of_arch_sigreturn(), mask: 0)
  let result = unsafe hostCall(__NR_rt_sigaction, Int(signal), address(&action), 0, 8)
  if result < 0 { unsafe panic("sigaction") }
}

@inline(__always) private func isInImage(_ address: UInt64) -> Bool { address &- 0x6800_0000_0000 < 1 << 30 }
/// Where the way back to the guest that `address` lies in is begun anew.
@inline(__always) private func window(_ address: UInt64) -> UInt64? {
  if address >= address_of_arch_window_start() && address < address_of_arch_window_end() {
    return address_of_arch_window_start()
  }
  if address >= address_of_arch_call_window_start() && address < address_of_arch_call_window_end() {
    return address_of_arch_call_window_restart()
  }
  return nil
}

/// SAFETY: the host calls it with a context on this carrier's alternate stack; the carrier was found from the stack.
@c(machine_signal)
func machineSignal(_ signal: Int32, _ info: UnsafeMutableRawPointer, _ context: UnsafeMutablePointer<linux_ucontext>) {
  let carrier = unsafe arch_carrier()
  let at = unsafe context.pointee.uc_mcontext.rip
  if unsafe carrier.pointee.state != UInt32(MACHINE_GUEST) {
    unsafe inKernel(signal, info, context)
    return
  }
  if isInImage(at) && signal == SIGURG {
    // In the window, after the state word: begin it anew. Elsewhere a guest strayed into the image: leave the flag.
    if let start = window(at) {
      unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
      unsafe context.pointee.uc_mcontext.rip = start
      unsafe carrier.pointee.window_restarts &+= 1
    }
    return
  }
  if window(at) != nil {
    unsafe inKernel(signal, info, context)  // iretq or jmp refused the guest's frame
    return
  }
  // From guest code.
  let code = unsafe info.load(fromByteOffset: 8, as: Int32.self)
  if signal != SIGSYS && signal != SIGURG && code <= 0 { return }  // another process's kill(2) is no fault
  guard let current = unsafe carrier.pointee.current else { unsafe panic("a signal from guest code without a task") }
  let frame = unsafe UnsafeMutablePointer<machine_frame>(
    bitPattern: UInt(carrier.pointee.stack_top) - UInt(MACHINE_FRAME_SIZE)
  ).unsafelyUnwrapped
  unsafe store(context, to: frame)
  unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
  let vectors = unsafe UnsafeRawPointer(context.pointee.uc_mcontext.fpstate)
  if at == address_of_arch_call_entry() && (signal == SIGSEGV || signal == SIGTRAP) {
    // A call from a patched site that could not enter: the guest's %gs is not the carrier's block (it is now), or it
    // steps through its instructions.
    unsafe frame.pointee.orig_rax = frame.pointee.rax
    unsafe frame.pointee.rip = frame.pointee.rcx
    unsafe arch_leave_handler(vectors, frame, arch_trap_entry)
  }
  if at == address_of_arch_page_zero_entry() && (signal == SIGSEGV || signal == SIGTRAP) {
    unsafe arch_leave_handler(vectors, frame, arch_page_zero_trap)
  }
  switch signal {
  case SIGSYS:
    let isHere = unsafe info.load(fromByteOffset: 28, as: UInt32.self) == LINUX_AUDIT_ARCH
    if isHere {
      unsafe frame.pointee.orig_rax = frame.pointee.rax
      unsafe arch_leave_handler(vectors, frame, arch_trap_entry)
    }
    // int 0x80 where the host has it: as with ia32_emulation off, see docs/differences.md.
    unsafe frame.pointee.rip &-= 2
    unsafe Borrowed<Thread>(bits: current).with { thread in
      thread.fault = FaultInformation(signal: SIGSEGV, code: SI_KERNEL, trap: 13)
    }
    unsafe arch_leave_handler(vectors, frame, arch_fault_entry)
  case SIGURG:
    unsafe carrier.pointee.interrupts &+= 1
    unsafe arch_leave_handler(vectors, frame, arch_interrupt_entry)
  default:
    unsafe Borrowed<Thread>(bits: current).with { thread in
      thread.fault.signal = signal
      thread.fault.code = code
      unsafe thread.fault.address = info.load(fromByteOffset: 16, as: UInt.self)
      unsafe thread.fault.errorCode = UInt(context.pointee.uc_mcontext.err)
      unsafe thread.fault.trap = UInt(context.pointee.uc_mcontext.trapno)
    }
    unsafe arch_leave_handler(vectors, frame, arch_fault_entry)
  }
}

private func store(_ context: UnsafeMutablePointer<linux_ucontext>, to frame: UnsafeMutablePointer<machine_frame>) {
  let m = unsafe context.pointee.uc_mcontext
  unsafe frame.pointee = machine_frame(
    r15: m.r15, r14: m.r14, r13: m.r13, r12: m.r12, rbp: m.rbp, rbx: m.rbx, r11: m.r11, r10: m.r10, r9: m.r9, r8: m.r8,
    rax: m.rax, rcx: m.rcx, rdx: m.rdx, rsi: m.rsi, rdi: m.rdi, orig_rax: .max,
    rip: m.rip, cs: 0x33, rflags: m.eflags, rsp: m.rsp, ss: 0x2b, how: UInt64(MACHINE_FRAME_FULL))
}

/// A signal that interrupted the kernel.
private func inKernel(_ signal: Int32, _ info: UnsafeMutableRawPointer, _ context: UnsafeMutablePointer<linux_ucontext>)
{
  let carrier = unsafe arch_carrier()
  let at = unsafe context.pointee.uc_mcontext.rip
  if signal == SIGURG {
    unsafe carrier.pointee.kernel_interrupts &+= 1
    if let start = window(at) { unsafe context.pointee.uc_mcontext.rip = start }
    return
  }
  if unsafe info.load(fromByteOffset: 8, as: Int32.self) <= 0 && signal != SIGSYS { return }
  if signal == SIGSEGV || signal == SIGBUS {
    let fixups = unsafe arch_fixups().unsafelyUnwrapped
    for i in 0..<arch_fixup_count() where unsafe fixups[i].fault == at {
      unsafe offer(context, fixups[i].resume)
      return
    }
  }
  if signal == SIGTRAP {  // single-stepped into the door by a guest's TF
    unsafe context.pointee.uc_mcontext.eflags &= ~0x100
    return
  }
  let number = unsafe context.pointee.uc_mcontext.rax
  if signal == SIGSYS && HostVDSO.contains(at) && number == UInt64(__NR_clock_gettime) {
    // The vDSO has to ask the host for this clock.
    let (clock, time) = unsafe (Int(context.pointee.uc_mcontext.rdi), Int(context.pointee.uc_mcontext.rsi))
    unsafe context.pointee.uc_mcontext.rax = UInt64(bitPattern: Int64(hostCall(__NR_clock_gettime, clock, time)))
    return
  }
  unsafe oops(signal, context)
}

/// A fault at a fix-up row: the address space may resolve it (arch_copy_fault), unless it cannot sleep here.
private func offer(_ context: UnsafeMutablePointer<linux_ucontext>, _ resume: UInt64) {
  let carrier = unsafe arch_carrier()
  let isPageFault = unsafe context.pointee.uc_mcontext.trapno == 14
  let address = unsafe UInt(context.pointee.uc_mcontext.cr2)
  guard unsafe isPageFault && carrier.pointee.locks == 0 && carrier.pointee.current != nil && isGuestMemory(address, 1)
  else {
    unsafe context.pointee.uc_mcontext.rip = resume
    return
  }
  var at = unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(context.pointee.uc_mcontext.rsp)).unsafelyUnwrapped
  unsafe at -= 4
  unsafe at[3] = context.pointee.uc_mcontext.rip
  unsafe at[2] = resume
  unsafe at[1] = context.pointee.uc_mcontext.err
  unsafe at[0] = UInt64(address)
  unsafe context.pointee.uc_mcontext.rsp = UInt64(UInt(bitPattern: at))
  unsafe context.pointee.uc_mcontext.rip = address_of_arch_copy_fault()
}

@c(machine_copy_fault) func machineCopyFault(_ address: UInt, _ error: UInt) -> Bool {
  Thread.withCurrent { $0.resolveFault(at: address, isWrite: error & 2 != 0, isExecute: false) }
}

// MARK: the entries' Swift halves: on the task's kernel stack, just below its frame

/// A system call has trapped: its site may be patched first.
@c(machine_trap) func machineTrap(_ frame: UnsafeMutablePointer<machine_frame>) {
  Thread.withCurrent { thread in unsafe thread.systemCallTrapped(at: UInt(frame.pointee.rip) &- 2) }
}
@c(machine_interrupt) func machineInterrupt(_ frame: UnsafeMutablePointer<machine_frame>) {}

/// Returns 1 where it was a system call after all, to be made, else 0.
@c(machine_fault) func machineFault(_ frame: UnsafeMutablePointer<machine_frame>) -> UInt32 {
  defer { checkStack() }
  return Thread.withCurrent { thread in
    let fault = thread.fault
    if fault.trap == 14 && (fault.signal == SIGSEGV || fault.signal == SIGBUS) && isGuestMemory(fault.address, 1),
      thread.resolveFault(at: fault.address, isWrite: fault.isWrite, isExecute: fault.isExecute)
    {
      return 0
    }
    // What lies there is nothing to the guest: no page, hence no key.
    if fault.trap == 14 && !isGuestMemory(fault.address, 1) { thread.fault.errorCode &= ~0x21 }
    if unsafe thread.isPageZeroFault(frame) { return 1 }
    thread.guestFault()
    return 0
  }
}
@c(machine_iret_fault) func machineIretFault(_ frame: UnsafeMutablePointer<machine_frame>) {
  Thread.withCurrent { thread in
    thread.fault = FaultInformation(signal: SIGSEGV, code: SI_KERNEL, trap: 13)
    thread.guestFault()
  }
}

/// The way out of the kernel while the vCPU's flag is set.
@c(machine_pending) func machinePending(_ frame: UnsafeMutablePointer<machine_frame>) {
  let vcpu = unsafe arch_vcpu()
  let why = unsafe arch_exchange32(UnsafeMutableRawPointer(vcpu).assumingMemoryBound(to: UInt32.self), 0)
  if why & UInt32(MACHINE_PENDING_KICK) != 0 { unsafe servePending(vcpu) }
  Thread.withCurrent { if $0.interruption.load(ordering: .acquiring) != 0 { $0.handlePending() } }
  checkStack()
}

/// What there is to do besides what interrupts the thread itself.
@inline(never) private func servePending(_ vcpu: UnsafeMutablePointer<machine_vcpu>) {
  unsafe vcpu.pointee.quiescent &+= 1
  let id = unsafe Int(vcpu.pointee.id)
  StopBarrier.pass()
  RCU.passOnExit(id)
  Timers.run(id)
  Posts.drain()
  RCU.drain()
  Thread.withCurrent { thread in
    if thread.space.wantsCarrier { thread.space.addCarrier() }
    Scheduler.tick(id)
    Scheduler.moveToAllowed(thread)
    let second = MemorySampling.second
    if thread.sampledSecond != second {
      thread.sampledSecond = second
      thread.sampleMemory()
    }
  }
}

@inline(__always) func checkStack() {
  #if CHECKED
  checkNothingHeld()
  Thread.withCurrent { if !$0.stack.isIntact { unsafe panic("kernel stack overflow") } }
  #endif
}
