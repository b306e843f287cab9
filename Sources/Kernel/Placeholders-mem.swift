import CLinux
import Machine

// Bare shapes that other owners replace.
public final class HostFileReference {
  public let descriptor: HostDescriptor
  public init(_ descriptor: consuming HostDescriptor) { self.descriptor = descriptor }
}

extension Task {
  /// The file at `path`, open for execution. Errors: ENOENT, EACCES, ETXTBSY…
  func openExecutable(_ path: [UInt8]) throws(Errno) -> File { throw .noEntry }
  var threadCount: Int { 1 }
  func leaveOldSpace() {}
  func failExec() { interrupt(Interruption.kill) }
}
