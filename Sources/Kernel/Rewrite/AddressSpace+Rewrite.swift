import CLinux
import Machine

// Exec images in an address space. Room for the stubs is set aside when a program or a library is mapped: an area behind
// its last segment that nobody can touch. Its text is the file's own until a call in it traps; from then on, in every
// address space that maps it, it is the image, and the stubs lie in that room.

extension AddressSpace {
  /// Room for stubs behind a file that is mapped as a whole, at `start` and up to `end`. The lock is held.
  func addStubRoom(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt, limits: MemoryLimits) throws(Errno) {
    let mapping = FileMapping(space: self, file: nil, object: .stubs, isWritable: false)
    mapping.stubs = start
    var area = Area(start: end, end: end + ExecImage.stubRoom, flags: [], offset: 0, mapping: mapping)
    try put(&state, &area, limits: limits, noReserve: true)
  }

  /// `area`, executable, not writable and private, is about to be mapped: it is tied to the room behind it, if there is
  /// some, and to its file's image. The lock is held.
  func bind(_ state: inout AddressSpaceState, _ area: Area, _ exec: ExecFile) {
    guard let mapping = area.mapping, let segment = exec.segment(at: area.offset, count: area.count) else { return }
    let stubs = area.start &+ exec.stubDistance(from: area.offset, segment)
    guard isStubRoom(state.areas.tree.area(at: stubs), at: stubs) else { return }
    mapping.stubs = stubs
    guard let image = exec.image.borrowed, image.with({ $0.segment.offset == segment.offset }) else { return }
    mapping.image = image.object
  }
  private func isStubRoom(_ area: Area?, at start: UInt) -> Bool {
    guard let area, area.start == start, area.count == ExecImage.stubRoom, case .stubs = area.mapping?.object else {
      return false
    }
    return true
  }

  /// Maps the image's stubs behind the text of `mapping`, where they are not yet. The lock is held.
  func mapStubs(_ state: inout AddressSpaceState, _ mapping: FileMapping, _ image: ExecImage) throws(Errno) {
    let start = mapping.stubs
    guard let area = state.areas.tree.area(at: start), isStubRoom(area, at: start), let room = area.mapping else {
      throw .noMemory
    }
    if room.image === image { return }
    try state.areas.reserve()
    if kept?.has(start, area.end, image) != true {
      try HostMemory.mapKernelMemory(
        start, area.count, protection: PROT_READ | PROT_EXEC, offset: image.memory.stubOffset, isShared: false)
    }
    room.image = image
    try state.areas.setFlags(start, area.end) { $0.union([.read, .execute, .mayRead, .mayExecute]) }
  }

  /// The host's mapping of `area`, whose text is the image's.
  func mapImage(_ area: inout Area, _ image: ExecImage) throws(Errno) {
    if kept?.has(area.start, area.end, image) != true {
      try HostMemory.mapKernelMemory(
        area.start, area.count, protection: area.flags.protection,
        offset: image.memory.textOffset &+ (area.offset &- image.segment.offset), isShared: false)
    }
    if area.mapping?.cached != nil { area.filled.insert(area.filePages.first, area.filePages.end) }
  }

  // MARK: a call has trapped

  /// A system call of the calling task at `site` has trapped: its file gets an image, the image a patch, and this address
  /// space the image. Where any of that cannot be, the site goes on trapping. May sleep.
  func patchSite(_ site: UInt) {
    guard let area = withoutChange({ $0.areas.tree.area(at: site) }), let mapping = area.mapping, mapping.stubs != 0,
      !mapping.wasWritable, area.flags.contains(.execute), let file = mapping.file
    else { return }
    let offset = area.fileOffset(site)
    if let image = mapping.image {
      // An area may have grown by what the guest mapped behind it.
      if image.segment.contains(offset, 2) { image.patch(offset, file) }
      return
    }
    guard let exec = ExecFile.of(file), let segment = exec.segment(at: offset, count: 2),
      let image = exec.image(of: segment, file)
    else { return }
    image.patch(offset, file)
    _ = try? withMemory { (state) throws(Errno) in try replaceText(&state, mapping, image) }
  }

  /// Maps the image in place of the file's own text. Other threads may run in it: the bytes are the same, or lead to the
  /// same. The lock is held.
  private func replaceText(_ state: inout AddressSpaceState, _ mapping: FileMapping, _ image: ExecImage) throws(Errno) {
    if mapping.image != nil || mapping.wasWritable { return }
    let starts = starts(&state, of: mapping)
    for start in starts {
      guard let area = state.areas.tree.area(at: start), image.segment.contains(area.offset, area.count) else { return }
    }
    try mapStubs(&state, mapping, image)
    mapping.image = image
    for start in starts {
      guard var area = state.areas.tree.area(at: start) else { continue }
      try mapImage(&area, image)
      state.areas.change(start) { $0.filled = area.filled }
    }
  }
  private func starts(_ state: inout AddressSpaceState, of mapping: FileMapping) -> [UInt] {
    var result: [UInt] = []
    state.areas.tree.forEach { area in if area.mapping === mapping { result.append(area.start) } }
    return result
  }

  // MARK: changes by the guest

  /// `start..<end` is about to be mapped over, unmapped, moved or protected anew: text whose stubs lie there is the file's
  /// own again. The lock is held.
  func releaseStubs(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt) throws(Errno) {
    var rooms: [UInt] = [], isPatched = false
    state.areas.tree.forEach(from: start, to: end) { area in
      guard let mapping = area.mapping, mapping.image != nil else { return }
      isPatched = true
      if case .stubs = mapping.object { rooms.append(area.start) }
    }
    if isPatched { pageZeroCalls.borrowed?.with { $0.forget() } }
    if rooms.isEmpty { return }
    var texts: [FileMapping] = []
    state.areas.tree.forEach { area in
      guard let mapping = area.mapping, mapping.image != nil, mapping.file != nil else { return }
      for room in rooms where mapping.stubs == room && texts.last !== mapping { texts.append(mapping) }
    }
    for mapping in texts { try restoreText(&state, mapping) }
  }
  /// The file's own text in place of the image. The lock is held.
  func restoreText(_ state: inout AddressSpaceState, _ mapping: FileMapping) throws(Errno) {
    mapping.image = nil
    mapping.stubs = 0
    for start in starts(&state, of: mapping) {
      guard var area = state.areas.tree.area(at: start) else { continue }
      try mapInHost(&area, noReserve: false)
      state.areas.change(start) { $0.filled = area.filled }
    }
  }
  /// The end of what goes with `start..<end` when that is unmapped: the room behind a library goes with it.
  func endWithStubs(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt) -> UInt {
    guard state.areas.tree.holds(end, { $0.mapping != nil }), let area = state.areas.tree.area(at: end),
      isStubRoom(area, at: end), let library = area.mapping?.stubs,
      start <= library
    else { return end }
    return area.end
  }

  // MARK: program counters

  /// Where a guest at `counter` is, as it knows it, and what its registers need for that: nobody is shown a stub. nil: it
  /// is there. `isReturn`: a system call returns there, so in the text itself it is no springboard. `searchReturn` is
  /// `Thread.searchReturn`.
  func original(_ counter: UInt, isReturn: Bool, searchReturn: UInt) -> (
    counter: UInt, stage: IdentificationStub.Stage
  )? {
    if isReturn && !isStub(counter) { return nil }
    guard let (image, base) = lookUp(counter),
      let (distance, stage) = image.original(counter &- base, searchReturn: searchReturn &- base)
    else { return nil }
    return (distance &+ base, stage)
  }
  private func isStub(_ counter: UInt) -> Bool {
    withoutChange { state in state.areas.tree.holds(counter) { $0.mapping.map { $0.file == nil } == true } }
  }
  /// Where a guest goes on that ran at `counter` into what a patch has overwritten; nil: into nothing of that kind.
  func redirect(_ counter: UInt) -> UInt? {
    guard let (image, base) = lookUp(counter) else { return nil }
    return image.redirect(counter &- base).map { $0 &+ base }
  }
  /// The same for a breakpoint that was hit at `counter`.
  func breakpoint(_ counter: UInt) -> UInt? {
    guard let (image, base) = lookUp(counter) else { return nil }
    return image.breakpoint(counter &- base).map { $0 &+ base }
  }
  /// Whether the site at `address` calls through page 0.
  func isPageZeroCall(at address: UInt) -> Bool {
    let calls = pageZeroCalls.borrowed ?? pageZeroCalls.set(PageZeroCalls())
    if calls.with({ $0.has(address) }) { return true }
    guard let (image, base) = lookUp(address), image.isPageZeroCall(address &- base) else { return false }
    calls.with { $0.add(address) }
    return true
  }
  /// The image, and where its text's first byte is: distances are from there, wherever the counter lies.
  private func lookUp(_ counter: UInt) -> (image: ExecImage, base: UInt)? {
    withoutChange { state in
      guard let area = state.areas.tree.area(at: counter), let mapping = area.mapping, let image = mapping.image else {
        return nil
      }
      // The text's first byte: from the text by its offset, from the stubs by their distance.
      let isStub = mapping.file == nil
      let base =
        isStub
        ? area.start &- image.stubDistance : area.start &- (area.offset &- image.segment.offset)
      return (image, base)
    }
  }
}

extension Task {
  /// A system call at `site` has trapped.
  func patchCall(at site: UInt) {
    guard let space = addressSpace.borrowed else { return }
    space.with { if $0.hook.rewrites { $0.patchSite(site) } }
  }

  /// Whether a patched site that calls through page 0 returns to `next`.
  func isPatchedCall(returningTo next: UInt) -> Bool {
    guard let space = addressSpace.borrowed else { return false }
    return space.with { $0.hook == .zpoline && $0.isPageZeroCall(at: next &- 2) }
  }

  /// Before a signal's frame is made: the program counter is shown as the program knows it.
  func showOwnCounter() {
    if addressSpace.borrowed.map({ $0.with { $0.hook.rewrites } }) == true { leavePageZero() }
    guard let (counter, stage) = ownCounter(isReturn: callResult != nil), (try? settle(stage)) != nil else { return }
    setProgramCounter(counter, wasReturn: stage == .clean)
  }
  /// nil: it is the program counter.
  private func ownCounter(isReturn: Bool) -> (counter: UInt, stage: IdentificationStub.Stage)? {
    guard let space = addressSpace.borrowed, space.with({ $0.hook.rewrites }) else { return nil }
    let (counter, searchReturn) = (programCounter, searchReturn)
    return space.with { $0.original(counter, isReturn: isReturn, searchReturn: searchReturn) }
  }

  /// A fault that a patch has caused, not the program: the program counter is put right, and it goes on.
  func isPatchFault() -> Bool {
    guard fault.signal == SIGILL || fault.signal == SIGTRAP, let space = addressSpace.borrowed,
      space.with({ $0.hook.rewrites })
    else { return false }
    // Stepping through a stub is no step.
    if fault.signal == SIGTRAP && fault.code == Int32(TRAP_TRACE) {
      return pageZeroReturn != nil || ownCounter(isReturn: false) != nil
    }
    let counter = programCounter
    let target = space.with { fault.signal == SIGILL ? $0.redirect(counter) : $0.breakpoint(counter &- 1) }
    guard let target else { return false }
    setProgramCounter(target)
    return true
  }
}
