import CLinux
import Machine

/// The locks on a file.
final class FileLocks {
}
extension Inode {
  func releaseLocks(ofOwner owner: UInt) {}
}
