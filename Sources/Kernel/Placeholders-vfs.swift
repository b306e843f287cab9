import CLinux
import Machine

// Until their owners' land.
func openFIFO(_ inode: Inode, _ path: Path, _ flags: Int32) throws(Errno) -> File { try FIFO.open(inode, path, flags) }
