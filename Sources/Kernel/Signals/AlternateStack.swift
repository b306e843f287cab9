import CLinux
import Machine

extension TaskSignals {
  /// sigaltstack(2)'s rules for a new stack; `sp` is the guest's stack pointer. Returns the error, where there is one.
  func setAlternateStack(_ new: SignalStack, sp: UInt, minimum: UInt = 0) -> Errno? {
    if alternateStack.contains(sp) { return .notPermitted }
    let mode = UInt32(bitPattern: new.flags) & ~AlternateStack.autoDisarm
    guard mode == UInt32(SS_DISABLE) || mode == UInt32(SS_ONSTACK) || mode == 0 else { return .invalid }
    let old = alternateStack
    if new.base == old.base && new.size == old.size && new.flags == old.flags { return nil }  // whatever it is
    var stack = AlternateStack()
    stack.flags = new.flags
    if mode != UInt32(SS_DISABLE) {
      guard new.size >= minimum else { return .noMemory }
      stack.base = new.base
      stack.size = new.size
    }
    alternateStack = stack
    return nil
  }

  /// What sigaltstack(2) reports while the guest's stack pointer is `sp`.
  func alternateStackReport(sp: UInt) -> SignalStack {
    let stack = alternateStack
    let mode: UInt32 = !stack.isEnabled ? UInt32(SS_DISABLE) : stack.contains(sp) ? UInt32(SS_ONSTACK) : 0
    let kept = UInt32(bitPattern: stack.flags) & AlternateStack.autoDisarm
    return SignalStack(base: stack.base, flags: Int32(bitPattern: mode | kept), size: stack.size)
  }
}
