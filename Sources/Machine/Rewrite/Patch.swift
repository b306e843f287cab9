/// What a patch stands for.
public enum PatchKind: UInt8, Sendable {
  case systemCall
  /// The instruction that tells what the processor is, and does not trap.
  case identification
}

/// How a patched site gets to its stub. docs/rewriting.md shows each.
public enum PatchForm: UInt8, Sendable, CaseIterable {
  /// A call through page 0, without a stub.
  case pageZero
  /// A short jump in place of the call, to a long one in padding nearby.
  case springboard
  /// A long jump in place of the instruction before, or of two, which run in the stub. Where they have the jump's length
  /// the call stays for who jumps to it.
  case before
  /// A long jump in place of the call and what follows, which runs in the stub after it.
  case after
}

/// Why a site is left trapping.
public enum PatchRefusal: UInt8, Error, Sendable, CaseIterable {
  /// There is no system call instruction there, or not within the bytes given.
  case noSystemCall
  /// Another patch covers it.
  case taken
  /// It is a signal restorer, which unwinders know by its bytes.
  case signalReturn
  /// No padding in reach, and neither neighbour can be moved.
  case noRoom
  /// What could be patched lies in two aligned words.
  case crossesWord
  /// The stub area is full or too far away, or has no place at the distance that is needed.
  case noStub
}

/// A patched site: what of it the machine keeps for as long as the text is mapped. Addresses are the file's own, without
/// the bias that it is mapped with.
public struct Patch: Sendable {
  public var kind: PatchKind
  public var form: PatchForm
  /// The instruction, and what follows it.
  public var site: UInt64, next: UInt64
  /// The jump that control meets; it begins at `site` but for `PatchForm.before`.
  public var start: UInt64, codeLength: UInt8 = 0
  /// The long jump in the padding; `springboardLength` 0: there is none.
  public var springboard: UInt64 = 0, springboardLength: UInt8 = 0
  public var stub: UInt64 = 0, stubLength: UInt8 = 0
  /// Where in the stub what is done instead begins: before it comes the instruction that stood before, or two.
  public var callOffset: UInt8 = 0
  /// Where in the jump and in the stub an instruction begins, the second of two or the call itself, that the jump covers;
  /// 0: there is none.
  public var coveredOffset: UInt8 = 0
  /// Where in the stub the kernel returns to, and how many bytes of instructions were moved there; 0: it returns to `next`.
  public var resumeOffset: UInt8 = 0, movedLength: UInt8 = 0
  /// Where in the stub the moved instructions begin and end.
  public var movedOffset: UInt8 = 0, backOffset: UInt8 = 0

  /// What a program counter in the springboard or the stub is to be shown as: in signal frames, to tracers, in /proc. nil:
  /// it is in neither.
  ///
  /// Before the jump to the kernel that is the call, or the instruction before it; afterwards what follows it. What the
  /// stub has changed by then is only what the call changes as well; of an identification, `stage` says what else to do.
  public func original(of counter: UInt64) -> UInt64? {
    if counter &- springboard < UInt64(springboardLength) { return site }
    let offset = counter &- stub
    guard offset < UInt64(stubLength) else { return nil }
    if offset < UInt64(callOffset) { return start &+ offset }
    switch kind {
    case .systemCall: if movedLength == 0 || offset < UInt64(resumeOffset) { return site }
    case .identification: if !IdentificationStub.stage(at: Int(offset) &- Int(callOffset)).isDone { return site }
    }
    if offset < UInt64(movedOffset) { return next }
    if offset < UInt64(backOffset) { return next &+ (offset &- UInt64(movedOffset)) }
    return next &+ UInt64(movedLength)
  }

  /// How far a thread at `counter` has got in an identification.
  public func stage(of counter: UInt64) -> IdentificationStub.Stage {
    let offset = counter &- stub
    guard kind == .identification, offset < UInt64(stubLength) else { return .clean }
    return IdentificationStub.stage(at: Int(offset) &- Int(callOffset)).stage
  }

  /// Where to go on from an instruction that the patch has overwritten: whoever returns or jumps there meets an invalid
  /// instruction. nil: it is none of them.
  public func redirect(from counter: UInt64) -> UInt64? {
    if coveredOffset != 0, counter == start &+ UInt64(coveredOffset) { return stub &+ UInt64(coveredOffset) }
    let offset = counter &- next
    guard offset < UInt64(movedLength) else { return nil }
    return stub &+ UInt64(movedOffset) &+ offset
  }
}

/// A decided patch, and the bytes that carry it out.
///
/// Writing it, the text's lock held, while other processors run through it:
///
/// 1. `stub`, then `springboard`: nobody runs there yet. Only these bytes may be written; others beside them may be code.
/// 2. The row of `patch` is made known to whoever looks up `original` and `redirect`.
/// 3. `code`. Where it lies in one aligned word (`code.crossesWord` is false): one store of
///    `code.word(over: …)`. A processor that still sees the old bytes traps, which is right too; and as processors fetch
///    in program order and see stores in order, one that sees the new bytes sees the stub as well. No barrier.
/// 4. Where it crosses a word, as Linux's text_poke: a breakpoint's one byte over the first, every processor made to
///    serialise (a kick does, by its return); then all other bytes, and again; then the first byte, and again. Until the
///    last step is over, a breakpoint trap at `code.address` continues at `patch.stub`. A caller that cannot do this says
///    so in `PatchOptions.severalStores` and gets none of them.
///
/// A task that trapped at the site before and sleeps in the kernel returns to `patch.next`, as always: if that was moved,
/// the redirect finds it.
///
/// Two bytes before the address that a stub returns to, the call is made again, as it is two bytes before `next`: so
/// restarting a call is the same subtraction for every form.
public struct PatchPlan: Sendable {
  public var patch: Patch
  public var code: CodeBytes
  public var springboard: CodeBytes
  public var stub: CodeBytes
}

public struct PatchOptions: Sendable {
  /// Whether the caller can write a patch that crosses a word.
  public var severalStores = true
  /// Whether to patch signal restorers: right where unwinders find the file's unwind tables for them.
  public var signalReturn = false
  /// Whether page 0 holds the sled that `PatchForm.pageZero` calls, and the site's function leaves its red zone alone.
  public var pageZero = false
  public init() {}
}
