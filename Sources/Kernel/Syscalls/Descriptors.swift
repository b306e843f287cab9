import CLinux
import Machine

/// Opens `file` at the lowest free descriptor. Errors: EMFILE.
func install(_ task: Task, _ file: File, closeOnExec: Bool) throws(Errno) -> Int {
  guard let table = task.files.borrowed else { throw .badDescriptor }
  return try table.with { (table) throws(Errno) -> Int in
    let descriptor = try table.reserve(closeOnExec: closeOnExec, limit: task.process.limits.soft(RLIMIT_NOFILE))
    table.publish(descriptor, file)
    return descriptor
  }
}

/// Opens two files and tells the guest their descriptors: pipe(2), socketpair(2). Errors: EMFILE, EFAULT; then neither is
/// open.
func installPair(
  _ task: Task, _ first: File, _ second: File, closeOnExec: Bool, _ result: UserPointer<Int32>
) throws(Errno) {
  guard let table = task.files.borrowed else { throw .badDescriptor }
  try table.with { (table) throws(Errno) in
    let limit = task.process.limits.soft(RLIMIT_NOFILE)
    let a = try table.reserve(closeOnExec: closeOnExec, limit: limit)
    var b = -1
    do throws(Errno) {
      b = try table.reserve(closeOnExec: closeOnExec, limit: limit)
      try result.copyOut(Int32(truncatingIfNeeded: a))
      try result.advanced(by: 1).copyOut(Int32(truncatingIfNeeded: b))
    } catch {
      table.unreserve(a)
      if b >= 0 { table.unreserve(b) }
      throw error
    }
    table.publish(a, first)
    table.publish(b, second)
  }
}

extension Task {
  /// Runs `body` on the open file `descriptor`, which stays open meanwhile. Errors: EBADF, for O_PATH too.
  @inline(__always)
  func withFile<R: ~Copyable>(_ descriptor: Int32, _ body: (File) throws(Errno) -> R) throws(Errno) -> R {
    guard let table = files.borrowed else { throw .badDescriptor }
    return try table.with { (table) throws(Errno) -> R in
      try table.withFile(Int(descriptor)) { (file) throws(Errno) -> R in
        if file.flags & O_PATH != 0 { throw .badDescriptor }
        return try body(file)
      }
    }
  }
}
