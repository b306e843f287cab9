import CLinux
import Machine

// Bare shapes of what belongs to others, until theirs land.
func send(_ signal: Int32, to task: Task) {}
func openFilesLimit(_ task: Task) -> Int { 1024 }
extension FileTable {
  func reserve(from: Int = 0, closeOnExec: Bool, limit: Int) throws(Errno) -> Int { throw .noCall }
  func publish(_ descriptor: Int, _ file: File) {}
  func unreserve(_ descriptor: Int) {}
  func withFile<R: ~Copyable>(_ descriptor: Int, _ body: (File) throws(Errno) -> R) throws(Errno) -> R { throw .badDescriptor }
}
extension Task {
  /// Takes `mask` for the call, to be restored by the way out (sigsuspend's way).
  func setTemporaryMask(_ mask: UInt64) {}
  func restoreTemporaryMask() {}
}
