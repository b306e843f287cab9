import CLinux
import Machine

/// shmget(2).
func sysShmget(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let id = try task.credentials.borrowed.with { (c) throws(Errno) -> Int32 in
    try sharedSegments.with { (s) throws(Errno) -> Int32 in
      try s.get(args.i0, args.a1, args.i2, c, process: task.process.id)
    }
  }
  return .value(Int(id))
}

/// shmat(2).
func sysShmat(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let isReadOnly = args.i2 & 0o10000 != 0  // SHM_RDONLY
  var address = UInt(bitPattern: args.a1)
  if address & 4095 != 0 {
    guard args.i2 & 0o20000 != 0 else { throw .invalid }  // SHM_RND
    address &= ~4095
    if address == 0 && args.i2 & 0o40000 != 0 { throw .invalid }
  }
  if address == 0 && args.i2 & 0o40000 != 0 { throw .invalid }  // SHM_REMAP
  let segment = try sharedSegments.with { (s) throws(Errno) in try s.find(args.i0) }
  var protection = isReadOnly ? PROT_READ : PROT_READ | PROT_WRITE
  if args.i2 & 0o100000 != 0 { protection |= PROT_EXEC }  // SHM_EXEC
  // PROT_READ and PROT_WRITE are the mode's bits the other way round.
  let wanted: UInt32 = (isReadOnly ? 4 : 6) | (protection & PROT_EXEC != 0 ? 1 : 0)
  guard task.credentials.borrowed.with({ segment.allows(wanted, $0) }) else { throw .access }
  var request = MapRequest(
    address: address, count: UInt((segment.size + 4095) & ~4095), protection: protection, flags: MAP_SHARED)
  request.segment = SegmentAttachment(segment, task.process.id)
  if address != 0 { request.flags |= args.i2 & 0o40000 != 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE }
  do throws(Errno) {
    return .value(
      Int(bitPattern: try task.withAddressSpace { (s) throws(Errno) in try s.map(request, limits: task.memoryLimits) }))
  } catch {
    throw error == .exists ? .invalid : error
  }
}

/// shmdt(2).
func sysShmdt(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in try s.detachSegment(UInt(bitPattern: args.a0)) }
  return .value(0)
}

/// shmctl(2).
func sysShmctl(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let command = args.i1 & ~0x100  // IPC_64
  let out = UInt(bitPattern: args.a2)
  switch command {
  case 3, 14:  // IPC_INFO, SHM_INFO
    return .value(try copyInformation(command, out))
  case 2, 13, 15:  // IPC_STAT, SHM_STAT, SHM_STAT_ANY
    let segment = try sharedSegments.with { (s) throws(Errno) in
      try command == 2 ? s.find(args.i0) : s.find(index: Int(args.i0))
    }
    if command != 15, !task.credentials.borrowed.with({ segment.allows(4, $0) }) { throw .access }
    try UserPointer<shmid64_ds>(out).copyOut(status(segment))
    return .value(command == 2 ? 0 : Int(segment.id))
  default: break
  }
  let segment = try sharedSegments.with { (s) throws(Errno) in try s.find(args.i0) }
  let isOwner = task.credentials.borrowed.with { segment.isOwned(by: $0) }
  switch command {
  case 0:  // IPC_RMID
    if !isOwner { throw .notPermitted }
    sharedSegments.with { $0.remove(segment) }
  case 1:  // IPC_SET
    let new = try UserPointer<shmid64_ds>(out).copyIn()
    if !isOwner { throw .notPermitted }
    try sharedSegments.with { (s) throws(Errno) in
      try s.withLock { () throws(Errno) in
        segment.uid = new.shm_perm.uid
        segment.gid = new.shm_perm.gid
        segment.mode = segment.mode & ~0o777 | UInt32(new.shm_perm.mode) & 0o777
        segment.changed = FileTime.now()
      }
    }
  case 11, 12:  // SHM_LOCK, SHM_UNLOCK
    if !isOwner && !task.credentials.borrowed.with({ $0.has(CAP_IPC_LOCK) }) { throw .notPermitted }
    try sharedSegments.with { (s) throws(Errno) in
      try s.withLock { () throws(Errno) in
        let bit = SharedSegment.isLocked
        segment.mode = command == 11 ? segment.mode | bit : segment.mode & ~bit
      }
    }
  default: throw .invalid
  }
  return .value(0)
}

private func status(_ segment: SharedSegment) throws(Errno) -> shmid64_ds {
  try sharedSegments.with { (s) throws(Errno) in
    try s.withLock { () throws(Errno) -> shmid64_ds in
      var result = shmid64_ds()
      result.shm_perm.key = segment.key
      result.shm_perm.uid = segment.uid
      result.shm_perm.gid = segment.gid
      result.shm_perm.cuid = segment.creatorUid
      result.shm_perm.cgid = segment.creatorGid
      result.shm_perm.mode = __kernel_mode_t(truncatingIfNeeded: segment.mode)
      result.shm_perm.seq = UInt16(truncatingIfNeeded: segment.id >> 15)
      result.shm_segsz = UInt(segment.size)
      result.shm_atime = segment.attached?.seconds ?? 0
      result.shm_dtime = segment.detached?.seconds ?? 0
      result.shm_ctime = segment.changed.seconds
      result.shm_cpid = Int32(truncatingIfNeeded: segment.creator)
      result.shm_lpid = Int32(truncatingIfNeeded: segment.last)
      result.shm_nattch = UInt(segment.attaches)
      return result
    }
  }
}

/// Returns the highest index in use.
private func copyInformation(_ command: Int32, _ out: UInt) throws(Errno) -> Int {
  let usage = sharedSegments.with { $0.usage() }
  let words: [UInt] =
    command == 3
    ? [
      UInt.max - (1 << 24), 1, UInt(SharedSegments.limit), UInt(SharedSegments.limit), UInt.max - (1 << 24), 0, 0, 0, 0,
    ]
    : [UInt(usage.count), UInt(usage.pages), UInt(usage.resident), 0, 0, 0]
  try UserPointer<UInt>(out).copyOut(words)
  return usage.highest
}

extension AddressSpace {
  /// Takes out all parts of the segment that was attached at `address`. Errors: EINVAL.
  func detachSegment(_ address: UInt) throws(Errno) {
    guard AddressLayout.isAligned(address) else { throw .invalid }
    try withMemory { (state) throws(Errno) in
      var found: SegmentAttachment?
      var parts: [(UInt, UInt)] = []
      state.areas.tree.forEach(from: address) { area in
        guard let attachment = area.mapping?.attachment, area.start &- area.offset == address else { return }
        if found == nil { found = attachment }
        if found === attachment { parts.append((area.start, area.end)) }
      }
      if parts.isEmpty { throw .invalid }
      for (start, end) in parts { try clear(&state, start, end) }
    }
  }
}
