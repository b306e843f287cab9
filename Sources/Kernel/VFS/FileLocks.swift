import CLinux
import Machine

/// What a lock belongs to: fcntl(2)'s to a descriptor table (Linux's files_struct), F_OFD_*'s and flock(2)'s to an open
/// file description.
struct LockOwner: Equatable {
  let identity: UInt
  /// For F_GETLK: the process, -1 for descriptions.
  let pid: Int32
  static func == (a: LockOwner, b: LockOwner) -> Bool { a.identity == b.identity }
}

/// A lock on the bytes `start...end`.
struct RangeLock {
  let owner: LockOwner
  var start: Int, end: Int
  var isWrite: Bool
  func overlaps(_ other: RangeLock) -> Bool { start <= other.end && other.start <= end }
}

/// The locks on one file. All files' are under one lock, that of `LockTable`, so that deadlocks are seen.
final class FileLocks {
  var ranges: [RangeLock] = []
  var whole: [RangeLock] = []  // flock(2): these and `ranges` do not know of each other
  let queue = WaitQueue()

  func conflict(_ lock: RangeLock, isWhole: Bool) -> RangeLock? {
    for other in isWhole ? whole : ranges where other.owner != lock.owner && other.overlaps(lock) {
      if lock.isWrite || other.isWrite { return other }
    }
    return nil
  }
  /// Takes the owner's locks off `start...end`, and puts `lock` there if it is given.
  func replace(_ owner: LockOwner, _ start: Int, _ end: Int, _ lock: RangeLock?) {
    var new: [RangeLock] = []
    for other in ranges {
      if other.owner != owner || other.end < start || other.start > end {
        new.append(other)
        continue
      }
      if other.start < start {
        var part = other
        part.end = start - 1
        new.append(part)
      }
      if other.end > end {
        var part = other
        part.start = end + 1
        new.append(part)
      }
    }
    if var lock {
      // Neighbours of the same kind become one.
      new.removeAll { other in
        guard other.owner == owner, other.isWrite == lock.isWrite else { return false }
        if lock.start > 0 && other.end == lock.start - 1 {
          lock.start = other.start
          return true
        }
        if other.start > 0 && other.start - 1 == lock.end {
          lock.end = other.end
          return true
        }
        return false
      }
      new.append(lock)
    }
    ranges = new
  }
}

/// One lock for all file locks, and who waits for whom.
final class LockTable {
  struct Waiter {
    let owner: LockOwner, blocker: LockOwner
  }
  let state = SpinLock<[Waiter]>([], rank: .file)

  /// The locks on `inode`, made when first needed.
  func locks(of inode: Inode) -> FileLocks {
    state.withLock { _ in
      if let locks = inode.locks { return locks }
      let new = FileLocks()
      inode.locks = new
      return new
    }
  }

  /// Takes `lock`; with `waits` sleeps until it can. Errors: EAGAIN, EDEADLK, `.restart`, ENOLCK.
  func acquire(_ inode: Inode, _ lock: RangeLock, isWhole: Bool, waits: Bool) throws(Errno) {
    try MemoryBound.check(256, or: Errno(ENOLCK))
    let locks = locks(of: inode)
    if try attempt(locks, lock, isWhole, waits) { return }
    if !waits { throw .wouldBlock }
    defer { forget(lock.owner) }
    try locks.queue.wait { () throws(Errno) -> Bool in try attempt(locks, lock, isWhole, true) }
  }
  private func attempt(_ locks: FileLocks, _ lock: RangeLock, _ isWhole: Bool, _ waits: Bool) throws(Errno) -> Bool {
    try state.withLock { (waiters) throws(Errno) -> Bool in
      waiters.removeAll { $0.owner == lock.owner && !isWhole }
      if let blocker = locks.conflict(lock, isWhole: isWhole) {
        if waits && !isWhole && lock.owner.pid != -1 {
          var at = blocker.owner
          for _ in 0..<10 {
            if at == lock.owner { throw .deadlock }
            guard let next = waiters.first(where: { $0.owner == at }) else { break }
            at = next.blocker
          }
          waiters.append(Waiter(owner: lock.owner, blocker: blocker.owner))
        }
        return false
      }
      if isWhole {
        locks.whole.removeAll { $0.owner == lock.owner }
        locks.whole.append(lock)
      } else {
        locks.replace(lock.owner, lock.start, lock.end, lock)
      }
      return true
    }
  }
  private func forget(_ owner: LockOwner) { state.withLock { $0.removeAll { $0.owner == owner } } }

  func release(_ inode: Inode, _ owner: LockOwner, _ start: Int, _ end: Int) {
    let locks = locks(of: inode)
    state.withLock { _ in locks.replace(owner, start, end, nil) }
    locks.queue.wakeAll()
  }
  func releaseWhole(_ inode: Inode, _ owner: LockOwner) {
    let locks = locks(of: inode)
    state.withLock { _ in locks.whole.removeAll { $0.owner == owner } }
    locks.queue.wakeAll()
  }
  /// Everything that `owner` has on `inode`.
  func releaseAll(_ inode: Inode, _ identity: UInt) {
    guard let locks = inode.locks else { return }
    state.withLock { _ in
      locks.ranges.removeAll { $0.owner.identity == identity }
      locks.whole.removeAll { $0.owner.identity == identity }
    }
    locks.queue.wakeAll()
  }
  func conflict(_ inode: Inode, _ lock: RangeLock) -> RangeLock? {
    guard let locks = inode.locks else { return nil }
    return state.withLock { _ in locks.conflict(lock, isWhole: false) }
  }
}
let fileLocks = KernelGlobal<LockTable>()

extension Inode {
  /// close(2) of a descriptor of the table `owner`, or the end of the description `owner`.
  func releaseLocks(ofOwner owner: UInt) { fileLocks.with { $0.releaseAll(self, owner) } }
}
