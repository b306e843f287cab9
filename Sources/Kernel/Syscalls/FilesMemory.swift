import CLinux
import Machine

// memfd_create(2), getrandom(2).

/// Implements Linux syscall memfd_create(2), without MFD_HUGETLB.
func sysMemfdCreate(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(bitPattern: args.i1)
  let execution: UInt32 = 8 | 16  // MFD_NOEXEC_SEAL, MFD_EXEC
  guard flags & ~(UInt32(MFD_CLOEXEC) | UInt32(MFD_ALLOW_SEALING) | execution) == 0, flags & execution != execution
  else {
    if flags & UInt32(MFD_HUGETLB) != 0 { Log.info("memfd_create: MFD_HUGETLB is not implemented") }
    throw .invalid
  }
  let pointer: UserPointer<UInt8> = args.pointer0()
  let name = try pointer.copyInString(limit: 250, tooLong: .invalid)
  try MemoryBound.check(2048)
  let file = try task.credentials.borrowed.with { (c) throws(Errno) -> File in
    try MemoryFiles.make(
      name, mode: flags & 8 != 0 ? 0o666 : 0o777, c, sealable: flags & (UInt32(MFD_ALLOW_SEALING) | 8) != 0)
  }
  let closes = flags & UInt32(MFD_CLOEXEC) != 0
  return .value(
    try task.table.with { (table) throws(Errno) -> Int in
      try table.install(file, closeOnExec: closes, limit: task.descriptorLimit)
    })
}

/// Implements Linux syscall getrandom(2). The host's pool is ready before Martlet starts.
func sysGetrandom(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(bitPattern: args.i2)
  guard flags & ~7 == 0, flags & 6 != 6 else { throw .invalid }  // GRND_RANDOM and GRND_INSECURE
  guard args.a1 >= 0 else { throw .fault }
  var buffers = IOBuffers(args.pointer0(), count: args.a1)
  return .value(try RandomFile.fill(&buffers))
}
