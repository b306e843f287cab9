import ArgumentParser

/// A number of bytes, written like `1024m`.
struct Size: ExpressibleByArgument, Equatable {
  static let least: UInt64 = 16 << 20

  let bytes: UInt64
  let text: String

  init?(argument: String) {
    var digits = Substring(argument.lowercased())
    var shift: UInt64 = 0
    for suffix in ["ib", "b"] where digits.hasSuffix(suffix) {
      digits = digits.dropLast(suffix.count)
      break
    }
    if let position = digits.last.flatMap({ Array("kmgt").firstIndex(of: $0) }) {
      digits = digits.dropLast()
      shift = 10 * UInt64(position + 1)
    }
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    guard let number = UInt64(digits), number <= UInt64.max >> shift else { return nil }
    bytes = number << shift
    text = argument
  }
}
