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

/// struct rt_sigframe; a test pins the offsets.
struct MachineSignalFrame {
  var restorer: UInt64 = 0
  var flags: UInt64 = 0
  var link: UInt64 = 0
  var stack = SignalStack(base: 0, flags: 0, size: 0)
  var context = linux_sigcontext_64()
  var mask: UInt64 = 0
  var info = InlineArray<16, UInt64>(repeating: 0)
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

  /// Where the vector state and the frame go below `top`. The frame is lower than anything else of them.
  static func place(below top: UInt) -> (frame: UInt, vectors: UInt) {
    let vectors = (top &- UInt(vectorFrameSize)) & ~63
    let frame = ((vectors &- UInt(MemoryLayout<MachineSignalFrame>.size)) & ~15) &- 8
    return (frame, vectors)
  }
  public static func signalFrameAddress(below top: UInt) -> UInt { place(below: top).frame }
  /// The least that a frame takes: AT_MINSIGSTKSZ.
  public static var minimumSignalStack: UInt {
    UInt(vectorFrameSize + 64 + MemoryLayout<MachineSignalFrame>.size + 24) + 128
  }

  /// Builds `frame` below `top` on the guest's stack and makes the current thread enter the handler. Errors: EFAULT, and
  /// nothing has changed but the stack's memory.
  public final func pushSignalFrame(_ frame: SignalFrame, below top: UInt) throws(Errno) {
    let (at, vectors) = Self.place(below: top)
    try copyVectorsOut(to: vectors)
    let r = registers
    var f = MachineSignalFrame()
    f.restorer = UInt64(frame.restorer)
    f.flags = UInt64(UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS)
    f.stack = frame.stack
    unsafe f.context = linux_sigcontext_64(
      r8: r.r8, r9: r.r9, r10: r.r10, r11: r.r11, r12: r.r12, r13: r.r13, r14: r.r14, r15: r.r15, di: r.rdi, si: r.rsi,
      bp: r.rbp, bx: r.rbx, dx: r.rdx, ax: r.rax, cx: r.rcx, sp: r.rsp, ip: r.rip, flags: r.rflags, cs: 0x33, gs: 0,
      fs: 0, ss: 0x2b, err: UInt64(fault.errorCode), trapno: UInt64(fault.trap), oldmask: frame.mask,
      cr2: fault.trap == 14 ? UInt64(fault.address) : 0, fpstate: UInt64(vectors), reserved1: (0, 0, 0, 0, 0, 0, 0, 0))
    f.mask = frame.mask
    f.info = frame.info
    try UserPointer<MachineSignalFrame>(at).copyOut(f)
    var new = r
    new.rip = UInt64(frame.handler)
    new.rsp = UInt64(at)
    new.rdi = UInt64(UInt32(bitPattern: frame.signal))
    new.rsi = UInt64(at) &+ 312
    new.rdx = UInt64(at) &+ 8
    new.rax = 0
    new.rflags &= ~0x1_0500  // DF, RF, TF
    new.how = UInt64(MACHINE_FRAME_FULL)
    registers = new
    // As on Linux, a handler begins with the initial vector state.
    self.vectors?.begin()
  }

  /// rt_sigreturn(2): the registers and the vector state of the frame that the handler leaves. Errors: EFAULT.
  public final func popSignalFrame() throws(Errno) -> SignalReturn {
    let f = try UserPointer<MachineSignalFrame>(stackPointer &- 8).copyIn()
    let c = f.context
    var r = registers
    r.r8 = c.r8
    r.r9 = c.r9
    r.r10 = c.r10
    r.r11 = c.r11
    r.r12 = c.r12
    r.r13 = c.r13
    r.r14 = c.r14
    r.r15 = c.r15
    r.rdi = c.di
    r.rsi = c.si
    r.rbp = c.bp
    r.rbx = c.bx
    r.rdx = c.dx
    r.rax = c.ax
    r.rcx = c.cx
    r.rsp = c.sp
    r.rip = c.ip
    r.rflags = r.rflags & ~Registers.changeableFlags | c.flags & Registers.changeableFlags
    r.cs = 0x33
    r.ss = 0x2b
    r.orig_rax = .max
    r.how = UInt64(MACHINE_FRAME_FULL)
    registers = r
    try copyVectorsIn(from: UInt(c.fpstate))
    return SignalReturn(mask: f.mask, stack: f.stack)
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
    unsafe stack.frame.pointee.how = UInt64(MACHINE_FRAME_FULL)
  }
}
