import CLinux
import CMachine

/// What the kernel says of a signal that a handler takes; the rest of Linux's rt_sigframe is the registers.
public struct SignalFrame {
  public var signal: Int32
  public var handler: UInt
  public var restorer: UInt
  /// siginfo_t.
  public var info: InlineArray<16, UInt64>
  /// The mask that the handler's return restores.
  public var mask: UInt64
  public var stack: SignalStack
  public init(
    signal: Int32, handler: UInt, restorer: UInt, info: InlineArray<16, UInt64>, mask: UInt64, stack: SignalStack
  ) {
    self.signal = signal
    self.handler = handler
    self.restorer = restorer
    self.info = info
    self.mask = mask
    self.stack = stack
  }
}

/// stack_t, as the frame and sigaltstack(2) have it.
public struct SignalStack: Sendable, BitwiseCopyable {
  public var base: UInt
  public var flags: Int32
  private var padding: Int32 = 0
  public var size: UInt
  public init(base: UInt, flags: Int32, size: UInt) {
    self.base = base
    self.flags = flags
    self.size = size
  }
}

/// What a frame's return restores beyond the registers.
public struct SignalReturn {
  public var mask: UInt64
  public var stack: SignalStack
}

/// struct rt_sigframe, in the parts that are written and read each by itself; a test pins the offsets.
enum MachineSignalFrame {
  struct Head {
    var restorer: UInt64
    var flags: UInt64
    var link: UInt64 = 0
    var stack: SignalStack
  }
  static var context: UInt { 48 }
  struct Tail {
    var mask: UInt64
    var info: InlineArray<16, UInt64>
  }
  static var mask: UInt { 304 }
  static var info: UInt { 312 }
  static var size: UInt { 440 }
}

extension Thread {
  /// Bytes below the stack pointer that belong to the interrupted function.
  public static var redZone: UInt { 128 }
  public final var stackPointer: UInt { unsafe UInt(stack.frame.pointee.rsp) }
  public final var programCounter: UInt { unsafe UInt(stack.frame.pointee.rip) }
  /// Where the thread goes on in the guest. `wasReturn`: a register that had the address too, as a call's return leaves
  /// it, gets the new one.
  public final func setProgramCounter(_ counter: UInt, wasReturn: Bool = false) {
    if unsafe wasReturn && stack.frame.pointee.rcx == stack.frame.pointee.rip {
      unsafe stack.frame.pointee.rcx = UInt64(counter)
    }
    unsafe stack.frame.pointee.rip = UInt64(counter)
  }

  /// Where the search for an identification's answer, which the thread is in, goes on.
  public final var searchReturn: UInt { unsafe UInt(stack.frame.pointee.rbx) }
  /// Undoes or finishes an identification that was interrupted at `stage`, but for the program counter. Errors: EFAULT,
  /// and nothing has changed.
  public final func settle(_ stage: IdentificationStub.Stage) throws(Errno) {
    var r = registers
    switch stage {
    case .clean: return
    case .searching: r.rcx = r.rdx
    case .loading:
      let answer = UInt(r.rcx)
      r.rcx = UInt64(try UserPointer<UInt32>(answer &+ 8).copyIn())
      r.rdx = UInt64(try UserPointer<UInt32>(answer &+ 12).copyIn())
    }
    registers = r
  }

  /// Where the vector state and the frame go below `top`. The frame is lower than anything else of them.
  static func place(below top: UInt) -> (frame: UInt, vectors: UInt) {
    let vectors = (top &- UInt(vectorFrameSize)) & ~63
    let frame = ((vectors &- MachineSignalFrame.size) & ~15) &- 8
    return (frame, vectors)
  }
  public static func signalFrameAddress(below top: UInt) -> UInt { place(below: top).frame }
  /// The least that a frame takes: AT_MINSIGSTKSZ.
  public static var minimumSignalStack: UInt {
    UInt(vectorFrameSize) + 64 + MachineSignalFrame.size + 24 + 128
  }

  /// Builds `frame` below `top` on the guest's stack and makes the current thread enter the handler. Errors: EFAULT, and
  /// nothing has changed but the stack's memory.
  public final func pushSignalFrame(_ frame: SignalFrame, below top: UInt) throws(Errno) {
    let (at, vectors) = Self.place(below: top)
    try Self.copyVectorsOut(to: vectors)
    let r = registers
    let head = MachineSignalFrame.Head(
      restorer: UInt64(frame.restorer), flags: UInt64(UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS),
      stack: frame.stack)
    let context = unsafe linux_sigcontext_64(
      r8: r.r8, r9: r.r9, r10: r.r10, r11: r.r11, r12: r.r12, r13: r.r13, r14: r.r14, r15: r.r15, di: r.rdi, si: r.rsi,
      bp: r.rbp, bx: r.rbx, dx: r.rdx, ax: r.rax, cx: r.rcx, sp: r.rsp, ip: r.rip, flags: r.rflags, cs: 0x33, gs: 0,
      fs: 0, ss: 0x2b, err: UInt64(fault.errorCode), trapno: UInt64(fault.trap), oldmask: frame.mask,
      cr2: fault.trap == 14 ? UInt64(fault.address) : 0, fpstate: UInt64(vectors), reserved1: (0, 0, 0, 0, 0, 0, 0, 0))
    try UserPointer(at).copyOut(head)
    try UserPointer(at &+ MachineSignalFrame.context).copyOut(context)
    try UserPointer(at &+ MachineSignalFrame.mask).copyOut(MachineSignalFrame.Tail(mask: frame.mask, info: frame.info))
    // A call's frame stays one that goes back without iretq: a handler finds in rcx and r11 what it may not use.
    unsafe stack.frame.pointee.rip = UInt64(frame.handler)
    unsafe stack.frame.pointee.rsp = UInt64(at)
    unsafe stack.frame.pointee.rdi = UInt64(UInt32(bitPattern: frame.signal))
    unsafe stack.frame.pointee.rsi = UInt64(at &+ MachineSignalFrame.info)
    unsafe stack.frame.pointee.rdx = UInt64(at) &+ 8
    unsafe stack.frame.pointee.rax = 0
    unsafe stack.frame.pointee.rflags &= ~0x1_0500  // DF, RF, TF
    // As on Linux, a handler begins with the initial vector state.
    VectorState.begin()
  }

  /// rt_sigreturn(2): the registers and the vector state of the frame that the handler leaves. Errors: EFAULT.
  public final func popSignalFrame() throws(Errno) -> SignalReturn {
    let at = stackPointer &- 8
    let c = try UserPointer<linux_sigcontext_64>(at &+ MachineSignalFrame.context).copyIn()
    let head = try UserPointer<MachineSignalFrame.Head>(at).copyIn()
    let mask = try UserPointer<UInt64>(at &+ MachineSignalFrame.mask).copyIn()
    let kept = unsafe stack.frame.pointee.rflags & ~Registers.changeableFlags
    registers = Registers(
      r15: c.r15, r14: c.r14, r13: c.r13, r12: c.r12, rbp: c.bp, rbx: c.bx, r11: c.r11, r10: c.r10, r9: c.r9, r8: c.r8,
      rax: c.ax, rcx: c.cx, rdx: c.dx, rsi: c.si, rdi: c.di, orig_rax: .max,
      rip: c.ip, cs: 0x33, rflags: kept | c.flags & Registers.changeableFlags, rsp: c.sp, ss: 0x2b,
      how: UInt64(MACHINE_FRAME_FULL))
    try copyVectorsIn(from: UInt(c.fpstate))
    return SignalReturn(mask: mask, stack: head.stack)
  }

  // MARK: interrupted calls

  /// What the current system call returns; nil where the thread is in none (a fault, an interrupt, after sigreturn).
  public final var callResult: Int? {
    let r = registers
    return r.orig_rax == .max ? nil : Int(truncatingIfNeeded: r.rax)
  }
  /// Executes the system-call instruction once more, with the same arguments: as call `number` where one is given.
  public final func repeatCall(as number: Int? = nil) {
    unsafe stack.frame.pointee.rax = number.map { UInt64(truncatingIfNeeded: $0) } ?? stack.frame.pointee.orig_rax
    unsafe stack.frame.pointee.rip &-= 2
  }
}
