import CLinux
import Machine

// Bare shapes of what belongs to others, until theirs land.
extension Task {
  func send(_ signal: Int32) {}
}
extension FileTable {
  func install(_ file: File, closeOnExec: Bool) throws(Errno) -> Int { throw .noCall }
  func exchange(_ descriptor: Int, _ file: File?) -> File? { nil }
  func withFile<R>(_ descriptor: Int, _ body: (File) throws(Errno) -> R) throws(Errno) -> R { throw .badDescriptor }
}
