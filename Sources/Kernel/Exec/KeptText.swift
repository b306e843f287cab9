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
  /// The stack; in `mmu=none` with the gap below it.
  let stack: Range<UInt>
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

  /// In `mmu=none`: what the run has taken to lie in.
  func forPlaces<E: Error>(_ body: (Range<UInt>) throws(E) -> Void) throws(E) {
    func place(_ exec: ExecFile, _ bias: UInt) -> Range<UInt> {
      exec.range.lowerBound &+ bias..<exec.range.upperBound &+ bias &+ (key.hook.rewrites ? ExecImage.stubRoom : 0)
    }
    try body(place(key.program, programBias))
    if let interpreter = key.interpreter { try body(place(interpreter, interpreterBias)) }
    try body(stack)
  }
}

/// What stays mapped in a host process of the pool; in `mmu=none` in the one that there is, where the places of its layout
/// are its own meanwhile.
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

  // MARK: mmu=none; the layout's lock is held

  /// The places of its layout, which are free, become its own. Returns false where they cannot: nothing is left then.
  func holdPlaces() -> Bool {
    let identity = Borrowed(self).identity
    do throws(Errno) {
      try sharedLayout.with { (shared) throws(Errno) in
        try layout.forPlaces { (place) throws(Errno) in try shared.take(place.lowerBound, place.upperBound, identity) }
      }
      return true
    } catch {
      drop()
      return false
    }
  }
  /// Unmaps it, and frees its places.
  func drop() {
    for i in 0..<ranges.count { try? HostMemory.unmap(ranges[i].lowerBound, UInt(ranges[i].count)) }
    layout.forPlaces { place in
      try? sharedLayout.with { (shared) throws(Errno) in try shared.give(place.lowerBound, place.upperBound) }
    }
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
    if let old, !hasAddressSpaces {
      sharedLayout.with { $0.lock.withLock { _ in old.drop() } }
    }
    withExtendedLifetime(old) {}
  }

  /// In `mmu=none`: somebody needs the room. Returns whether there was one. The layout's lock is held.
  func dropAll() -> Bool {
    let all = lock.withLock { list -> [KeptText] in
      let all = list.texts
      list.texts = []
      return all
    }
    for text in all { text.drop() }
    return !all.isEmpty
  }

  /// A host process in which a run with `key` was, taken out of the pool.
  func take(_ key: ProgramLayout.Key) -> (HostSpace, KeptText)? {
    if !hasAddressSpaces {
      let text = lock.withLock { list -> KeptText? in
        for i in list.texts.indices where list.texts[i].layout.key.isSame(as: key) { return list.texts.remove(at: i) }
        return nil
      }
      return text.map { (guestHost.borrowed.object, $0) }
    }
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
    guard !credentials.isSecure, let file = ExecFile.of(program.file) else { return nil }
    var other: ExecFile?
    if let interpreter {
      guard hasAddressSpaces || interpreter.image.isMovable else { return nil }
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
    guard text.ranges.count > 0 else { return nil }
    if !hasAddressSpaces {
      // What the program gave away of its places may be another's now.
      var isItsOwn = true
      layout.forPlaces { if !isOpen($0.lowerBound, $0.upperBound) { isItsOwn = false } }
      guard isItsOwn else { return nil }
      keepStack(&state, layout.stack, text)
    }
    return text
  }

  /// A stack that is as it was made is emptied, and stays.
  private func keepStack(_ state: inout AddressSpaceState, _ stack: Range<UInt>, _ text: KeptText) {
    let start = stack.lowerBound + stackGuardGap, end = stack.upperBound
    guard let area = state.areas.tree.area(at: start), area.start == start, area.end == end, area.mapping == nil,
      area.flags == [.read, .write, .mayAll],
      (try? HostMemory.advise(start, end - start, MADV_DONTNEED)) != nil
    else { return }
    text.add(start, end, nil)
    if let gap = state.areas.tree.area(at: stack.lowerBound), gap.start == stack.lowerBound, gap.end == start,
      gap.mapping == nil, gap.flags == .mayAll
    {
      text.add(stack.lowerBound, start, nil)
    }
  }

  /// In `mmu=none`: the places of an earlier run become this one's.
  func takeOver(_ layout: ProgramLayout) throws(Errno) {
    try withState { (_) throws(Errno) in
      try layout.forPlaces { (place) throws(Errno) in try occupy(place.lowerBound, place.upperBound) }
    }
  }

  private func keep(_ state: inout AddressSpaceState, _ exec: ExecFile, _ bias: UInt, _ text: KeptText) {
    for segment in exec.readOnly {
      let start = segment.address &+ bias, end = start &+ segment.count
      let flags = AreaFlags(protection: segment.protection).union(.mayAll)
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
