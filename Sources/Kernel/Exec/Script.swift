import Machine

/// The first line of a script, `#!interpreter [argument]`: execve(2).
struct Script {
  let interpreter: [UInt8]
  /// Everything behind the interpreter, as one argument.
  let argument: [UInt8]?

  /// What of a file is looked at (Linux's BINPRM_BUF_SIZE).
  static var lineLimit: Int { 256 }

  /// Nil where `bytes`, the file's first 256 or more, do not begin with `#!`. Errors: ENOEXEC for a line without an interpreter, or
  /// with one that may be cut short.
  init?(_ bytes: [UInt8]) throws(Errno) {
    guard bytes.count >= 2, bytes[0] == 35, bytes[1] == 33 else { return nil }
    let limit = min(bytes.count, Self.lineLimit)
    var end = 2
    while end < limit && bytes[end] != 10 && bytes[end] != 0 { end += 1 }
    let isWhole = end < limit || bytes.count < Self.lineLimit
    var start = 2
    while start < end && Self.isBlank(bytes[start]) { start += 1 }
    var nameEnd = start
    while nameEnd < end && !Self.isBlank(bytes[nameEnd]) { nameEnd += 1 }
    if start == nameEnd { throw .notExecutable }
    // Without an end of line the interpreter's name must at least be whole.
    if !isWhole && nameEnd == end { throw .notExecutable }
    interpreter = Array(bytes[start..<nameEnd])
    var from = nameEnd
    while from < end && Self.isBlank(bytes[from]) { from += 1 }
    while end > from && Self.isBlank(bytes[end - 1]) { end -= 1 }
    argument = from < end ? Array(bytes[from..<end]) : nil
  }
  private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
}
