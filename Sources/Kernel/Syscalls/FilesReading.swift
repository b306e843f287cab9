import CLinux
import Machine

// read(2), write(2), their vectors and positions, lseek(2).

extension File {
  /// `count`, after those who watch the file were told that so much was moved.
  @inline(__always) final func told(_ count: Int, _ mask: UInt32) -> Int {
    if count > 0 { Notify.file(self, mask) }
    return count
  }
  /// Runs `body` with the position to itself: nobody else can have it where this task holds the only reference.
  @inline(__always)
  final func withPosition<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
    if Borrowed(self).isUnique { return try body() }
    positionLock.lock()
    defer { positionLock.unlock() }
    return try body()
  }
  /// Reads at the position and moves it.
  @inline(__always) final func readNext(_ buffers: inout IOBuffers) throws(Errno) -> Int {
    if !isSeekable { return try read(&buffers, at: position) }
    let isAlone = Borrowed(self).isUnique
    if !isAlone { positionLock.lock() }
    defer { if !isAlone { positionLock.unlock() } }
    let count = try read(&buffers, at: position)
    position &+= count
    return count
  }
  /// Writes at the position and moves it.
  @inline(__always) final func writeNext(_ buffers: inout IOBuffers) throws(Errno) -> Int {
    if !isSeekable {
      var at = position
      return try write(&buffers, at: &at)
    }
    let isAlone = Borrowed(self).isUnique
    if !isAlone { positionLock.lock() }
    defer { if !isAlone { positionLock.unlock() } }
    var at = position
    let count = try write(&buffers, at: &at)
    position = at &+ count
    return count
  }
}

/// Implements Linux syscall read(2).
func sysRead(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard file.isReadable else { throw .badDescriptor }
      guard args.a2 >= 0 else { throw .fault }
      var buffers = IOBuffers(args.pointer1(), count: args.a2)
      return file.told(try file.readNext(&buffers), NotifyMask.access)
    })
}
/// Implements Linux syscall write(2).
func sysWrite(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard file.isWritable else { throw .badDescriptor }
      guard args.a2 >= 0 else { throw .fault }
      var buffers = IOBuffers(args.pointer1(), count: args.a2)
      return file.told(try file.writeNext(&buffers), NotifyMask.modify)
    })
}
/// Implements Linux syscall pread64: pread(2).
func sysPread64(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= 0 else { throw .invalid }
  return .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard file.hasOffsets else { throw .illegalSeek }
      guard file.isReadable else { throw .badDescriptor }
      guard args.a2 >= 0 else { throw .fault }
      var buffers = IOBuffers(args.pointer1(), count: args.a2)
      return file.told(try file.read(&buffers, at: args.a3), NotifyMask.access)
    })
}
/// Implements Linux syscall pwrite64: pwrite(2).
func sysPwrite64(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= 0 else { throw .invalid }
  return .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard file.hasOffsets else { throw .illegalSeek }
      guard file.isWritable else { throw .badDescriptor }
      guard args.a2 >= 0 else { throw .fault }
      var buffers = IOBuffers(args.pointer1(), count: args.a2)
      var offset = args.a3
      return file.told(try file.write(&buffers, at: &offset), NotifyMask.modify)
    })
}

/// Implements Linux syscall readv(2).
func sysReadv(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try readVector(task, args, offset: -1, flags: 0))
}
/// Implements Linux syscall writev(2).
func sysWritev(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try writeVector(task, args, offset: -1, flags: 0))
}
/// Implements Linux syscall preadv: readv(2).
func sysPreadv(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= 0 else { throw .invalid }
  return .value(try readVector(task, args, offset: args.a3, flags: 0))
}
/// Implements Linux syscall pwritev: readv(2).
func sysPwritev(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= 0 else { throw .invalid }
  return .value(try writeVector(task, args, offset: args.a3, flags: 0))
}
/// Implements Linux syscall preadv2: readv(2).
func sysPreadv2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= -1 else { throw .invalid }
  return .value(try readVector(task, args, offset: args.a3, flags: args.i5))
}
/// Implements Linux syscall pwritev2: readv(2).
func sysPwritev2(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a3 >= -1 else { throw .invalid }
  return .value(try writeVector(task, args, offset: args.a3, flags: args.i5))
}

private func readVector(_ task: Task, _ args: SyscallArguments, offset: Int, flags: Int32) throws(Errno) -> Int {
  try task.withFile(args.i0) { (file) throws(Errno) -> Int in
    guard offset < 0 || file.hasOffsets else { throw .illegalSeek }
    guard file.isReadable else { throw .badDescriptor }
    var buffers = try IOBuffers(vectorAt: UInt(bitPattern: args.a1), count: args.a2)
    try setVectorFlags(flags, file, &buffers)
    if buffers.count == 0 && file.inode.isRegular { return 0 }
    let count = offset < 0 ? try file.readNext(&buffers) : try file.read(&buffers, at: offset)
    return file.told(count, NotifyMask.access)
  }
}
private func writeVector(_ task: Task, _ args: SyscallArguments, offset: Int, flags: Int32) throws(Errno) -> Int {
  try task.withFile(args.i0) { (file) throws(Errno) -> Int in
    guard offset < 0 || file.hasOffsets else { throw .illegalSeek }
    guard file.isWritable else { throw .badDescriptor }
    var buffers = try IOBuffers(vectorAt: UInt(bitPattern: args.a1), count: args.a2)
    try setVectorFlags(flags, file, &buffers)
    if buffers.count == 0 { return 0 }
    if offset < 0 { return file.told(try file.writeNext(&buffers), NotifyMask.modify) }
    var offset = offset
    return file.told(try file.write(&buffers, at: &offset), NotifyMask.modify)
  }
}
/// RWF_*: what asks for nothing that a file does not do anyway is fine.
private func setVectorFlags(_ flags: Int32, _ file: File, _ buffers: inout IOBuffers) throws(Errno) {
  if flags == 0 { return }
  var known: Int32 = 1 | 2 | 4 | 16  // RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_APPEND
  if file.canRefuseToWait || file.isNonBlocking { known |= 8 }  // RWF_NOWAIT
  if flags & ~known != 0 { throw .notSupported }
  buffers.mustNotWait = flags & 8 != 0
  buffers.appends = flags & 16 != 0
}

/// Implements Linux syscall lseek(2).
func sysLseek(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(
    try task.withFile(args.i0) { (file) throws(Errno) -> Int in
      guard args.i2 >= SEEK_SET, args.i2 <= SEEK_HOLE else { throw .invalid }
      return try file.withPosition { () throws(Errno) -> Int in try file.seek(args.a1, args.i2) }
    })
}
