/// The 128 bytes below the stack pointer that a function may keep things in without saying so (System V ABI for x86-64).
/// `PatchForm.pageZero` writes the uppermost eight of them, which the instruction in its place would not.
public enum RedZone {
  /// Whether the function with all of these bytes leaves it alone: it names no memory below the stack pointer; and it calls
  /// others, who have the same red zone, or gives nobody the stack pointer to reach it by.
  public static func isUnused(by code: Span<UInt8>) -> Bool {
    var at = 0, calls = false, names = false
    while at < code.count {
      guard let instruction = InstructionDecoder.decode(code, at: at) else { return false }
      switch instruction.stackUse {
      case .none: break
      case .named: names = true
      case .below: return false
      }
      if instruction.kind == .call || instruction.kind == .indirectCall { calls = true }
      at &+= instruction.length
    }
    return calls || !names
  }
}
