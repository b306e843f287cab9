import CMachine

/// The guest's general registers, as they lie at the top of the task's kernel stack while it is in the kernel.
public typealias Registers = machine_frame

extension Thread {
  /// Whether all guest registers are there: not where a patched site's call began, whose entry leaves the callee-saved
  /// ones to the compiler (docs/entry-paths.md). On the way out of the kernel they are, wherever something is pending.
  public final var hasAllRegisters: Bool { unsafe stack.frame.pointee.how != UInt64(MACHINE_FRAME_CALL) }
  /// This thread's guest registers, where it `hasAllRegisters`. Only the thread itself, or whoever made it and has not
  /// started it, or a tracer of a stopped one, uses them.
  public final var registers: Registers {
    @inline(__always) get {
      #if CHECKED
      if !hasAllRegisters { unsafe panic("registers that were not saved") }
      #endif
      return unsafe stack.frame.pointee
    }
    @inline(__always) set { unsafe stack.frame.pointee = newValue }
  }
  /// The number of the call that it is in.
  public final var callNumber: Int { unsafe Int(Int32(truncatingIfNeeded: stack.frame.pointee.orig_rax)) }
  /// What the call has returned.
  public final var result: Int { unsafe Int(bitPattern: UInt(stack.frame.pointee.rax)) }
  /// What the call returns.
  @inline(__always) public final func setResult(_ value: Int) {
    unsafe stack.frame.pointee.rax = UInt64(bitPattern: Int64(value))
  }

  /// Registers of a fresh program. The flags are those that execve(2) leaves.
  public final func enterProgram(at entry: UInt, stack top: UInt) {
    var r = Registers()
    r.rip = UInt64(entry)
    r.rsp = UInt64(top)
    r.rflags = 0x202
    r.cs = 0x33
    r.ss = 0x2b
    r.orig_rax = .max
    r.how = UInt64(MACHINE_FRAME_FULL)
    registers = r
  }

  /// Where the first switch to this thread goes: `arch_thread_entry`, with nothing on its stack but the guest's frame.
  final func startOver() {
    let top = unsafe UInt(bitPattern: stack.frame)
    var at = unsafe UnsafeMutablePointer<UInt64>(bitPattern: top).unsafelyUnwrapped
    unsafe at -= 1
    unsafe at.pointee = address_of_arch_thread_entry()
    for _ in 0..<6 {
      unsafe at -= 1
      unsafe at.pointee = 0
    }
    unsafe savedStack = UInt64(UInt(bitPattern: at))
  }
}

extension Registers {
  /// User-visible flags that sigreturn and ptrace may set; the rest stays as it is.
  public static var changeableFlags: UInt64 { 0x5_0dd5 }
}
