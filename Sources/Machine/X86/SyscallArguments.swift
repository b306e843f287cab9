import CMachine

/// The number and the arguments of a system call, as the guest's registers have them.
@safe public struct SyscallArguments {
  private let frame: UnsafeMutablePointer<machine_frame>  // at the top of the caller's own kernel stack

  @inline(__always) init(_ frame: UnsafeMutablePointer<machine_frame>) { unsafe self.frame = frame }

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
}
