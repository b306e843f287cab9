/// Decides how a site is patched, and makes the bytes; writes nothing. docs/rewriting.md shows the forms, `PatchPlan` says
/// how a plan is carried out.
///
/// Forms are tried in `PatchForm`'s order: first those that one store can write, then the others.
public struct PatchPlanner: ~Escapable {
  private let window: CodeWindow
  /// The site's offset in the window.
  private let at: Int
  private let flow: CodeFlow
  private let kind: PatchKind
  /// For an identification.
  private let search: UInt64

  /// What is tried for a form.
  private enum Outcome {
    case done(PatchPlan)
    case impossible, crossesWord, noStub
  }

  private static let siteLength = 2

  /// A plan for the `syscall` at `site`, the file's own address. A stub for it is taken from `area`.
  @inline(never)
  public static func plan(
    _ window: borrowing CodeWindow, site: UInt64, area: inout StubArea, options: PatchOptions
  ) throws(PatchRefusal) -> PatchPlan {
    let offset = site &- window.address
    guard window.count >= siteLength, offset <= UInt64(window.count &- siteLength) else { throw .noSystemCall }
    let at = Int(offset)
    guard window.original[at] == 0x0f, window.original[at &+ 1] == 0x05 else { throw .noSystemCall }
    guard window.isUntouched(at..<at &+ siteLength) else { throw .taken }
    if !options.signalReturn, restoresSignal(window, at) { throw .signalReturn }
    return try PatchPlanner(window, at, CodeFlow(window, site: at), .systemCall).plan(&area, options)
  }

  /// A plan for a `cpuid` of a function that nobody runs yet. `window` begins where the function does; the search lies at
  /// `search` in `area`.
  @inline(never)
  public static func plan(
    _ window: borrowing CodeWindow, _ site: FunctionReading.Site, of function: borrowing FunctionReading,
    area: inout StubArea, search: UInt64
  ) throws(PatchRefusal) -> PatchPlan {
    guard window.isUntouched(site.offset..<site.offset &+ siteLength) else { throw .taken }
    let planner = PatchPlanner(window, site.offset, CodeFlow(window, function, site), .identification, search)
    var refusal = PatchRefusal.noRoom
    for form in PatchForm.allCases where form != .pageZero {
      switch planner.attempt(form, &area, true) {
      case .done(let plan): return plan
      case .noStub: refusal = .noStub
      case .impossible, .crossesWord: break
      }
    }
    throw refusal
  }

  @_lifetime(copy window)
  private init(
    _ window: borrowing CodeWindow, _ at: Int, _ flow: CodeFlow, _ kind: PatchKind, _ search: UInt64 = 0
  ) {
    self.window = copy window
    self.at = at
    self.flow = flow
    self.kind = kind
    self.search = search
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

  // Plans are large, and so would be the frame of one function that has all of them.

  @inline(never)
  private func attempt(_ form: PatchForm, _ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    switch form {
    case .pageZero: pageZero(severalStores)
    case .springboard: springboard(&area, severalStores)
    case .before: before(&area, severalStores)
    case .after: afterOrBeforeTwo(&area, severalStores)
    }
  }

  private var site: UInt64 { window.address(at) }
  private var next: UInt64 { window.address(at &+ Self.siteLength) }
  private func crossesWord(_ address: UInt64, _ count: Int) -> Bool { address & 7 &+ UInt64(count) > 8 }

  /// What is done instead of the instruction.
  private var bodyLength: Int { kind == .systemCall ? StubWriter.callLength : IdentificationStub.length }
  /// An identification goes on behind it.
  private func writeBody(_ writer: inout StubWriter, returnTo address: UInt64, _ area: borrowing StubArea) {
    switch kind {
    case .systemCall:
      writer.loadReturn(address)
      writer.jump(through: area.entrySlot)
    case .identification: writer.identification(search)
    }
  }

  @inline(never)
  private func springboard(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    guard let padding = flow.padding else { return .impossible }
    if crossesWord(site, Self.siteLength) && !severalStores { return .crossesWord }
    let backOffset = bodyLength, goesBack = kind == .identification
    let length = backOffset &+ (goesBack ? CodeFlow.jumpLength : 0)
    guard let stub = area.take(length, where: { _ in true }) else { return .noStub }
    var writer = StubWriter(at: stub)
    writeBody(&writer, returnTo: next, area)
    if goesBack { writer.jump(to: next) }
    var board = StubWriter(at: window.address(padding))
    board.jump(to: stub)
    var code = StubWriter(at: site)
    code.shortJump(to: board.code.address)
    var patch = Patch(kind: kind, form: .springboard, site: site, next: next, start: site)
    patch.springboard = board.code.address
    patch.springboardLength = UInt8(board.code.count)
    patch.movedOffset = UInt8(backOffset)
    patch.backOffset = UInt8(backOffset)
    return finish(patch, code, board, writer, &area)
  }

  @inline(never)
  private func before(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    guard let (offset, instruction) = flow.predecessor, Self.canRunElsewhere(instruction) else { return .impossible }
    let jumpEnd = offset &+ CodeFlow.jumpLength
    // With three bytes, the jump covers the call as well; with four, its old start could not be made invalid.
    let isShort = instruction.length == 3
    guard isShort ? !flow.targets.contains(at) : instruction.length >= CodeFlow.jumpLength,
      window.isUntouched(offset..<max(at, jumpEnd))
    else { return .impossible }
    return jump(from: offset, covering: isShort ? at : nil, &area, severalStores)
  }

  /// A jump at `offset`; the instructions from there to the call run in the stub. Where the one at `covered` began, in the
  /// jump's distance, is made invalid.
  private func jump(
    from offset: Int, covering covered: Int?, _ area: inout StubArea, _ severalStores: Bool
  ) -> Outcome {
    let start = window.address(offset), jumpTarget = window.address(offset &+ CodeFlow.jumpLength)
    if crossesWord(start, CodeFlow.jumpLength) && !severalStores { return .crossesWord }
    let coveredOffset = covered.map { $0 &- offset } ?? 0
    let callOffset = at &- offset, backOffset = callOffset &+ bodyLength, goesBack = kind == .identification
    let place = area.take(backOffset &+ (goesBack ? CodeFlow.jumpLength : 0)) { stub in
      coveredOffset == 0
        || Self.isInvalid(UInt8(truncatingIfNeeded: (stub &- jumpTarget) >> UInt64((coveredOffset &- 1) &* 8)))
    }
    guard let stub = place else { return .noStub }
    var writer = StubWriter(at: stub)
    var moved = offset
    while moved < at, let instruction = window.instruction(moved) {
      writer.copy(instruction, at: moved, of: window)
      moved &+= instruction.length
    }
    writeBody(&writer, returnTo: next, area)
    if goesBack { writer.jump(to: next) }
    var code = StubWriter(at: start)
    code.jump(to: stub)
    var patch = Patch(kind: kind, form: .before, site: site, next: next, start: start)
    patch.coveredOffset = UInt8(coveredOffset)
    patch.callOffset = UInt8(callOffset)
    patch.movedOffset = UInt8(backOffset)
    patch.backOffset = UInt8(backOffset)
    return finish(patch, code, nil, writer, &area)
  }

  private func afterOrBeforeTwo(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    let outcome = after(&area, severalStores)
    switch outcome {
    case .done, .crossesWord: return outcome
    case .impossible, .noStub:
      let other = beforeTwo(&area, severalStores)
      if case .impossible = other { return outcome }
      return other
    }
  }

  /// The two instructions before the call, where together they have room for a jump. The call stays.
  @inline(never)
  private func beforeTwo(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    guard kind == .systemCall, let (offset, first) = flow.earlier, let (middle, second) = flow.predecessor,
      Self.canRunElsewhere(first), Self.canRunElsewhere(second), !flow.targets.contains(middle),
      first.length <= 3, offset &+ CodeFlow.jumpLength <= at, window.isUntouched(offset..<at)
    else { return .impossible }
    return jump(from: offset, covering: middle, &area, severalStores)
  }
  private static func canRunElsewhere(_ instruction: Instruction) -> Bool {
    instruction.relocation == .unchanged || instruction.relocation == .displacement
  }

  @inline(never)
  private func after(_ area: inout StubArea, _ severalStores: Bool) -> Outcome {
    let first = at &+ Self.siteLength, jumpEnd = at &+ CodeFlow.jumpLength
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

    // A call returns into the stub, and is made again two bytes before that.
    let resumeOffset = kind == .systemCall ? bodyLength &+ 2 : bodyLength
    let movedOffset = kind == .systemCall ? resumeOffset &+ StubWriter.loadLength : bodyLength
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
    writeBody(&writer, returnTo: stub &+ UInt64(resumeOffset), area)
    if kind == .systemCall {
      writer.shortJump(to: stub)
      writer.loadReturn(next)  // as the instruction leaves it
    }
    var offset = first
    while offset < end, let instruction = window.instruction(offset) {
      writer.copy(instruction, at: offset, of: window)
      offset &+= instruction.length
    }
    var patch = Patch(kind: kind, form: .after, site: site, next: next, start: site)
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
    if crossesWord(site, Self.siteLength) && !severalStores { return .crossesWord }
    var code = CodeBytes(at: site)
    code.append(0xff as UInt8)  // call *%rax
    code.append(0xd0 as UInt8)
    var patch = Patch(kind: kind, form: .pageZero, site: site, next: next, start: site)
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
