/// One instruction as the rewriter sees it: where it ends, where it leads, whether it may be moved.
public struct Instruction: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// Goes on to the next instruction.
    case plain
    /// A form that assemblers pad with: does nothing, goes on.
    case nop
    /// `syscall`.
    case systemCall
    /// A relative branch that may go on: `jcc`, `loop`, `jrcxz`, `xbegin`.
    case conditional
    /// A relative jump.
    case jump
    /// A relative call.
    case call
    /// A call through a register or memory.
    case indirectCall
    /// `int3`.
    case breakpoint
    /// Never goes on: a return, a jump through a register or memory, `ud2`, `hlt`.
    case end
  }

  /// What it takes to run the same instruction at another address.
  public enum Relocation: Sendable {
    case unchanged
    /// Its displacement, relative to the instruction pointer, is adjusted.
    case displacement
    /// It becomes the same branch with 32 bits of distance.
    case branch
    /// It cannot be moved: it leaves its address behind, or has no longer form.
    case fixed
  }

  /// What it does with the stack pointer, implied uses (`push`, `call`) apart.
  public enum StackUse: UInt8, Sendable {
    case none
    /// It reads or sets it, so that others may have it too, or goes by an index from it.
    case named
    /// It names memory below it.
    case below
  }

  public var length: Int
  public var kind: Kind
  /// The last byte of the opcode.
  public var opcode: UInt8
  /// Where in the instruction a displacement of 32 bits relative to its end begins; 0: it has none.
  public var displacementOffset: Int
  /// The distance that a relative branch or call goes, from its end.
  public var distance: Int
  /// Whether a prefix makes a relative branch differ from one processor's maker to another's.
  public var isOddBranch: Bool
  /// For `none` certain, else where it may be so.
  public var stackUse: StackUse

  /// Whether control never goes on to the next instruction.
  public var endsBlock: Bool { kind == .jump || kind == .end || kind == .breakpoint }
  /// Whether `distance` leads somewhere.
  public var isRelative: Bool { kind == .conditional || kind == .jump || kind == .call }
  /// Whether assemblers and linkers fill gaps with it.
  public var isPadding: Bool { kind == .nop || kind == .breakpoint }

  public var relocation: Relocation {
    switch kind {
    case .nop: .unchanged
    case .plain: displacementOffset == 0 ? .unchanged : .displacement
    case .jump: isOddBranch ? .fixed : .branch
    // `loop`, `jrcxz` (e0…e3) and `xbegin` (c7) have one form only.
    case .conditional: isOddBranch || !(0x70...0x8f).contains(opcode) ? .fixed : .branch
    case .end where opcode == 0xc3 || opcode == 0xc2: .unchanged
    case .end where opcode == 0xff: displacementOffset == 0 ? .unchanged : .displacement
    case .end, .systemCall, .call, .indirectCall, .breakpoint: .fixed
    }
  }
}
