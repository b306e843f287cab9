import CLinux
import CMachine
import Synchronization

/// Address spaces without a user. Root's main thread makes some ahead, with nothing in them but the kernel's ranges;
/// recycled ones join them, in which a program's text may have stayed. All under the scheduler's lock.
public enum SpacePool {
  static var target: Int { 4 }
  /// With those in which something stays.
  public static var capacity: Int { 12 }  // as `pooledSpaces`

  /// One with nothing in it, else the one that has been there longest.
  static func take() -> HostSpace? {
    if unsafe pooledCount == 0 { return nil }
    return take(at: index(label: 0) ?? 0)
  }
  static func take(label: UInt64) -> HostSpace? { index(label: label).map { take(at: $0) } }

  private static func index(label: UInt64) -> Int? {
    for i in 0..<(unsafe pooledCount) where unsafe pooledLabels[i] == label { return i }
    return nil
  }
  /// Its count, the pool's, goes to the caller.
  private static func take(at i: Int) -> HostSpace {
    let found = unsafe pooledSpaces[i].unsafelyUnwrapped
    remove(at: i)
    let space = found.object
    found.release()
    space.isWiped = false
    return space
  }
  private static func remove(at i: Int) {
    unsafe pooledCount &-= 1
    for at in i..<(unsafe pooledCount) {
      unsafe pooledSpaces[at] = pooledSpaces[at &+ 1]
      unsafe pooledLabels[at] = pooledLabels[at &+ 1]
    }
    unsafe pooledSpaces[pooledCount] = nil
  }
  /// With a count of the pool's.
  static func append(_ space: HostSpace) {
    unsafe pooledSpaces[pooledCount] = Borrowed(space)
    unsafe pooledLabels[pooledCount] = space.label
    unsafe pooledCount &+= 1
  }

  /// Whether one that is wiped now may find room; a guess, without the lock.
  static var hasRoom: Bool { unsafe pooledCount < target }
  /// Takes a wiped space in. Returns false where there are enough. One in which something stays takes the place of the
  /// one that has been there longest.
  static func put(_ space: HostSpace) -> Bool {
    if unsafe pooledCount >= (space.label == 0 ? target : capacity) {
      guard space.label != 0, let oldest = unsafe pooledSpaces[0] else { return false }
      remove(at: 0)
      oldest.with { $0.end() }
      oldest.release()  // the table has a count too
    }
    Borrowed(space).retain()
    append(space)
    if waitingForSpaces.load(ordering: .sequentiallyConsistent) != 0 {
      // The waiters' queue ranks below the scheduler's lock, which is held: root's main thread wakes them.
      unsafe arch_store32(machine_space_requests(), 1)
      unsafe hostFutexWake(machine_space_requests())
    }
    return true
  }
  /// After its process died.
  static func forget(_ space: HostSpace) {
    for i in 0..<(unsafe pooledCount) where unsafe pooledSpaces[i].map({ $0 == space }) == true {
      remove(at: i)
      Borrowed(space).release()
      return
    }
  }
}
// Beside each other: who looks for one by its label touches no other.
nonisolated(unsafe) private var pooledSpaces: InlineArray<12, Borrowed<HostSpace>?> = InlineArray(repeating: nil)
nonisolated(unsafe) private var pooledLabels: InlineArray<12, UInt64> = InlineArray(repeating: 0)
nonisolated(unsafe) private(set) var pooledCount = 0
nonisolated(unsafe) var spaceWaiters: WaitQueue! = nil  // SAFETY: written at boot

/// Every living space by its host process, for the reaper: chains, each member with a count of the table's own.
/// Under the scheduler's lock.
enum SpaceTable {
  private static func bucket(_ process: Int32) -> Int { Int(process) & (spaceBuckets.count - 1) }

  /// Returns false where the process is dead already: killed before its parent could enter it.
  static func insert(_ space: HostSpace) -> Bool {
    for i in 0..<8 where unsafe stillborn[i] == space.hostProcess {
      unsafe stillborn[i] = 0
      space.isDead = true
      return false
    }
    Borrowed(space).retain()
    let i = bucket(space.hostProcess)
    unsafe space.tableNext = spaceBuckets[i]
    unsafe spaceBuckets[i] = Borrowed(space)
    return true
  }
  /// A process that ended before it was in the table.
  static func noteStillborn(_ process: Int32) {
    unsafe stillborn[Int(process) & 7] = process
  }
  /// Takes the space of `process` out; the table's count goes to the caller.
  static func remove(_ process: Int32) -> Borrowed<HostSpace>? {
    let i = bucket(process)
    var before: Borrowed<HostSpace>?
    var at = unsafe spaceBuckets[i]
    while let here = at {
      let next = here.with { $0.tableNext }
      if here.with({ $0.hostProcess == process }) {
        if let before { before.with { $0.tableNext = next } } else { unsafe spaceBuckets[i] = next }
        return here
      }
      before = here
      at = next
    }
    return nil
  }
}
nonisolated(unsafe) private var stillborn: InlineArray<8, Int32> = InlineArray(repeating: 0)
nonisolated(unsafe) var spaceBuckets: InlineArray<512, Borrowed<HostSpace>?> = InlineArray(repeating: nil)

extension HostSpace {
  /// A fresh address space for exec: from the pool, or after root's main thread has made one. Something may have stayed in
  /// it: see `unmapKept`. Errors: EAGAIN where the host makes no more processes; `.restart` where the task is killed
  /// meanwhile.
  public static func fresh() throws(Errno) -> HostSpace {
    var found: HostSpace?
    Scheduler.lock()
    found = SpacePool.take()
    let isLow = unsafe pooledCount < SpacePool.target / 2
    Scheduler.unlock()
    if let found {
      if isLow { requestSpaces() }  // else the ones that end come back
      return found
    }
    let waiters = unsafe spaceWaiters.unsafelyUnwrapped
    unsafe spaceFailure = 0
    waitingForSpaces.add(1, ordering: .sequentiallyConsistent)
    defer { waitingForSpaces.subtract(1, ordering: .sequentiallyConsistent) }
    try waiters.wait(.killable) { () throws(Errno) in
      Scheduler.lock()
      found = SpacePool.take()
      Scheduler.unlock()
      if found != nil { return true }
      if unsafe spaceFailure != 0 { throw .wouldBlock }
      requestSpaces()
      return false
    }
    return found.unsafelyUnwrapped
  }

  /// Copies the address space that the caller runs in to a new process (the host's fork); `child` will run there. The
  /// caller holds the lock that keeps its mappings as they are. Errors: EAGAIN, ENOMEM.
  public static func fork(for child: Thread) throws(Errno) -> HostSpace {
    let space = child.withArena { HostSpace(isRoot: false) }
    Scheduler.lock()
    let carrier = CarrierSlots.take()
    Scheduler.unlock()
    guard let carrier = unsafe carrier else { throw .wouldBlock }
    unsafe carrier.pointee.space = Borrowed(space).bits
    let result = unsafe spawn(carrier, .process)
    Scheduler.lock()
    defer { Scheduler.unlock() }
    if let error = HostError(result) {
      unsafe CarrierSlots.free(carrier)
      throw error.guest
    }
    unsafe space.adopt(carrier)
    space.hostProcess = Int32(truncatingIfNeeded: result)
    guard SpaceTable.insert(space) else {
      space.freeCarriers()
      throw .wouldBlock
    }
    noteChild()
    return space
  }

  /// Back-pressure: waits while too many host processes are being torn down. Errors: `.restart` where the task is killed.
  public static func waitForRoom() throws(Errno) {
    if dyingSpaces.load(ordering: .relaxed) < 64 { return }
    try unsafe spaceWaiters.unsafelyUnwrapped.wait(.killable) { () throws(Errno) in
      dyingSpaces.load(ordering: .sequentiallyConsistent) < 32
    }
  }

  /// Makes one more carrier in the address space that the caller runs in, for a vCPU that wants one.
  func addCarrier() {
    Scheduler.lock()
    wantsCarrier = false
    let isWanted = carrierCount < Processor.count && !isDying
    let old = isWanted ? unsafe retiredCarrier : nil
    if let old = unsafe old { unsafe CarrierSlots.renew(old) }
    let carrier = isWanted ? unsafe old ?? CarrierSlots.take() : nil
    if let carrier = unsafe carrier { unsafe carrier.pointee.retired = 1 }  // nobody's to use until it is there
    Scheduler.unlock()
    guard let carrier = unsafe carrier else { return }
    unsafe carrier.pointee.space = Borrowed(self).bits
    let result = unsafe spawn(carrier, .thread)
    Scheduler.lock()
    if result >= 0 {
      unsafe carrier.pointee.retired = 0
      if unsafe old == nil { unsafe adopt(carrier) } else { carrierCount &+= 1 }
    } else if unsafe old == nil {
      unsafe CarrierSlots.free(carrier)  // EAGAIN: its tasks stay on the vCPUs that have one
    } else {
      unsafe carrier.pointee.exists = 0
    }
    Scheduler.unlock()
    if result >= 0 { unsafe kickIdle() }
  }

  /// The one in the pool where `label` says what stays mapped; nil: there is none any more.
  public static func recycled(label: UInt64) -> HostSpace? {
    Scheduler.lock()
    defer { Scheduler.unlock() }
    let found = SpacePool.take(label: label)
    found?.label = 0
    return found
  }

  /// Unmaps what has stayed from an earlier use of the address space, which the calling thread runs in.
  public func unmapKept() throws(Errno) {
    if label == 0 { return }
    label = 0
    try HostMemory.wipe()
  }

  /// Wipes the address space that the caller, its last thread, runs in, but for `kept`, which `label` stands for; when the
  /// caller leaves it, it serves again. Where there are enough it is left to the end of its process. Returns whether it
  /// serves again.
  @discardableResult
  public func wipeForReuse(keeping kept: KeptRanges = KeptRanges(), label: UInt64 = 0) -> Bool {
    guard label != 0 || SpacePool.hasRoom else { return false }
    do throws(Errno) {
      try HostMemory.wipe(keeping: kept)
      self.label = label
      isWiped = true
    } catch {
      isWiped = false
    }
    return isWiped
  }

  /// Runs `body` inside this address space, on the calling thread, which hops over and back. What `body` sees is this
  /// space's guest memory. Errors: ESRCH where its process is gone, and what `body` throws.
  public func run<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
    let home = Thread.withCurrent { $0.space }
    if home === self { return try body() }
    guard Scheduler.visit(self) else { throw .noProcess }
    defer { Scheduler.goHome(home) }
    return try body()
  }
}

/// Has root's main thread fill the pool. On a vCPU.
func requestSpaces() {
  SpaceMaker.stock()
  unsafe arch_store32(machine_space_requests(), 1)
  unsafe hostFutexWake(machine_space_requests())
}
nonisolated(unsafe) var spaceFailure = 0
let waitingForSpaces = Atomic<Int>(0)
/// Spaces whose process is on its way out and not reaped yet.
let dyingSpaces = Atomic<Int>(0)

/// Somebody may have work that an idle vCPU could steal.
func kickIdle() {
  for id in 0..<Processor.count {
    let vcpu = unsafe machine_vcpu_at(UInt32(id))
    if unsafe vcpu.pointee.idle != 0 {
      unsafe kick(vcpu)
      return
    }
  }
}

extension Scheduler {
  /// Hops to `space`, which keeps the home's count. Returns false where it is dead.
  fileprivate static func visit(_ space: HostSpace) -> Bool {
    let current = Thread.current
    Arena.leave()
    return current.with { thread in
      lock()
      if space.isDead || space.isDying {
        unlock()
        return false
      }
      thread.space.users &+= 1  // the home lives on without a thread of its own in its list
      thread.space.remove(thread)
      space.add(thread)
      hop(current)
      return true
    }
  }
  fileprivate static func goHome(_ home: HostSpace) {
    let current = Thread.current
    Arena.leave()
    current.with { thread in
      lock()
      thread.space.remove(thread)
      if home.isDead {  // killed meanwhile: the rest happens on root's carrier
        home.users &-= 1
        unsafe rootSpace.unsafelyUnwrapped.add(thread)
        thread.interruption.bitwiseOr(Interruption.kill | Interruption.lostSpace, ordering: .sequentiallyConsistent)
      } else {
        home.add(thread)
        home.users &-= 1
      }
      hop(current)
    }
  }
}
