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
    guard let files = task.files.borrowed, let file = files.with({ $0.file(Int(args.i4)) }) else { throw .badDescriptor }
    if file.flags & O_PATH != 0 { throw .badDescriptor }
    if flags & MAP_HUGETLB != 0 { throw .invalid }
    request.file = file
    request.offset = offset
  } else if flags & MAP_HUGETLB != 0 {
    throw .noMemory                    // there are no huge pages in the pool
  }
  return .value(Int(bitPattern: try task.withAddressSpace { (s) throws(Errno) in try s.map(request, limits: task.memoryLimits) }))
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
  .value(Int(bitPattern: try task.withAddressSpace { $0.setBreak(UInt(bitPattern: args.a0), limits: task.memoryLimits) }))
}
