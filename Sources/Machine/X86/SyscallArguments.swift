import CMachine

/// The number and the arguments of a system call, as the guest's registers have them.
@safe public struct SyscallArguments {
  private let frame: UnsafeMutablePointer<machine_frame>  // at the top of the caller's own kernel stack

  @inline(__always) init(_ frame: UnsafeMutablePointer<machine_frame>) { unsafe self.frame = frame }

  /// The kernel's half of a call: runs `body` with the thread that makes it. `frame` is what `machine_syscall` was given,
  /// which returns what this does.
  @inline(__always) public static func enter<T: Thread>(
    _ frame: UInt, of type: T.Type, _ body: (T, SyscallArguments) -> CallEnd
  ) -> UInt32 {
    // SAFETY: the entries hand over the frame at the top of the current thread's kernel stack.
    let frame = unsafe UnsafeMutablePointer<machine_frame>(bitPattern: frame).unsafelyUnwrapped
    let end = Thread.withCurrentSubclass(of: type) { unsafe body($0, SyscallArguments(frame)) }
    checkStack()
    return end.rawValue
  }
  /// What the call returns.
  @inline(__always) public func setResult(_ value: Int) {
    unsafe frame.pointee.rax = UInt64(bitPattern: Int64(value))
  }

  @inline(__always) public var number: Int { unsafe Int(Int32(truncatingIfNeeded: frame.pointee.orig_rax)) }
  @inline(__always) public var a0: Int { unsafe Int(truncatingIfNeeded: frame.pointee.rdi) }
  @inline(__always) public var a1: Int { unsafe Int(truncatingIfNeeded: frame.pointee.rsi) }
  @inline(__always) public var a2: Int { unsafe Int(truncatingIfNeeded: frame.pointee.rdx) }
  @inline(__always) public var a3: Int { unsafe Int(truncatingIfNeeded: frame.pointee.r10) }
  @inline(__always) public var a4: Int { unsafe Int(truncatingIfNeeded: frame.pointee.r8) }
  @inline(__always) public var a5: Int { unsafe Int(truncatingIfNeeded: frame.pointee.r9) }

  /// The low 32 bits, for arguments that Linux declares as int: the guest may leave anything in the upper half.
  @inline(__always) public var i0: Int32 { Int32(truncatingIfNeeded: a0) }
  @inline(__always) public var i1: Int32 { Int32(truncatingIfNeeded: a1) }
  @inline(__always) public var i2: Int32 { Int32(truncatingIfNeeded: a2) }
  @inline(__always) public var i3: Int32 { Int32(truncatingIfNeeded: a3) }
  @inline(__always) public var i4: Int32 { Int32(truncatingIfNeeded: a4) }
  @inline(__always) public var i5: Int32 { Int32(truncatingIfNeeded: a5) }

  @inline(__always) public func pointer0<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a0)) }
  @inline(__always) public func pointer1<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a1)) }
  @inline(__always) public func pointer2<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a2)) }
  @inline(__always) public func pointer3<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a3)) }
  @inline(__always) public func pointer4<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a4)) }
  @inline(__always) public func pointer5<T>() -> UserPointer<T> { UserPointer(UInt(bitPattern: a5)) }
}

/// How a system call ends.
public enum SyscallOutcome {
  /// The value goes to rax.
  case value(Int)
  /// The handler set the registers itself (rt_sigreturn, execve).
  case registersSet
  /// The handler needs `Thread.hasAllRegisters`, and has done nothing yet: it is called again with them.
  case wantsRegisters
}

/// How the entry goes on after a system call: MACHINE_CALL_*.
public enum CallEnd: UInt32 {
  case done = 0
  case registersSet = 1
  case wantsRegisters = 2
}
