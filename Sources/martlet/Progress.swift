import CTool
import Glibc

/// A line on stderr for what takes long: only on a terminal, and only after a second.
final class Progress {
  /// How often to call `update`, in milliseconds.
  static let interval: Int32 = 200

  private let title: String
  private let shownAfter: UInt64
  private var next: UInt64
  private var isShown = false
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(_ title: String) {
    self.title = title
    shownAfter = tool_monotonic() + 1_000_000_000
    next = shownAfter
  }

  func update(_ state: String = "") {
    let now = tool_monotonic()
    guard isTerminal, now >= next else { return }
    next = now + UInt64(Progress.interval) * 1_000_000
    isShown = true
    put("\r\u{1b}[K\(title) \(state)")
  }

  func finish() {
    if isShown { put("\r\u{1b}[K") }
    isShown = false
  }

  private func put(_ text: String) {
    _ = text.utf8CString.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count - 1) }
  }
}
