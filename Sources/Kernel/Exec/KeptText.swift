import CLinux
import Machine

// What a program only reads stays mapped in its host process when it ends, and its next run in there finds the pages where
// they were: it costs neither the calls nor the faults of mapping them. So a run of it has the layout of the one before;
// `ProgramLayout.mostUses` of them, of one user, and none after one that a signal killed. See docs/memory.md.

/// Where exec put a program, and what it takes to put the next run of it there.
struct ProgramLayout {
  let key: Key
  let placement: Placement
  let programBias: UInt, interpreterBias: UInt
  /// Runs that had it.
  let uses: Int

  /// Runs for which all of this is the same have the same areas.
  struct Key {
    let program: ExecFile
    let interpreter: ExecFile?
    let user: UInt32
    let stackRoom: UInt
    let isRandom: Bool
    let hook: Hook

    func isSame(as other: Key) -> Bool {
      program === other.program && interpreter === other.interpreter && user == other.user
        && stackRoom == other.stackRoom && isRandom == other.isRandom && hook == other.hook
    }
  }

  static var mostUses: Int { 32 }
}

/// What stays mapped in a host process of the pool.
final class KeptText {
  /// The host process's.
  let label = keptTexts.with { $0.newLabel() }
  let layout: ProgramLayout
  private(set) var ranges = KeptRanges()
  /// The images that are mapped there, in the order of `ranges`; the others are the files' own pages.
  private var images: [(start: UInt, image: ExecImage)] = []

  init(_ layout: ProgramLayout) { self.layout = layout }

  func add(_ start: UInt, _ end: UInt, _ image: ExecImage?) {
    if ranges.insert(start..<end), let image { images.append((start, image)) }
  }
  /// Whether the host's mapping of `start..<end` is there: the image's, or, without one, the file's.
  func has(_ start: UInt, _ end: UInt, _ image: ExecImage?) -> Bool {
    for i in 0..<ranges.count where ranges[i] == start..<end {
      for (at, mapped) in images where at == start { return mapped === image }
      return image == nil
    }
    return false
  }
}

/// What is known of the pool's host processes.
final class KeptTexts {
  private let lock = SpinLock(KeptList(), rank: .file)
  init() {}

  func newLabel() -> UInt64 {
    lock.withLock { list in
      list.lastLabel &+= 1
      return list.lastLabel
    }
  }

  func add(_ text: KeptText) {
    // The one that has been there longest goes: its host process has been taken for something else, or will be.
    let old = lock.withLock { list -> KeptText? in
      let old = list.texts.count < SpacePool.capacity ? nil : list.texts.removeFirst()
      list.texts.append(text)
      return old
    }
    withExtendedLifetime(old) {}
  }

  /// A host process in which a run with `key` was, taken out of the pool.
  func take(_ key: ProgramLayout.Key) -> (HostSpace, KeptText)? {
    var after: UInt64 = 0
    while let text = next(key, after) {
      if let space = HostSpace.recycled(label: text.label) {
        lock.withLock { list in list.texts.removeAll { $0 === text } }
        return (space, text)
      }
      after = text.label  // its last user is still on its way out, or something else has taken it
    }
    return nil
  }
  private func next(_ key: ProgramLayout.Key, _ after: UInt64) -> KeptText? {
    lock.withLock { list in
      for text in list.texts where text.label > after && text.layout.key.isSame(as: key) { return text }
      return nil
    }
  }
}
private struct KeptList: ~Copyable {
  var texts: [KeptText] = []
  var lastLabel: UInt64 = 0
}
let keptTexts = KernelGlobal<KeptTexts>()

extension ExecPlan {
  /// Nil where a run of it shares its layout with no other.
  func layoutKey(stackRoom: UInt, isRandom: Bool, hook: Hook) -> ProgramLayout.Key? {
    guard hasAddressSpaces, !credentials.isSecure, let file = ExecFile.of(program.file) else { return nil }
    var other: ExecFile?
    if let interpreter {
      guard let file = ExecFile.of(interpreter.file) else { return nil }
      other = file
    }
    return ProgramLayout.Key(
      program: file, interpreter: other, user: credentials.credentials.euid, stackRoom: stackRoom, isRandom: isRandom,
      hook: hook)
  }
}

extension AddressSpace {
  /// What of the program and of its interpreter is still as exec mapped it, and nobody could write to. The lock is held.
  func textToKeep(_ state: inout AddressSpaceState) -> KeptText? {
    guard let layout, layout.uses < ProgramLayout.mostUses else { return nil }
    let text = KeptText(layout)
    keep(&state, layout.key.program, layout.programBias, text)
    if let interpreter = layout.key.interpreter { keep(&state, interpreter, layout.interpreterBias, text) }
    return text.ranges.count > 0 ? text : nil
  }

  private func keep(_ state: inout AddressSpaceState, _ exec: ExecFile, _ bias: UInt, _ text: KeptText) {
    for segment in exec.readOnly {
      let start = segment.address &+ bias, end = start &+ segment.count
      let flags = AreaFlags(protection: segment.protection).union([.mayRead, .mayWrite, .mayExecute])
      guard let area = state.areas.tree.area(at: start), area.start == start, area.end == end,
        area.offset == segment.offset, area.flags == flags, let mapping = area.mapping, !mapping.wasWritable,
        let file = mapping.file, exec.isOf(file.inode)
      else { continue }
      if let image = mapping.image {
        let stubs = mapping.stubs
        guard let room = state.areas.tree.area(at: stubs), room.start == stubs, room.mapping?.image === image else {
          continue
        }
        text.add(start, end, image)
        text.add(stubs, room.end, image)
      } else if case .host = mapping.object {
        text.add(start, end, nil)
      }
    }
  }
}
