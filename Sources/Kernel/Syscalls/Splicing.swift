import CLinux
import Machine

// <fcntl.h> of the C library has these; the kernel's headers keep them to themselves.
private enum SpliceFlags {
  static var move: UInt32 { 1 }  // a hint, which Linux ignores too
  static var nonBlock: UInt32 { 2 }
  static var more: UInt32 { 4 }  // likewise
  static var gift: UInt32 { 8 }  // likewise
  static var all: UInt32 { 15 }
}

/// Implements Linux syscall splice(2).
func sysSplice(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(truncatingIfNeeded: arguments.a5)
  guard flags & ~SpliceFlags.all == 0 else { throw .invalid }
  if arguments.a4 == 0 { return .value(0) }
  let limit = Int(min(UInt(bitPattern: arguments.a4), 0x7fff_f000))
  let isNonBlocking = flags & SpliceFlags.nonBlock != 0
  let inOffset: UserPointer<Int> = arguments.pointer1(), outOffset: UserPointer<Int> = arguments.pointer3()
  return try task.withFile(arguments.i0) { (input) throws(Errno) -> SyscallOutcome in
    try task.withFile(arguments.i2) { (output) throws(Errno) -> SyscallOutcome in
      guard input.isReadable, output.isWritable else { throw .badDescriptor }
      let from = input as? PipeFile, to = output as? PipeFile
      if from != nil && !inOffset.isNull || to != nil && !outOffset.isNull { throw .illegalSeek }
      if let from, let to {
        if from.pipe === to.pipe { throw .invalid }
        let waits = !isNonBlocking && !from.isNonBlocking && !to.isNonBlocking
        return .value(
          try from.pipe.splice(to: to.pipe, limit, task, keeps: false, isNonBlocking: !waits))
      }
      if let from {
        if output.flags & O_APPEND != 0 { throw .invalid }
        var place = try splicePlace(output, outOffset)
        let count = try from.pipe.splice(to: &place, limit, isNonBlocking: isNonBlocking || from.isNonBlocking)
        if let offset = place.offset { try outOffset.copyOut(offset) }
        return .value(count)
      }
      if let to {
        var place = try splicePlace(input, inOffset)
        let count = try to.pipe.splice(from: &place, limit, task, isNonBlocking: isNonBlocking || to.isNonBlocking)
        if let offset = place.offset { try inOffset.copyOut(offset) }
        return .value(count)
      }
      throw .invalid
    }
  }
}

private func splicePlace(_ file: File, _ offset: UserPointer<Int>) throws(Errno) -> SplicePlace {
  if offset.isNull { return SplicePlace(file: file, offset: nil) }
  guard file.isSeekable else { throw .illegalSeek }
  let at = try offset.copyIn()
  guard at >= 0 else { throw .invalid }
  return SplicePlace(file: file, offset: at)
}

/// Implements Linux syscall tee(2).
func sysTee(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(truncatingIfNeeded: arguments.a3)
  guard flags & ~SpliceFlags.all == 0 else { throw .invalid }
  if arguments.a2 == 0 { return .value(0) }
  let limit = Int(min(UInt(bitPattern: arguments.a2), 0x7fff_f000))
  return try task.withFile(arguments.i0) { (input) throws(Errno) -> SyscallOutcome in
    try task.withFile(arguments.i1) { (output) throws(Errno) -> SyscallOutcome in
      guard input.isReadable, output.isWritable else { throw .badDescriptor }
      guard let from = input as? PipeFile, let to = output as? PipeFile, from.pipe !== to.pipe else { throw .invalid }
      let isNonBlocking = flags & SpliceFlags.nonBlock != 0 || from.isNonBlocking || to.isNonBlocking
      return .value(try from.pipe.splice(to: to.pipe, limit, task, keeps: true, isNonBlocking: isNonBlocking))
    }
  }
}

/// Implements Linux syscall vmsplice(2).
func sysVmsplice(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let flags = UInt32(truncatingIfNeeded: arguments.a3)
  guard flags & ~SpliceFlags.all == 0 else { throw .invalid }
  return try task.withFile(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    guard let file = file as? PipeFile else { throw .badDescriptor }
    var buffers = try IOBuffers(vectorAt: UInt(bitPattern: arguments.a1), count: arguments.a2)
    let isNonBlocking = flags & SpliceFlags.nonBlock != 0 || file.isNonBlocking
    if file.isWritable {
      return .value(try file.pipe.write(&buffers, task, isNonBlocking: isNonBlocking, asPackets: false))
    }
    return .value(try file.pipe.read(&buffers, isNonBlocking: isNonBlocking))
  }
}
