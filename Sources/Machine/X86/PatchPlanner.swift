/// Decides how a site is patched, and makes the bytes; writes nothing. docs/rewriting.md shows the forms, `PatchPlan` says
/// how a plan is carried out.
///
/// Forms are tried in `PatchForm`'s order: first those that one store can write, then the others.
public struct PatchPlanner: ~Escapable {
  private let window: CodeWindow
  /// The site's offset in the window.
  private let at: Int
  private let flow: CodeFlow

  /// What is tried for a form.
  private enum Outcome {
    case done(PatchPlan)
    case impossible, crossesWord, noStub
  }

  private static let syscallLength = 2

  /// A plan for the `syscall` at `site`, the file's own address. A stub for it is taken from `area`.
  public static func plan(
    _ window: borrowing CodeWindow, site: UInt64, area: inout StubArea, options: PatchOptions
  ) throws(PatchRefusal) -> PatchPlan {
    let offset = site &- window.address
    guard window.count >= syscallLength, offset <= UInt64(window.count &- syscallLength) else { throw .noSystemCall }
    let at = Int(offset)
    guard window.original[at] == 0x0f, window.original[at &+ 1] == 0x05 else { throw .noSystemCall }
    guard window.isUntouched(at..<at &+ syscallLength) else { throw .taken }
    if !options.signalReturn, restoresSignal(window, at) { throw .signalReturn }
    return try PatchPlanner(window, at).plan(&area, options)
  }

  @_lifetime(copy window)
  private init(_ window: borrowing CodeWindow, _ at: Int) {
    self.window = copy window
    self.at = at
    flow = CodeFlow(window, site: at)
  }

  /// Whether `mov $15, %eax` or `mov $15, %rax` stands right before: by these bytes libgcc and others find out that a
  /// frame is a signal's.
  private static func restoresSignal(_ window: borrowing CodeWindow, _ site: Int) -> Bool {
    guard site >= 7 else { return false }
    var bytes: UInt64 = 0
    for i in 0..<7 { bytes = bytes &<< 8 | UInt64(window.original[site &- 7 &+ i]) }
    return bytes == 0x48_c7c0_0f00_0000 || bytes & 0xff_ffff_ffff == 0xb8_0f00_0000
  }

  private func plan(_ area: inout StubArea, _ options: PatchOptions) throws(PatchRefusal) -> PatchPlan {
    var refusal = PatchRefusal.noRoom
    for severalStores in [false, true] where options.severalStores || !severalStores {
      for form in PatchForm.allCases where form != .pageZero || options.pageZero {
        switch attempt(form, &area, severalStores) {
        case .done(let plan): return plan
        case .impossible: break
        case .crossesWord: if refusal == .noRoom { refusal = .crossesWord }
        case .noStub: refusal = .noStub
        }
      }
    }
    throw refusal
  }

  private func attempt(_ form: PatchForm, _ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    switch form {
    case .pageZero: pageZero(severalStores)
    case .springboard: springboard(&area, severalStores)
    case .before: before(&area, severalStores)
    case .after: after(&area, severalStores)
    }
  }

  private var site: UInt64 { window.address(at) }
  private var next: UInt64 { window.address(at &+ Self.syscallLength) }
  private func crossesWord(_ address: UInt64, _ count: Int) -> Bool { address & 7 &+ UInt64(count) > 8 }

  /// `lea`, `jmp *`.
  private static let callLength = 13

  private func springboard(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    guard let padding = flow.padding else { return .impossible }
    if crossesWord(site, Self.syscallLength) && !severalStores { return .crossesWord }
    guard let stub = area.take(Self.callLength, where: { _ in true }) else { return .noStub }
    var writer = StubWriter(at: stub)
    writer.loadReturn(next)
    writer.jump(through: area.entrySlot)
    var board = StubWriter(at: window.address(padding))
    board.jump(to: stub)
    var code = StubWriter(at: site)
    code.shortJump(to: board.code.address)
    var patch = Patch(form: .springboard, site: site, next: next, start: site)
    patch.springboard = board.code.address
    patch.springboardLength = UInt8(board.code.count)
    return finish(patch, code, board, writer, &area)
  }

  private func before(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    guard let (offset, instruction) = flow.predecessor,
      instruction.relocation == .unchanged || instruction.relocation == .displacement
    else { return .impossible }
    let start = window.address(offset), jumpEnd = offset &+ CodeFlow.jumpLength
    // With three bytes, the jump covers the call as well; with four, its old start could not be made invalid.
    let isShort = instruction.length == 3
    guard isShort ? !flow.targets.contains(at) : instruction.length >= CodeFlow.jumpLength,
      window.isUntouched(offset..<max(at, jumpEnd))
    else { return .impossible }
    if crossesWord(start, CodeFlow.jumpLength) && !severalStores { return .crossesWord }
    let jumpTarget = window.address(jumpEnd)
    let place = area.take(instruction.length &+ Self.callLength) { stub in
      !isShort || Self.isInvalid(UInt8(truncatingIfNeeded: (stub &- jumpTarget) >> 16))
    }
    guard let stub = place else { return .noStub }
    var writer = StubWriter(at: stub)
    writer.copy(instruction, at: offset, of: window)
    writer.loadReturn(next)
    writer.jump(through: area.entrySlot)
    var code = StubWriter(at: start)
    code.jump(to: stub)
    var patch = Patch(form: .before, site: site, next: next, start: start)
    patch.callOffset = UInt8(instruction.length)
    return finish(patch, code, nil, writer, &area)
  }

  private func after(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    let first = at &+ Self.syscallLength, jumpEnd = at &+ CodeFlow.jumpLength
    var end = first, movedLength = 0, goesBack = true
    // Where instructions begin that the jump's bytes will cover.
    var begins = OffsetSet(around: at)
    while end < jumpEnd {
      // Padding behind a transfer need not be moved.
      if !goesBack, let padding = flow.paddingEnd(window, from: end), padding >= jumpEnd { break }
      // Only the last one can be a branch: it becomes longer.
      guard goesBack, let instruction = window.instruction(end), instruction.relocation != .fixed,
        !flow.targets.contains(end), instruction.kind != .conditional || end &+ instruction.length >= jumpEnd
      else { return .impossible }
      begins.insert(end)
      goesBack = !instruction.endsBlock
      end &+= instruction.length
      movedLength &+= StubWriter.length(of: instruction)
    }
    guard window.isUntouched(at..<max(end, jumpEnd)) else { return .impossible }
    if crossesWord(site, CodeFlow.jumpLength) && !severalStores { return .crossesWord }

    let resumeOffset = Self.callLength &+ 2
    let movedOffset = resumeOffset &+ StubWriter.loadLength
    let length = movedOffset &+ movedLength &+ (goesBack ? CodeFlow.jumpLength : 0)
    let jumpTarget = window.address(jumpEnd), at = at
    let place = area.take(length) { stub in
      for k in 2..<CodeFlow.jumpLength where begins.contains(at &+ k) {
        guard Self.isInvalid(UInt8(truncatingIfNeeded: (stub &- jumpTarget) >> UInt64((k &- 1) &* 8))) else {
          return false
        }
      }
      return true
    }
    guard let stub = place else { return .noStub }
    var writer = StubWriter(at: stub)
    writer.loadReturn(stub &+ UInt64(resumeOffset))
    writer.jump(through: area.entrySlot)
    writer.shortJump(to: stub)
    writer.loadReturn(next)  // as the instruction leaves it
    var offset = first
    while offset < end, let instruction = window.instruction(offset) {
      writer.copy(instruction, at: offset, of: window)
      offset &+= instruction.length
    }
    var patch = Patch(form: .after, site: site, next: next, start: site)
    patch.resumeOffset = UInt8(resumeOffset)
    patch.movedLength = UInt8(end &- first)
    patch.movedOffset = UInt8(movedOffset)
    patch.backOffset = UInt8(movedOffset &+ movedLength)
    if goesBack { writer.jump(to: window.address(end)) }
    var code = StubWriter(at: site)
    code.jump(to: stub)
    return finish(patch, code, nil, writer, &area)
  }

  /// Opcodes that fault with SIGILL in 64-bit mode, whatever follows.
  private static func isInvalid(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd6,
      0xea:
      true
    default: false
    }
  }

  private func pageZero(_ severalStores: Bool) -> Outcome {
    if crossesWord(site, Self.syscallLength) && !severalStores { return .crossesWord }
    var code = CodeBytes(at: site)
    code.append(0xff as UInt8)  // call *%rax
    code.append(0xd0 as UInt8)
    var patch = Patch(form: .pageZero, site: site, next: next, start: site)
    patch.codeLength = UInt8(code.count)
    return .done(PatchPlan(patch: patch, code: code, springboard: CodeBytes(at: 0), stub: CodeBytes(at: 0)))
  }

  private func finish(
    _ patch: Patch, _ code: StubWriter, _ springboard: StubWriter?, _ stub: StubWriter, _ area: inout StubArea
  ) -> Outcome {
    guard code.isInReach, stub.isInReach, springboard?.isInReach ?? true else {
      area.release(stub.code.address, stub.code.count)
      return .noStub
    }
    var patch = patch
    patch.codeLength = UInt8(code.code.count)
    patch.stub = stub.code.address
    patch.stubLength = UInt8(stub.code.count)
    return .done(
      PatchPlan(
        patch: patch, code: code.code, springboard: springboard?.code ?? CodeBytes(at: 0), stub: stub.code))
  }
}
