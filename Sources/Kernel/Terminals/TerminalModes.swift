import CLinux
import Machine

extension linux_termios {
  /// What TCGETS shows of the modes.
  public init(_ modes: termios2) {
    self.init()
    c_iflag = modes.c_iflag
    c_oflag = modes.c_oflag
    c_cflag = modes.c_cflag
    c_lflag = modes.c_lflag
    c_line = modes.c_line
    c_cc = modes.c_cc
  }
}
