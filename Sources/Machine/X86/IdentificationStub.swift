/// What stands in a stub in place of `cpuid`.
///
///           mov %ecx, %edx
///           lea back(%rip), %rbx
///           jmp search
///     back: mov 4(%rcx), %ebx
///           mov (%rcx), %eax
///           mov 12(%rcx), %edx
///           mov 8(%rcx), %ecx
///           jmp end
///     miss: mov %edx, %ecx
///           cpuid
///     end:
///
/// Until eax is loaded it can be begun again: what it has changed the instruction changes too, and the subleaf is in edx.
/// From then on it can be brought to its end: what is missing lies where rcx points.
public enum IdentificationStub {
  static let back = 14, miss = 27, length = 31
  private static let commit = 19, loaded = 25

  /// How far a thread has got in a stub, and so what its registers need before anyone sees them.
  public enum Stage: Sendable {
    /// Nothing.
    case clean
    /// The subleaf is in edx: before the instruction.
    case searching
    /// edx and ecx are to be loaded: after the instruction.
    case loading
  }

  static func stage(at offset: Int) -> (stage: Stage, isDone: Bool) {
    switch offset {
    case ...0: (.clean, false)
    case ..<commit: (.searching, false)
    case ..<loaded: (.loading, true)
    case ..<miss: (.clean, true)
    case ..<length: (.searching, false)
    default: (.clean, true)
    }
  }
}

extension StubWriter {
  /// `search`: where that is.
  mutating func identification(_ search: UInt64) {
    let start = code.end
    append([0x89, 0xca, 0x48, 0x8d, 0x1d])
    distance(to: start &+ UInt64(IdentificationStub.back))
    jump(to: search)
    append([0x8b, 0x59, 4, 0x8b, 0x01, 0x8b, 0x51, 12, 0x8b, 0x49, 8])
    append([0xeb, UInt8(IdentificationStub.length - IdentificationStub.miss), 0x89, 0xd1, 0x0f, 0xa2])
  }
}
