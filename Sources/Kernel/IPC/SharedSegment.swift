import CLinux
import Machine
import Synchronization

/// A System V shared memory segment: shmget(2). Its pages are a cached file's. Whoever attaches it holds a
/// `SegmentAttachment`; once removed it goes with the last.
public final class SharedSegment {
  let id: Int32
  let key: Int32
  /// As asked for; the pages are whole ones.
  let size: Int
  let file: CachedFile
  // The rest is under the table's lock.
  var uid: UInt32, gid: UInt32
  let creatorUid: UInt32, creatorGid: UInt32
  /// Permissions; SHM_DEST once it is removed, SHM_LOCKED.
  var mode: UInt32
  var attaches = 0
  var attached: FileTime?, detached: FileTime?
  var changed = FileTime.now()
  let creator: Int
  var last = 0

  init(id: Int32, key: Int32, size: Int, mode: UInt32, _ c: Credentials, creator: Int) throws(Errno) {
    self.id = id
    self.key = key
    self.size = size
    file = try CachedFile.shared(count: (size + 4095) & ~4095)
    self.mode = mode
    uid = c.euid
    gid = c.egid
    creatorUid = c.euid
    creatorGid = c.egid
    self.creator = creator
  }

  /// Whether `wanted`, bits as of `others` in the mode, are all granted (Linux's ipcperms).
  func allows(_ wanted: UInt32, _ c: Credentials) -> Bool {
    let granted =
      c.euid == uid || c.euid == creatorUid
      ? mode >> 6 : c.isIn(group: gid) || c.isIn(group: creatorGid) ? mode >> 3 : mode
    return wanted & ~granted & 7 == 0 || c.has(CAP_IPC_OWNER)
  }
  func isOwned(by c: Credentials) -> Bool { c.euid == uid || c.euid == creatorUid || c.has(CAP_SYS_ADMIN) }

  static var isDoomed: UInt32 { 0o1000 }  // SHM_DEST
  static var isLocked: UInt32 { 0o2000 }  // SHM_LOCKED
}

/// One shmat(2), in one address space; its end is the detaching.
public final class SegmentAttachment {
  let segment: SharedSegment

  init(_ segment: SharedSegment, _ process: Int) {
    self.segment = segment
    sharedSegments.with { $0.attach(segment, process) }
  }
  deinit {
    let segment = segment
    sharedSegments.with { $0.detach(segment) }
  }
}

/// All segments, by index; an id is the index and, above it, how often the index was used.
final class SharedSegments {
  private struct State: ~Copyable {
    var slots: [SharedSegment?] = []
    var uses: [Int32] = []
  }
  private let state = SpinLock(State(), rank: .leaf)
  /// SHMMNI.
  static var limit: Int { 4096 }

  private static func index(_ id: Int32) -> Int { Int(id & 0x7fff) }

  /// Errors: EINVAL.
  func find(_ id: Int32) throws(Errno) -> SharedSegment {
    let found = state.withLock { state -> SharedSegment? in
      let i = Self.index(id)
      guard id >= 0, i < state.slots.count, let segment = state.slots[i], segment.id == id else { return nil }
      return segment
    }
    guard let found else { throw .invalid }
    return found
  }
  /// For SHM_STAT, which goes by index. Errors: EINVAL.
  func find(index: Int) throws(Errno) -> SharedSegment {
    let found = state.withLock { index >= 0 && index < $0.slots.count ? $0.slots[index] : nil }
    guard let found else { throw .invalid }
    return found
  }

  /// Implements shmget(2), all in one step.
  func get(_ key: Int32, _ size: Int, _ flags: Int32, _ c: Credentials, process: Int) throws(Errno) -> Int32 {
    if key != 0,
      let found = state.withLock({ state in state.slots.first { $0?.key == key && $0?.isOpen == true } ?? nil })
    {
      if flags & 0o3000 == 0o3000 { throw .exists }  // IPC_CREAT and IPC_EXCL
      if size > found.size { throw .invalid }
      let wanted = UInt32(flags >> 6 | flags >> 3 | flags) & 7
      if !found.allows(wanted, c) { throw .access }
      return found.id
    }
    if key != 0 && flags & 0o1000 == 0 { throw .noEntry }
    guard size > 0, size < 1 << 46 else { throw .invalid }
    if flags & 0o4000 != 0 { throw .noMemory }  // SHM_HUGETLB: there are none
    let id = try state.withLock { (state) throws(Errno) -> Int32 in
      var i = 0
      while i < state.slots.count && state.slots[i] != nil { i += 1 }
      guard i < Self.limit else { throw .noSpace }
      if i == state.slots.count {
        state.slots.append(nil)
        state.uses.append(0)
      }
      state.uses[i] = (state.uses[i] + 1) & 0x7fff
      return Int32(i) | (state.uses[i] - 1) << 15
    }
    let segment = try SharedSegment(id: id, key: key, size: size, mode: UInt32(flags) & 0o777, c, creator: process)
    let isThere = state.withLock { state -> Bool in
      // Another may have taken the index or the key meanwhile.
      if state.slots[Self.index(id)] != nil { return false }
      if key != 0, state.slots.contains(where: { $0?.key == key && $0?.isOpen == true }) { return false }
      state.slots[Self.index(id)] = segment
      return true
    }
    return isThere ? id : try get(key, size, flags, c, process: process)
  }

  func attach(_ segment: SharedSegment, _ process: Int) {
    state.withLock { _ in
      segment.attaches += 1
      if process != 0 {
        segment.attached = FileTime.now()
        segment.last = process
      }
    }
  }
  func detach(_ segment: SharedSegment) {
    let process = Task.currentProcessID
    let gone = state.withLock { state -> SharedSegment? in
      segment.attaches -= 1
      segment.detached = FileTime.now()
      segment.last = process
      return removeIfUnused(&state, segment)
    }
    withExtendedLifetime(gone) {}
  }
  /// IPC_RMID.
  func remove(_ segment: SharedSegment) {
    let gone = state.withLock { state -> SharedSegment? in
      segment.mode |= SharedSegment.isDoomed
      return removeIfUnused(&state, segment)
    }
    withExtendedLifetime(gone) {}
  }
  private func removeIfUnused(_ state: inout State, _ segment: SharedSegment) -> SharedSegment? {
    let i = Self.index(segment.id)
    guard segment.attaches == 0, segment.mode & SharedSegment.isDoomed != 0, state.slots[i] === segment else {
      return nil
    }
    state.slots[i] = nil
    return segment
  }

  /// Runs `body` with the lock held, for the fields that it guards.
  func withLock<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
    try state.withLock { (_) throws(Errno) -> R in try body() }
  }
  /// How many there are, the highest index, and their pages.
  func usage() -> (count: Int, highest: Int, pages: Int, resident: Int) {
    var all: [SharedSegment] = []
    var highest = 0
    state.withLock { state in
      for (i, segment) in state.slots.enumerated() {
        guard let segment else { continue }
        all.append(segment)
        highest = i
      }
    }
    var pages = 0, resident = 0
    for segment in all {
      pages += (segment.size + 4095) >> 12
      resident += segment.file.residentPages
    }
    return (all.count, highest, pages, resident)
  }
}
extension SharedSegment {
  /// Whether its key still leads to it.
  fileprivate var isOpen: Bool { mode & Self.isDoomed == 0 }
}
let sharedSegments = KernelGlobal<SharedSegments>()
