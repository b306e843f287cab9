import CLinux
import Machine
import Synchronization

/// A file's executable segment as programs run it: a copy in kernel memory, patched as its system calls trap, and the stubs
/// that the patches lead to. The file itself keeps its own bytes. See docs/rewriting.md.
final class ExecImage: Listed {
  var link = Link<ExecImage>()  // in `execFiles`, under its lock
  let path: [UInt8]  // as the file was named when the image was made
  let memory: ExecMemory
  let segment: ExecFile.Segment
  /// The file's own address of the stubs.
  private let stubs: UInt
  let sites: Mutex<ExecSites>
  /// Traps at sites of this file: the first at each, and those at sites that are not patched.
  let traps = Atomic<Int>(0)

  static var stubRoom: UInt { UInt(StubArea.size) }
  /// From the text's first byte to the stubs.
  var stubDistance: UInt { stubs &- segment.address }

  /// Copies the segment; of a program's or a loader's, `cpuid` is patched. Errors: ENOMEM, EIO.
  init(_ file: File, _ exec: ExecFile, _ segment: ExecFile.Segment, isProgram: Bool) throws(Errno) {
    path = file.path?.description(below: readersRoot()) ?? file.label
    self.segment = segment
    stubs = exec.range.upperBound
    memory = try ExecMemory(textPages: Int(segment.count >> 12), stubPages: Int(Self.stubRoom >> 12))
    sites = Mutex(ExecSites(stubs: UInt64(exec.range.upperBound)), rank: .execImage)
    _ = try file.fill(memory.bytes.slice(0, Int(segment.count)), at: Int(segment.offset))
    memory.bytes.store(callEntryAddress, at: Int(segment.count))
    if isProgram { patchIdentifications(file) }
  }

  /// The file's own address of what lies at `offset` in the file.
  private func ownAddress(_ offset: UInt) -> UInt64 { UInt64(segment.address &+ (offset &- segment.offset)) }
  /// Where in `memory` an own address lies, if all `count` bytes do.
  private func place(_ address: UInt64, _ count: Int) -> Int? {
    let inText = Int(truncatingIfNeeded: address &- UInt64(segment.address))
    if inText >= 0 && inText <= Int(segment.count) - count { return inText }
    let inStubs = Int(truncatingIfNeeded: address &- UInt64(stubs))
    return inStubs >= 0 && inStubs <= Int(Self.stubRoom) - count ? Int(segment.count) + inStubs : nil
  }

  // MARK: patching

  /// A call at `offset` in `file` has trapped: its site is patched, or known to be left as it is. May sleep.
  func patch(_ offset: UInt, _ file: File) {
    traps.add(1, ordering: .relaxed)
    let site = ownAddress(offset)
    if sites.withLock({ $0.knows(site) }) { return }
    let at = Int(offset - segment.offset)
    let low = max(0, at - CodeWindow.reach) & ~15, high = min(Int(segment.count), at + CodeWindow.reach)
    guard let original = try? file.bytes(at: Int(segment.offset) + low, count: high - low),
      original.count >= at - low + 2  // the file may have shrunk
    else { return }
    var options = PatchOptions()
    // Of 15, the signal restorer, unwinders know the bytes; they do not look at them where a table has it.
    let mayRestore = at >= 7 && (original[at - low - 5] == 15 || original[at - low - 4] == 15)
    let usesPageZero = Hook.patching == .zpoline
    if mayRestore || usesPageZero, let function = UnwindTable.function(with: UInt(site), in: file) {
      options.signalReturn = true
      options.pageZero = usesPageZero && leavesRedZone(function, file)
    }
    sites.withLock { sites in
      if sites.knows(site) { return }
      let current = memory.bytes.slice(low, original.count).array
      let window = CodeWindow(
        original: original.span, current: current.span, address: UInt64(segment.address) &+ UInt64(low))
      do throws(PatchRefusal) {
        let plan = try PatchPlanner.plan(window, site: site, area: &sites.area, options: options)
        sites.patches.append(plan.patch)
        carryOut(plan)
      } catch { sites.left.append((site, error)) }
    }
  }

  /// Whether nothing of the function's lies where a call through page 0 puts its return address.
  private func leavesRedZone(_ function: Range<UInt>, _ file: File) -> Bool {
    guard function.count <= 1 << 16, place(UInt64(function.lowerBound), function.count) != nil,
      let code = try? file.bytes(
        at: Int(segment.offset &+ (function.lowerBound &- segment.address)), count: function.count)
    else { return false }
    return code.count == function.count && RedZone.isUnused(by: code.span)
  }

  /// In the order that `PatchPlan` asks for.
  private func carryOut(_ plan: PatchPlan) {
    write(plan.stub)
    write(plan.springboard)
    let code = plan.code
    if !code.crossesWord {
      let at = Int(code.wordAddress &- UInt64(segment.address))
      memory.storeWord(code.word(over: memory.bytes.load(at, as: UInt64.self)), at: at)
      return
    }
    guard let at = place(code.address, code.count) else { return }
    memory.bytes[at] = 0xcc  // whoever runs into it goes on in the stub: `breakpoint`
    Scheduler.barrierOnProcessors()
    write(code, from: 1)
    Scheduler.barrierOnProcessors()
    memory.bytes[at] = code[0]
    Scheduler.barrierOnProcessors()
  }
  func write(_ code: CodeBytes, from first: Int = 0) {
    guard code.count > 0, let at = place(code.address, code.count) else { return }
    for i in first..<code.count { memory.bytes[at + i] = code[i] }
  }

  // MARK: program counters

  /// What a program counter `distance` bytes from the text's first is to be shown as, and how far it is in an
  /// identification; nil: as it is. `searchReturn`: the distance of where the search for an answer goes on, if that is
  /// where it is.
  func original(_ distance: UInt, searchReturn: UInt) -> (distance: UInt, stage: IdentificationStub.Stage)? {
    let counter = UInt64(segment.address &+ distance)
    let isInSearch = sites.withLock { $0.area.isCommon(counter) }
    if isInSearch { return find(searchReturn) { $0.original(of: $1) }.map { ($0, .searching) } }
    var stage = IdentificationStub.Stage.clean
    let found = find(distance) { patch, counter in
      stage = patch.stage(of: counter)
      return patch.original(of: counter)
    }
    return found.map { ($0, stage) }
  }
  /// Where a program goes on that ran into an instruction that a patch has overwritten; nil: it did not.
  func redirect(_ distance: UInt) -> UInt? {
    find(distance) { $0.redirect(from: $1) }
  }
  /// Where a program goes on that ran into the breakpoint of a patch in the making, or made since.
  func breakpoint(_ distance: UInt) -> UInt? {
    // One without a stub is tried again.
    find(distance) { patch, counter in patch.start == counter ? patch.stub == 0 ? counter : patch.stub : nil }
  }
  /// Whether the site there calls through page 0.
  func isPageZeroCall(_ distance: UInt) -> Bool {
    find(distance) { patch, counter in patch.form == .pageZero && patch.site == counter ? counter : nil } != nil
  }
  private func find(_ distance: UInt, _ body: (Patch, UInt64) -> UInt64?) -> UInt? {
    let counter = UInt64(segment.address &+ distance)
    let found = sites.withLock { sites -> UInt64? in
      for patch in sites.patches { if let result = body(patch, counter) { return result } }
      return nil
    }
    return found.map { UInt($0) &- segment.address }
  }

  func counts() -> ExecCounts {
    sites.withLock { sites in
      var counts = ExecCounts(identificationsLeft: sites.identificationsLeft)
      for patch in sites.patches {
        switch patch.kind {
        case .systemCall: counts.patched[Int(patch.form.rawValue)] += 1
        case .identification: counts.identifications += 1
        }
      }
      for (_, reason) in sites.left { counts.left[Int(reason.rawValue)] += 1 }
      return counts
    }
  }
}

/// How many sites of an image were patched or left.
struct ExecCounts {
  /// Of system calls, in `PatchForm`'s and in `PatchRefusal`'s order.
  var patched = [Int](repeating: 0, count: PatchForm.allCases.count)
  var left = [Int](repeating: 0, count: PatchRefusal.allCases.count)
  var identifications = 0
  var identificationsLeft = 0
}

/// The sites of an image: system calls that have trapped, and identifications.
struct ExecSites: ~Copyable {
  var area: StubArea
  var patches: [Patch] = []
  var left: [(site: UInt64, reason: PatchRefusal)] = []
  var identificationsLeft = 0

  init(stubs: UInt64) { area = StubArea(base: stubs) }
  func knows(_ site: UInt64) -> Bool {
    for patch in patches where patch.site == site { return true }
    for (other, _) in left where other == site { return true }
    return false
  }
}
