import CLinux
import Machine

// Until their owners' land.
extension Task {
  /// RLIMIT_NOFILE and RLIMIT_FSIZE.
  var descriptorLimit: Int { 1024 }
  var fileSizeLimit: Int { .max }
}
func openFIFO(_ inode: Inode, _ path: Path, _ flags: Int32) throws(Errno) -> File { throw .noDeviceOrAddress }
