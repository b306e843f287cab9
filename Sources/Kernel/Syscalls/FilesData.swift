import CLinux
import Machine

// truncate(2), fallocate(2), sync(2) and their like; copies between files.

/// Implements Linux syscall truncate(2).
func sysTruncate(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a1 >= 0 else { throw .invalid }
  let path = try task.resolve(try task.path(args.a0))
  let inode = path.dentry.inode
  if inode.isDirectory { throw .isDirectory }
  guard inode.isRegular else { throw .invalid }
  try Permissions.checkWritable(inode, path.mount)
  try task.credentials.borrowed.with { (c) throws(Errno) in try inode.checkPermission(2, c) }
  try inode.beginWriting()
  defer { inode.endWriting() }
  try Attributes.truncate(inode, args.a1)
  Notify.file(path.dentry, NotifyMask.modify)
  return .value(0)
}
/// Implements Linux syscall ftruncate: truncate(2).
func sysFtruncate(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.a1 >= 0 else { throw .invalid }
  try task.withFile(args.i0) { (file) throws(Errno) in
    guard file.inode.isRegular, file.isWritable else { throw .invalid }
    try Attributes.truncate(file.inode, args.a1)
    Notify.file(file, NotifyMask.modify)
  }
  return .value(0)
}

/// Implements Linux syscall fallocate(2).
func sysFallocate(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    guard args.a2 >= 0, args.a3 > 0 else { throw .invalid }
    let punches = args.i1 & FALLOC_FL_PUNCH_HOLE != 0
    guard args.i1 & ~0x7f == 0 else { throw .notSupported }
    if punches && args.i1 & FALLOC_FL_KEEP_SIZE == 0 { throw .notSupported }
    guard file.isWritable else { throw .badDescriptor }
    if file.inode.type == FileType.fifo { throw .illegalSeek }
    if file.inode.isDirectory { throw .isDirectory }
    guard file.inode.isRegular else { throw .noDevice }
    if args.a2.addingReportingOverflow(args.a3).overflow { throw .fileTooBig }
    try file.allocate(args.i1, args.a2, args.a3)
    Notify.file(file, NotifyMask.modify)
  }
  return .value(0)
}

/// Implements Linux syscall fadvise64: posix_fadvise(2). The page cache has no use for advice.
func sysFadvise64(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    if file.inode.type == FileType.fifo { throw .illegalSeek }
    guard args.a2 >= 0, args.i3 >= 0, args.i3 <= 5 else { throw .invalid }
  }
  return .value(0)
}
/// Implements Linux syscall readahead(2): what is cached is there, what is not is the host's.
func sysReadahead(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in
    guard file.isReadable else { throw .badDescriptor }
    guard file.inode.isRegular else { throw .invalid }
  }
  return .value(0)
}

/// Implements Linux syscall sync(2).
func sysSync(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  for mount in mounts.with({ $0.all }) { _ = try? mount.fileSystem.sync() }
  return .value(0)
}
/// Implements Linux syscall syncfs: sync(2).
func sysSyncfs(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in try file.inode.fileSystem.sync() }
  return .value(0)
}
/// Implements Linux syscall fsync(2).
func sysFsync(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in try file.sync(dataOnly: false) }
  return .value(0)
}
/// Implements Linux syscall fdatasync: fsync(2).
func sysFdatasync(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withFile(args.i0) { (file) throws(Errno) in try file.sync(dataOnly: true) }
  return .value(0)
}
/// Implements Linux syscall sync_file_range(2).
func sysSyncFileRange(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard UInt32(bitPattern: args.i3) & ~7 == 0 else { throw .invalid }
  try task.withFile(args.i0) { (file) throws(Errno) in
    guard args.a1 >= 0, args.a2 >= 0, !args.a1.addingReportingOverflow(args.a2).overflow else { throw .invalid }
    guard file.inode.isRegular || file.inode.isDirectory || file.inode.isSymbolicLink else { throw .illegalSeek }
    if args.i3 != 0 { try file.sync(dataOnly: true) }
  }
  return .value(0)
}

/// Copies up to `count` bytes from `source` at `offset` to `target` at `targetOffset`, or its position where that is nil.
/// Both offsets move by what was copied, which is returned.
private func copy(
  _ source: File, _ offset: inout Int, _ target: File, _ targetOffset: inout Int?, _ count: Int
) throws(Errno) -> Int {
  let buffer = try KernelBuffer(count: min(max(count, 1), 65536))
  var done = 0
  while done < count {
    let part = buffer.bytes.slice(0, min(buffer.count, count - done))
    do throws(Errno) {
      var input = IOBuffers(kernel: part)
      let got = try source.read(&input, at: offset)
      if got == 0 { break }
      var output = IOBuffers(kernel: part.slice(0, got))
      let put: Int
      if var at = targetOffset {
        put = try target.write(&output, at: &at)
        targetOffset = at &+ put
      } else {
        put = try target.writeNext(&output)
      }
      if offset >= 0 { offset &+= put }  // below 0: the file keeps its position itself
      done &+= put
      if put < got { break }
    } catch {
      if done == 0 { throw error }
      break
    }
    if Thread.withCurrent({ $0.mustStopWaiting(.interruptible) }) { break }
  }
  return done
}

/// Implements Linux syscall sendfile(2).
func sysSendfile(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<Int> = args.pointer2()
  let start: Int? = pointer.isNull ? nil : try pointer.copyIn()
  let count = min(args.a3, 0x7fff_f000)
  let source = try task.withFile(args.i1) { (file) throws(Errno) -> File in file }
  guard source.isReadable else { throw .badDescriptor }
  if start != nil && !source.hasOffsets { throw .illegalSeek }
  let target = try task.withFile(args.i0) { (file) throws(Errno) -> File in file }
  guard target.isWritable else { throw .badDescriptor }
  guard source.hasOffsets, !source.inode.isDirectory, target.flags & O_APPEND == 0, count >= 0 else { throw .invalid }
  if let start, start < 0 { throw .invalid }
  var nowhere: Int?
  let done: Int
  if var at = start {
    done = try copy(source, &at, target, &nowhere, count)
    try pointer.copyOut(at)
  } else {
    // As Linux, not under the position's lock: the target's is taken below, and two calls may go opposite ways.
    var at = source.position
    done = try copy(source, &at, target, &nowhere, count)
    source.position = at
  }
  return .value(done)
}

/// Implements Linux syscall copy_file_range(2).
func sysCopyFileRange(_ task: Task, _ args: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard args.i5 == 0 else { throw .invalid }
  let source = try task.withFile(args.i0) { (file) throws(Errno) -> File in file }
  let target = try task.withFile(args.i2) { (file) throws(Errno) -> File in file }
  let from: UserPointer<Int> = args.pointer1(), to: UserPointer<Int> = args.pointer3()
  if source.inode.isDirectory || target.inode.isDirectory { throw .isDirectory }
  guard source.inode.isRegular, target.inode.isRegular else { throw .invalid }
  guard source.isReadable, target.isWritable, target.flags & O_APPEND == 0 else { throw .badDescriptor }
  guard source.inode.fileSystem === target.inode.fileSystem else { throw .crossDevice }
  var at = from.isNull ? source.position : try from.copyIn()
  let start = to.isNull ? target.position : try to.copyIn()
  guard at >= 0, start >= 0, args.a4 >= 0 else { throw .invalid }
  let count = min(args.a4, 0x7fff_f000, max(0, source.inode.size - at))
  if at.addingReportingOverflow(count).overflow || start.addingReportingOverflow(count).overflow { throw .overflow }
  if source.inode === target.inode && at < start + count && start < at + count { throw .invalid }
  if count == 0 { return .value(0) }
  var targetOffset: Int? = start
  let done = try copy(source, &at, target, &targetOffset, count)
  if from.isNull { source.position = at } else { try from.copyOut(at) }
  if to.isNull { target.position = start + done } else { try to.copyOut(start + done) }
  return .value(done)
}
