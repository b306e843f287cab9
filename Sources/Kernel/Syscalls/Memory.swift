import CLinux
import Machine

extension Task {
  /// Runs `body` on the address space; a task that makes system calls has one.
  @inline(__always)
  func withAddressSpace<R: ~Copyable>(_ body: (AddressSpace) throws(Errno) -> R) throws(Errno) -> R {
    guard let space = addressSpace.borrowed else { throw .fault }
    return try space.with(body)
  }
}

/// mmap(2).
func sysMmap(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = args.i3
  let offset = UInt(bitPattern: args.a5)
  guard offset & 4095 == 0 else { throw .invalid }
  var request = MapRequest(
    address: UInt(bitPattern: args.a0), count: UInt(bitPattern: args.a1), protection: args.i2, flags: flags)
  if flags & MAP_ANONYMOUS == 0 {
    guard let files = task.files.borrowed, let file = files.with({ $0.file(Int(args.i4)) }) else {
      throw .badDescriptor
    }
    if file.flags & O_PATH != 0 { throw .badDescriptor }
    if flags & MAP_HUGETLB != 0 { throw .invalid }
    request.file = file
    request.offset = offset
  } else if flags & MAP_HUGETLB != 0 {
    throw .noMemory  // there are no huge pages in the pool
  }
  return .value(
    Int(bitPattern: try task.withAddressSpace { (s) throws(Errno) in try s.map(request, limits: task.memoryLimits) }))
}

/// munmap(2).
func sysMunmap(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in try s.unmap(UInt(bitPattern: args.a0), UInt(bitPattern: args.a1)) }
  return .value(0)
}

/// mprotect(2).
func sysMprotect(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in
    try s.protect(UInt(bitPattern: args.a0), UInt(bitPattern: args.a1), args.i2, limits: task.memoryLimits)
  }
  return .value(0)
}

/// brk(2): never fails, it returns where the heap ends.
func sysBrk(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(
    Int(bitPattern: try task.withAddressSpace { $0.setBreak(UInt(bitPattern: args.a0), limits: task.memoryLimits) }))
}

/// mremap(2).
func sysMremap(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let request = RemapRequest(
    address: UInt(bitPattern: args.a0), oldCount: UInt(bitPattern: args.a1), newCount: UInt(bitPattern: args.a2),
    flags: args.i3, target: UInt(bitPattern: args.a4))
  return .value(
    Int(bitPattern: try task.withAddressSpace { (s) throws(Errno) in try s.remap(request, limits: task.memoryLimits) }))
}

/// madvise(2).
func sysMadvise(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in
    try s.advise(UInt(bitPattern: args.a0), UInt(bitPattern: args.a1), args.i2)
  }
  return .value(0)
}

/// msync(2).
func sysMsync(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in
    try s.sync(UInt(bitPattern: args.a0), UInt(bitPattern: args.a1), args.i2)
  }
  return .value(0)
}

/// mincore(2).
func sysMincore(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let address = UInt(bitPattern: args.a0)
  let count = AddressLayout.roundedUp(UInt(bitPattern: args.a1))
  guard AddressLayout.isAligned(address) else { throw .invalid }
  guard count >= UInt(bitPattern: args.a1), address <= AddressLayout.end, count <= AddressLayout.end - address else {
    throw .noMemory
  }
  var pages = Int(count >> 12)
  var at = address
  var out: UserPointer<UInt8> = args.pointer2()
  guard isGuestRange(out.address, UInt(pages)) else { throw .fault }
  while pages > 0 {
    let part = min(pages, 4096)
    let bytes = try task.withAddressSpace { (s) throws(Errno) in try s.residency(at, pages: part) }
    try out.copyOut(bytes)
    out = out.advanced(by: part)
    at += UInt(part) << 12
    pages -= part
  }
  return .value(0)
}

/// mlock(2).
func sysMlock(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try lockMemory(task, args, .locked)
}
/// mlock2(2).
func sysMlock2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i2 & ~1 == 0 else { throw .invalid }  // MLOCK_ONFAULT
  return try lockMemory(task, args, args.i2 == 0 ? .locked : [.locked, .lockedOnFault])
}
/// munlock(2).
func sysMunlock(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try lockMemory(task, args, [])
}
private func lockMemory(_ task: Task, _ args: SyscallArguments, _ flags: AreaFlags) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in
    try s.setLocked(UInt(bitPattern: args.a0), UInt(bitPattern: args.a1), flags, limits: task.memoryLimits)
  }
  return .value(0)
}
/// mlockall(2).
func sysMlockall(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = args.i0
  guard flags != 0, flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0, flags != MCL_ONFAULT else { throw .invalid }
  try task.withAddressSpace { (s) throws(Errno) in try s.setAllLocked(flags, limits: task.memoryLimits) }
  return .value(0)
}
/// munlockall(2).
func sysMunlockall(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withAddressSpace { (s) throws(Errno) in try s.setAllLocked(0, limits: task.memoryLimits) }
  return .value(0)
}

/// membarrier(2).
func sysMembarrier(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(
    try task.withAddressSpace { (s) throws(Errno) in
      try Barriers.run(s, args.i0, UInt32(bitPattern: args.i1))
    })
}

/// process_vm_readv(2).
func sysProcessVmReadv(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try transfer(task, args, isWrite: false)
}
/// process_vm_writev(2).
func sysProcessVmWritev(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try transfer(task, args, isWrite: true)
}
private func transfer(_ task: Task, _ args: SyscallArguments, isWrite: Bool) throws(Errno) -> SyscallOutcome {
  guard args.a5 == 0 else { throw .invalid }
  let local = try VMTransfer.segments(args.pointer1(), args.a2)
  let remote = try VMTransfer.segments(args.pointer3(), args.a4)
  if local.isEmpty || remote.isEmpty { return .value(0) }
  guard let other = Processes.findTask(Int(args.i0)) else { throw .noProcess }
  guard task.mayInspect(other) else { throw .notPermitted }
  guard let space = other.takeAddressSpace() else { throw .noProcess }
  return .value(try VMTransfer.move(task, space, local: local, remote: remote, isWrite: isWrite))
}
