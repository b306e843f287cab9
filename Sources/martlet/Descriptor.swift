import CTool
import Glibc

/// An open descriptor of the tool; closed with its last reference. All of them close at exec.
final class Descriptor {
  let number: Int32

  init(_ number: Int32) {
    self.number = number
  }

  deinit {
    close(number)
  }

  /// Opens a file, or returns nil with `errno` set.
  static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o666) -> Descriptor? {
    let number = HostText.withCString(path) { Glibc.open($0, flags | O_CLOEXEC, mode) }
    return number < 0 ? nil : Descriptor(number)
  }

  static func memory(_ name: String) throws(Failure) -> Descriptor {
    let number = tool_memfd(name)
    guard number >= 0 else { throw Failure("the host refuses a memory file: \(Failure.reason)") }
    return Descriptor(number)
  }

  func status() -> stat? {
    var result = stat()
    return fstat(number, &result) == 0 ? result : nil
  }

  func write(_ bytes: [UInt8]) throws(Failure) {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Failure("the host ran out of room for a memory file: \(Failure.reason)") }
      done += count
    }
  }

  /// Reads what there is at an offset, up to `count` bytes; nil with `errno` set.
  func read(at offset: UInt64, count: Int) -> [UInt8]? {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = pread(number, buffer.baseAddress! + filled, count - filled, off_t(offset) + off_t(filled))
        if got < 0 && errno == EINTR { continue }
        failed = got < 0
        if got <= 0 { return }
        filled += got
      }
    }
    return failed ? nil : bytes
  }
}

extension stat {
  func isKind(_ kind: mode_t) -> Bool { st_mode & S_IFMT == kind }
}
