/// One of the options that mount(2) was given: `key` or `key=value`.
struct MountOption {
  let text: [UInt8]
  private var equals: Int { text.firstIndex(of: 61) ?? text.count }
  /// Nil where there is no "=".
  var value: [UInt8]? { equals < text.count ? Array(text[(equals + 1)...]) : nil }
  func isKey(_ key: StaticString) -> Bool { Array(text[..<equals]).isEqual(to: key) }
}

/// The options in a comma-separated text.
struct MountOptions: Sequence, IteratorProtocol {
  private let text: [UInt8]
  private var position = 0
  init(_ text: [UInt8]) { self.text = text }
  mutating func next() -> MountOption? {
    while position < text.count {
      var end = position
      while end < text.count && text[end] != 44 { end += 1 }
      let part = Array(text[position..<end])
      position = end + 1
      if !part.isEmpty { return MountOption(text: part) }
    }
    return nil
  }
}

/// A number in digits of `radix` alone; nil for anything else.
func parseNumber(_ text: ArraySlice<UInt8>, radix: Int) -> Int? {
  if text.isEmpty { return nil }
  var value = 0
  for byte in text {
    let digit = Int(byte) - 48
    guard digit >= 0, digit < radix, digit < 10 else { return nil }
    let (product, o1) = value.multipliedReportingOverflow(by: radix)
    let (sum, o2) = product.addingReportingOverflow(digit)
    if o1 || o2 { return nil }
    value = sum
  }
  return value
}
/// A number with one of k, m, g, t behind it, as memparse() of Linux.
func parseSize(_ text: [UInt8]) -> Int? {
  guard let last = text.last else { return nil }
  let shift: Int
  switch last | 32 {
  case 107: shift = 10
  case 109: shift = 20
  case 103: shift = 30
  case 116: shift = 40
  default: return parseNumber(text[...], radix: 10)
  }
  guard let value = parseNumber(text.dropLast(), radix: 10), value <= Int.max >> shift else { return nil }
  return value << shift
}
