import CLinux
import Machine

/// The inode of a host stream: its attributes are the host's, asked for each time.
public final class HostStreamInode: Inode {
  let number: Int32
  init(_ number: Int32, _ status: linux_stat) {
    self.number = number
    super.init()
  }
}
