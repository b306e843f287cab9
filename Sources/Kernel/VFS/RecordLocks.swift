import CLinux
import Machine

/// F_GETLK, F_SETLK, F_SETLKW and F_OFD_*: fcntl_locking(2).
enum RecordLocks {
  /// Errors: EAGAIN, EDEADLK, EBADF, EINVAL, EOVERFLOW, EFAULT, `.restart`.
  static func perform(_ task: Task, _ file: File, _ command: Int32, _ pointer: UserPointer<linux_flock>) throws(Errno) {
    var lock = try pointer.copyIn()
    let isDescription = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW
    if isDescription && lock.l_pid != 0 { throw .invalid }
    let identity = isDescription ? Borrowed(file).identity : task.table.identity
    let owner = LockOwner(identity: identity, pid: isDescription ? -1 : Int32(truncatingIfNeeded: task.process.id))
    let type = Int32(lock.l_type)
    guard type == F_RDLCK || type == F_WRLCK || type == F_UNLCK else { throw .invalid }
    let (start, end) = try range(lock, file)
    let range = RangeLock(owner: owner, start: start, end: end, isWrite: type == F_WRLCK)

    if command == F_GETLK || command == F_OFD_GETLK {
      if type == F_UNLCK && !isDescription { throw .invalid }
      if let other = fileLocks.with({ $0.conflict(file.inode, range) }) {
        lock.l_type = Int16(other.isWrite ? F_WRLCK : F_RDLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = other.start
        lock.l_len = other.end == .max ? 0 : other.end - other.start + 1
        lock.l_pid = other.owner.pid
      } else {
        lock.l_type = Int16(F_UNLCK)
      }
      try pointer.copyOut(lock)
      return
    }
    if type == F_UNLCK {
      if file.inode.locks != nil { fileLocks.with { $0.release(file.inode, owner, start, end) } }
      return
    }
    guard type == F_RDLCK ? file.isReadable : file.isWritable else { throw .badDescriptor }
    let waits = command == F_SETLKW || command == F_OFD_SETLKW
    try fileLocks.with { (table) throws(Errno) in try table.acquire(file.inode, range, isWhole: false, waits: waits) }
    // A lock that shrank or changed kind may let others in.
    file.inode.locks?.queue.wakeAll()
  }

  private static func range(_ lock: linux_flock, _ file: File) throws(Errno) -> (Int, Int) {
    let base: Int
    switch Int32(lock.l_whence) {
    case SEEK_SET: base = 0
    case SEEK_CUR: base = file.position
    case SEEK_END: base = file.inode.size
    default: throw .invalid
    }
    let (start, overflow) = base.addingReportingOverflow(Int(lock.l_start))
    if overflow { throw .overflow }
    if start < 0 { throw .invalid }
    let count = Int(lock.l_len)
    if count == 0 { return (start, .max) }
    if count > 0 {
      let (end, overflow) = start.addingReportingOverflow(count - 1)
      if overflow { throw .overflow }
      return (start, end)
    }
    let (first, under) = start.addingReportingOverflow(count)
    if under || first < 0 { throw .invalid }
    return (first, start - 1)
  }
}

/// flock(2).
enum WholeFileLocks {
  /// Errors: EWOULDBLOCK, EINVAL, `.restart`.
  static func perform(_ file: File, _ operation: Int32) throws(Errno) {
    let owner = LockOwner(identity: Borrowed(file).identity, pid: -1)
    let waits = operation & LOCK_NB == 0
    switch operation & ~LOCK_NB {
    case LOCK_UN:
      if file.inode.locks != nil { fileLocks.with { $0.releaseWhole(file.inode, owner) } }
    case LOCK_SH, LOCK_EX:
      let isWrite = operation & ~LOCK_NB == LOCK_EX
      // A change of kind gives the old lock up first, as on Linux.
      if let locks = file.inode.locks, locks.whole.contains(where: { $0.owner == owner && $0.isWrite != isWrite }) {
        fileLocks.with { $0.releaseWhole(file.inode, owner) }
      }
      let lock = RangeLock(owner: owner, start: 0, end: .max, isWrite: isWrite)
      try fileLocks.with { (table) throws(Errno) in try table.acquire(file.inode, lock, isWhole: true, waits: waits) }
    default: throw .invalid
    }
  }
}
