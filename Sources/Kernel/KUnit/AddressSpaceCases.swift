import CLinux
import Machine
import Synchronization

/// A kernel thread that runs in an address space of its own, with that space's page faults.
private final class GuestThread: Thread {
  let space0: AddressSpace
  let body: (AddressSpace) throws(Errno) -> Void
  let done: TestCounters
  let k: KUnit

  init(_ k: KUnit, _ done: TestCounters, _ body: @escaping (AddressSpace) throws(Errno) -> Void) throws(Errno) {
    self.k = k
    self.done = done
    self.body = body
    space0 = AddressSpace(host: try HostSpace.fresh(), hook: .ofMachine)
    try super.init(space: HostSpace.root, isGuest: false)
  }
  override func begin() {
    Scheduler.move(to: space0.host)
    do throws(Errno) { try body(space0) } catch { k.expect(false, "errno \(error.number)") }
    space0.leave()
    done.a.add(1, ordering: .sequentiallyConsistent)
    done.queueA.wakeAll()
  }
  override func resolveFault(at address: UInt, isWrite: Bool, isExecute: Bool) -> Bool {
    let outcome = space0.resolveFault(
      at: address, isWrite: isWrite, isExecute: isExecute, limits: MemoryLimits(), mayRetry: false)
    if case .resolved = outcome { return true }
    return false
  }
}

func inSpace(_ k: KUnit, _ body: @escaping (AddressSpace) throws(Errno) -> Void) {
  if !hasAddressSpaces { return }
  let done = TestCounters()
  do throws(Errno) {
    let thread = try GuestThread(k, done, body)
    thread.prepareToStart()
    Scheduler.start(thread)
    try done.queueA.wait(.uninterruptible, until: .after(nanoseconds: 20_000_000_000)) { () throws(Errno) in
      done.a.load(ordering: .acquiring) == 1
    }
  } catch {
    k.expect(false, "errno \(error.number)")
  }
}

func isFault(_ body: () throws(Errno) -> Void) -> Bool {
  do throws(Errno) {
    try body()
    return false
  } catch {
    return error == .fault
  }
}

/// Anonymous memory: map, protect, cut, the heap, the stack.
func memoryAnonymous(_ k: KUnit) {
  inSpace(k) { (space) throws(Errno) in
    let limits = MemoryLimits()
    let rw = PROT_READ | PROT_WRITE
    let a = try space.map(
      MapRequest(count: 0x10000, protection: rw, flags: MAP_PRIVATE | MAP_ANONYMOUS), limits: limits)
    let words = UserPointer<Int>(a)
    try words.copyOut(5)
    k.expect(try words.copyIn() == 5, "what was written")
    try space.protect(a, 4096, PROT_READ, limits: limits)
    k.expect(isFault { () throws(Errno) in try words.copyOut(6) }, "a page that may only be read")
    try space.unmap(a + 0x4000, 0x4000)
    k.expect(isFault { () throws(Errno) in _ = try UserPointer<Int>(a + 0x5000).copyIn() }, "a hole")
    try UserPointer<Int>(a + 0x8000).copyOut(7)
    space.withoutChange { state in
      k.expect(state.areas.count == 3, "areas: \(state.areas.count)")
      k.expect(state.areas.totals.total == 12, "pages")
      k.expect(state.areas.tree.isSound(), "tree")
      state.breakStart = 0x60_0000
      state.breakEnd = 0x60_0000
    }
    k.expect(space.setBreak(0x60_1800, limits: limits) == 0x60_1800, "brk")
    try UserPointer<Int>(0x60_1ff0).copyOut(1)
    k.expect(isFault { () throws(Errno) in try UserPointer<Int>(0x60_2000).copyOut(1) }, "beyond brk")
    let stack = try space.makeStack(
      Placement(isRandom: true), room: 8 << 20, size: 4096, isExecutable: false, limits: limits
    ).upperBound
    try UserPointer<Int>(stack - (1 << 20)).copyOut(9)
    k.expect(isFault { () throws(Errno) in try UserPointer<Int>(stack - (9 << 20)).copyOut(1) }, "stack overflow")
  }
}

/// Cached files: filling, sharing, private copies, the end, truncation.
func memoryCached(_ k: KUnit) {
  inSpace(k) { (space) throws(Errno) in
    let limits = MemoryLimits()
    let file = try CachedFile.shared(count: 40 << 12)
    _ = try file.makeResident(1)
    var shared = Area(
      start: 0x7000_1000_0000, end: 0x7000_1003_2000, flags: [.read, .write, .shared, .mayRead, .mayWrite], offset: 0,
      mapping: FileMapping(space: space, file: nil, object: .cached(file), isWritable: true))
    var copy = Area(
      start: 0x7000_2000_0000, end: 0x7000_2002_8000, flags: [.read, .write, .mayRead, .mayWrite], offset: 0,
      mapping: FileMapping(space: space, file: nil, object: .cached(file), isWritable: true))
    try space.withState { (state) throws(Errno) in
      try space.put(&state, &shared, limits: limits, noReserve: false)
      try space.put(&state, &copy, limits: limits, noReserve: false)
    }
    for page in 0..<40 { try UserPointer<Int>(shared.start + UInt(page) << 12).copyOut(page * 3) }
    k.expect(file.residentPages == 40, "resident \(file.residentPages)")
    for page in 0..<40 {
      k.expect(try UserPointer<Int>(copy.start + UInt(page) << 12).copyIn() == page * 3, "same page")
    }
    try UserPointer<Int>(copy.start + 5 << 12).copyOut(-1)
    k.expect(try UserPointer<Int>(shared.start + 5 << 12).copyIn() == 15, "a private copy")
    k.expect(
      isFault { () throws(Errno) in _ = try UserPointer<Int>(shared.start + 41 << 12).copyIn() }, "beyond the end")
    try space.protect(shared.start, 8 << 12, PROT_READ, limits: limits)
    k.expect(isFault { () throws(Errno) in try UserPointer<Int>(shared.start).copyOut(1) }, "protected")
    try space.protect(shared.start, 8 << 12, PROT_READ | PROT_WRITE, limits: limits)
    file.truncate(to: 3 << 12)
    k.expect(isFault { () throws(Errno) in _ = try UserPointer<Int>(copy.start + 5 << 12).copyIn() }, "truncated")
    k.expect(file.residentPages == 3, "discarded")
    file.setSize(40 << 12)
    k.expect(try UserPointer<Int>(copy.start + 5 << 12).copyIn() == 0, "grown again")
    try space.unmap(shared.start, shared.count)
    try space.unmap(copy.start, copy.count)
    k.expect(file.mappings.isEmpty, "nobody maps it")
  }
}

/// Whether what leaves the tree is freed.
func memoryFreed(_ k: KUnit) {
  inSpace(k) { (space) throws(Errno) in
    func make() throws(Errno) -> FileMapping {
      FileMapping(space: space, file: nil, object: .cached(try CachedFile.shared(count: 16 << 12)), isWritable: true)
    }
    func area(_ m: FileMapping) -> Area {
      Area(start: 0x7000_1000_0000, end: 0x7000_1001_0000, flags: [.read, .write, .shared], offset: 0, mapping: m)
    }
    let m = try make()
    let base = referenceCount(m)
    var tree = AreaTree()
    try tree.insert(area(m))
    k.expect(referenceCount(m) > base, "counted")
    tree.remove(0x7000_1000_0000)
    k.expect(referenceCount(m) == base, "tree: \(referenceCount(m) - base)")
    let m2 = try make()
    var map = AreaMap()
    try map.add(area(m2))
    try map.clear(0, .max)
    _ = map.dropped.take()
    k.expect(referenceCount(m2) == base, "map: \(referenceCount(m2) - base)")
    let before = liveObjects()
    for _ in 0..<100 {
      let at = try space.map(
        MapRequest(count: 8192, protection: PROT_READ, flags: MAP_SHARED | MAP_ANONYMOUS), limits: MemoryLimits())
      try space.unmap(at, 8192)
    }
    k.expect(liveObjects() - before < 20, "objects: \(liveObjects() - before)")
  }
}
