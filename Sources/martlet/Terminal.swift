import CTool
import Glibc

/// The terminal that becomes the guest's console.
final class Terminal {
  private let descriptor = STDIN_FILENO
  private var saved = termios()
  private var isRaw = false

  /// The console, where stdin and stdout are one terminal and we are in its foreground.
  static func console() -> Terminal? {
    var input = stat()
    var output = stat()
    guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, fstat(STDIN_FILENO, &input) == 0,
      fstat(STDOUT_FILENO, &output) == 0, input.st_rdev == output.st_rdev
    else { return nil }
    let terminal = Terminal()
    return terminal.isForeground ? terminal : nil
  }

  var isForeground: Bool { tcgetpgrp(descriptor) == getpgrp() }

  func windowSize() -> (rows: UInt32, columns: UInt32)? {
    var rows: UInt32 = 0
    var columns: UInt32 = 0
    return tool_window_size(descriptor, &rows, &columns) == 0 ? (rows, columns) : nil
  }

  /// Hands every byte through unchanged; the guest's line discipline does the rest.
  func makeRaw() {
    guard !isRaw, tcgetattr(descriptor, &saved) == 0 else { return }
    tool_restore_at_crash(descriptor, &saved)
    var raw = saved
    cfmakeraw(&raw)
    isRaw = tcsetattr(descriptor, TCSANOW, &raw) == 0
  }

  func restore() {
    guard isRaw else { return }
    tcsetattr(descriptor, TCSANOW, &saved)
    tool_restore_at_crash(-1, nil)
    isRaw = false
  }
}
