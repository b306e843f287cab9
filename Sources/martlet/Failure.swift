import Glibc

/// Martlet itself failed: one line that says what is wrong and what to do about it.
struct Failure: Error, Equatable {
  static let exitStatus: Int32 = 125

  let message: String

  init(_ message: String) {
    self.message = message
  }

  /// The host's own words for the call that just failed.
  static var reason: String { String(cString: strerror(errno)) }

  /// Writes one line of the tool's own to stderr.
  static func say(_ message: String) {
    HostText.bytes("martlet: \(message)\n").withUnsafeBytes { bytes in
      var rest = bytes
      while !rest.isEmpty {
        let count = write(STDERR_FILENO, rest.baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
  }
}
