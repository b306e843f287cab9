import CLinux
import Machine

/// Installs two files and tells the guest their descriptors: pipe(2), socketpair(2). Where the copy out fails neither is
/// left installed. Errors: EMFILE, EFAULT.
func installPair(
  _ task: Task, _ first: File, _ second: File, closeOnExec: Bool, _ result: UserPointer<Int32>
) throws(Errno) {
  guard let table = task.files.borrowed else { throw .badDescriptor }
  try table.with { (table) throws(Errno) in
    let a = try table.install(first, closeOnExec: closeOnExec)
    do throws(Errno) {
      let b = try table.install(second, closeOnExec: closeOnExec)
      do throws(Errno) {
        try result.copyOut(Int32(truncatingIfNeeded: a))
        try result.advanced(by: 1).copyOut(Int32(truncatingIfNeeded: b))
      } catch {
        _ = table.exchange(b, nil)
        throw error
      }
    } catch {
      _ = table.exchange(a, nil)
      throw error
    }
  }
}
