import CMachine

// Counts in the carrier's block, so that an oops, or root after a kill, knows whether a spinlock is held. The checked
// kernel keeps the ranks too: of spinlocks there, of sleeping locks with the thread.

/// Spinlocks that this carrier holds.
public var heldLocks: Int { unsafe Int(arch_carrier().pointee.locks) }

@inline(__always) func lockTaken(_ rank: LockRank) {
  let carrier = unsafe arch_carrier()
  unsafe carrier.pointee.locks &+= 1
  #if CHECKED
  let bit = UInt64(1) &<< UInt64(rank.rawValue)
  if unsafe carrier.pointee.ranks >= (rank.nests ? bit &<< 1 : bit) { lockOrderBroken(rank.name) }
  unsafe carrier.pointee.ranks |= bit
  #endif
}
@inline(__always) func lockReleased(_ rank: LockRank) {
  let carrier = unsafe arch_carrier()
  #if CHECKED
  unsafe carrier.pointee.ranks &= ~(UInt64(1) &<< UInt64(rank.rawValue))
  #endif
  unsafe carrier.pointee.locks &-= 1
}

/// Says that what follows may sleep: no spinlock may be held. Only the checked kernel looks.
@inline(__always) public func mightSleep() {
  #if CHECKED
  if heldLocks != 0 { sleepsWithLock() }
  #endif
}

/// `identity` tells one lock from another of its rank.
@inline(__always) func mutexTaken(_ rank: MutexRank, _ identity: UInt) {
  // Counted before it is acquired: a thread whose host process is killed may not begin anew while it holds one.
  if let current = unsafe arch_current() { unsafe Borrowed<Thread>(bits: current).with { $0.mutexCount &+= 1 } }
  #if CHECKED
  mightSleep()
  guard unsafe arch_current() != nil else { return }
  Thread.withCurrent { thread in
    if !thread.heldMutexes.allows(rank, identity) { lockOrderBroken(rank.name) }
    thread.heldMutexes.append(rank, identity)
  }
  #endif
}
@inline(__always) func mutexReleased(_ identity: UInt) {
  if let current = unsafe arch_current() { unsafe Borrowed<Thread>(bits: current).with { $0.mutexCount &-= 1 } }
  #if CHECKED
  guard unsafe arch_current() != nil else { return }
  Thread.withCurrent { $0.heldMutexes.remove(identity) }
  #endif
}

#if CHECKED
/// The sleeping locks that a thread holds, in the order in which it took them.
struct HeldMutexes {
  private var ranks = InlineArray<16, UInt8>(repeating: 0)
  private var identities = InlineArray<16, UInt>(repeating: 0)
  private(set) var count = 0

  /// Whether the order allows one more.
  func allows(_ rank: MutexRank, _ identity: UInt) -> Bool {
    for i in 0..<count {
      if ranks[i] > rank.rawValue || identities[i] == identity { return false }
      if ranks[i] == rank.rawValue && !rank.nests { return false }
    }
    return true
  }
  mutating func append(_ rank: MutexRank, _ identity: UInt) {
    if count == 16 { unsafe panic("sixteen sleeping locks are held") }
    ranks[count] = rank.rawValue
    identities[count] = identity
    count += 1
  }
  mutating func remove(_ identity: UInt) {
    var at = 0
    while at < count && identities[at] != identity { at += 1 }
    if at == count { unsafe panic("a sleeping lock is released that this thread does not hold") }
    count -= 1
    while at < count {
      ranks[at] = ranks[at + 1]
      identities[at] = identities[at + 1]
      at += 1
    }
  }
  func report() {
    for i in 0..<count {
      Report.write(" ")
      Report.write(MutexRank(rawValue: ranks[i])?.name ?? "?")
    }
  }
}

@inline(never) private func reportHeld() {
  Report.write("; held: spinlocks")
  let held = unsafe arch_carrier().pointee.ranks
  for i in 0..<64 where held &>> UInt64(i) & 1 != 0 {
    Report.write(" ")
    Report.write(LockRank(rawValue: UInt8(i))?.name ?? "?")
  }
  Report.write("; sleeping locks")
  if unsafe arch_current() != nil { Thread.withCurrent { $0.heldMutexes.report() } }
  Report.write("\n")
}
@inline(never) private func lockOrderBroken(_ name: StaticString) {
  Report.write("martlet: lock order: takes ")
  Report.write(name)
  reportHeld()
  unsafe panic("lock order")
}
@inline(never) private func sleepsWithLock() {
  Report.write("martlet: may sleep with a spinlock held")
  reportHeld()
  unsafe panic("sleep with a spinlock held")
}
/// On the way out to the guest.
@inline(never) func checkNothingHeld() {
  let isClean = heldLocks == 0 && Thread.withCurrent { $0.heldMutexes.count == 0 }
  if isClean { return }
  Report.write("martlet: on the way out of the kernel")
  reportHeld()
  unsafe panic("a lock is held on the way out of the kernel")
}

extension LockRank {
  fileprivate var name: StaticString {
    switch self {
    case .machine: "machine"
    case .mount: "mount"
    case .processTree: "processTree"
    case .process: "process"
    case .signals: "signals"
    case .descriptors: "descriptors"
    case .fileSystem: "fileSystem"
    case .mappings: "mappings"
    case .dentries: "dentries"
    case .file: "file"
    case .socket: "socket"
    case .poll: "poll"
    case .futex: "futex"
    case .leaf: "leaf"
    case .waitQueue: "waitQueue"
    case .epoll: "epoll"
    case .timers: "timers"
    case .allocator: "allocator"
    case .log: "log"
    case .scheduler: "scheduler"
    }
  }
}
extension MutexRank {
  fileprivate var name: StaticString {
    switch self {
    case .machine: "machine"
    case .position: "position"
    case .text: "text"
    case .binding: "binding"
    case .mount: "mount"
    case .rename: "rename"
    case .directory: "directory"
    case .inode: "inode"
    case .fileSystem: "fileSystem"
    case .epoll: "epoll"
    case .socket: "socket"
    case .pipe: "pipe"
    case .keyboard: "keyboard"
    case .screen: "screen"
    case .terminal: "terminal"
    case .file: "file"
    case .execImage: "execImage"
    case .addressSpace: "addressSpace"
    }
  }
}
#endif
