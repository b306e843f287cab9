import Glibc

/// Text of the host: arguments, variables and paths are bytes there, and need not be UTF-8.
///
/// A `String` cannot hold such bytes. Each that is not part of valid UTF-8 becomes a character of its own, U+10FF00
/// plus the byte, and the way back turns it into the byte again. Characters that look like that from the start are
/// taken apart into their bytes as well, so nothing is lost and nothing is mistaken.
enum HostText {
  private static let escapes: ClosedRange<UInt32> = 0x10ff00...0x10ffff

  static func string(_ text: UnsafePointer<CChar>) -> String {
    string(UnsafeBufferPointer(start: text, count: strlen(text)).map(UInt8.init(bitPattern:)))
  }

  static func string(_ bytes: [UInt8]) -> String {
    // The common case: valid, and nothing of plane 16.
    if !bytes.contains(0xf4), let text = String(validating: bytes, as: UTF8.self) { return text }
    var scalars = String.UnicodeScalarView()
    var rest = bytes[...]
    while let first = rest.first {
      let length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
      let scalar = String(validating: rest.prefix(length), as: UTF8.self)?.unicodeScalars.first
      if let scalar, !escapes.contains(scalar.value) {
        scalars.append(scalar)
        rest = rest.dropFirst(length)
      } else {
        scalars.append(Unicode.Scalar(escapes.lowerBound + UInt32(first))!)
        rest = rest.dropFirst()
      }
    }
    return String(scalars)
  }

  static func bytes(_ text: String) -> [UInt8] {
    if !text.utf8.contains(0xf4) { return Array(text.utf8) }
    return text.unicodeScalars.flatMap { scalar in
      escapes.contains(scalar.value) ? [UInt8(truncatingIfNeeded: scalar.value)] : Array(String(scalar).utf8)
    }
  }

  /// For the host's calls.
  static func withCString<R>(_ text: String, _ body: (UnsafePointer<CChar>) -> R) -> R {
    (bytes(text) + [0]).withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: CChar.self)) }
  }

  static func environment(_ name: String) -> String? {
    withCString(name) { getenv($0) }.map { string($0) }
  }

  /// The tool's arguments without its own name.
  static func arguments() -> [String] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { CommandLine.unsafeArgv[$0].map { string($0) } }
  }
}
