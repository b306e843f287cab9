import Machine

/// Text that grows, for files whose content the kernel makes: numbers as the formats of /proc want them.
struct TextBuilder {
  private(set) var bytes: [UInt8] = []

  init() {}

  mutating func add(_ text: StaticString) { bytes.append(contentsOf: text.bytes) }
  mutating func add(_ text: [UInt8]) { bytes.append(contentsOf: text) }
  mutating func add(byte: UInt8) { bytes.append(byte) }
  mutating func newline() { bytes.append(10) }
  mutating func space() { bytes.append(32) }
  mutating func tab() { bytes.append(9) }

  /// %llu, or %*llu with `width`.
  mutating func add(_ number: UInt64, width: Int = 0, padding: UInt8 = 32) { add(number, radix: 10, width, padding) }
  /// %lld.
  mutating func add(_ number: Int) {
    if number < 0 { bytes.append(45) }
    add(UInt64(number.magnitude), radix: 10, 0, 32)
  }
  mutating func add(_ number: Int32) { add(Int(number)) }
  mutating func add(_ number: UInt32) { add(UInt64(number)) }
  /// %*lld: a count that is no less than zero, right-aligned.
  mutating func add(_ number: Int, width: Int) { add(UInt64(max(number, 0)), radix: 10, width, 32) }
  /// %0*llx.
  mutating func add(hex number: UInt64, width: Int = 0, padding: UInt8 = 48) { add(number, radix: 16, width, padding) }
  mutating func add(hex number: UInt, width: Int = 0) { add(UInt64(number), radix: 16, width, 48) }
  /// %o.
  mutating func add(octal number: UInt32, width: Int = 0) { add(UInt64(number), radix: 8, width, 48) }

  private mutating func add(_ number: UInt64, radix: UInt64, _ width: Int, _ padding: UInt8) {
    var digits: InlineArray<24, UInt8> = InlineArray(repeating: 0)
    var count = 0
    var rest = number
    repeat {
      let digit = UInt8(truncatingIfNeeded: rest % radix)
      digits[count] = digit < 10 ? 48 &+ digit : 87 &+ digit
      rest /= radix
      count &+= 1
    } while rest != 0
    var missing = width &- count
    while missing > 0 {
      bytes.append(padding)
      missing &-= 1
    }
    while count > 0 {
      count &-= 1
      bytes.append(digits[count])
    }
  }

  /// %-*s.
  mutating func add(_ text: [UInt8], leftIn width: Int) {
    bytes.append(contentsOf: text)
    pad(width &- text.count)
  }
  mutating func pad(_ count: Int) {
    var left = count
    while left > 0 {
      bytes.append(32)
      left &-= 1
    }
  }
  /// A time in seconds with two decimals: %llu.%02llu.
  mutating func add(seconds nanoseconds: UInt64) {
    add(nanoseconds / 1_000_000_000)
    bytes.append(46)
    add(nanoseconds % 1_000_000_000 / 10_000_000, width: 2, padding: 48)
  }
  /// Bits as the kernel writes a list of them: `0-3,5`.
  mutating func add(list bits: UInt64, below end: Int) {
    var at = 0
    var isFirst = true
    while at < end {
      if bits >> UInt64(at) & 1 == 0 {
        at += 1
        continue
      }
      var last = at
      while last + 1 < end && bits >> UInt64(last + 1) & 1 != 0 { last += 1 }
      if !isFirst { bytes.append(44) }
      isFirst = false
      add(at)
      if last > at {
        bytes.append(45)
        add(last)
      }
      at = last + 1
    }
  }
  /// Text with what is not printable, and backslashes where `escapesBackslash`, in octal: names in /proc.
  mutating func add(escaped text: [UInt8], also special: [UInt8]) {
    for byte in text {
      if special.contains(byte) {
        bytes.append(92)
        add(octal: UInt32(byte), width: 3)
      } else {
        bytes.append(byte)
      }
    }
  }
}

/// A decimal number that is all of `text`: no sign, no leading zero, at most 9 digits. Nil where it is none.
func parseNumber(_ text: Span<UInt8>) -> Int? {
  guard text.count > 0, text.count <= 9, text.count == 1 || text[0] != 48 else { return nil }
  var result = 0
  for i in text.indices {
    guard text[i] >= 48 && text[i] <= 57 else { return nil }
    result = result * 10 + Int(text[i] - 48)
  }
  return result
}

/// The number that a write to a file of /proc/sys begins with. Errors: EINVAL.
func parseWritten(_ text: [UInt8]) throws(Errno) -> Int {
  var at = 0
  while at < text.count, text[at] == 32 || text[at] == 9 { at += 1 }
  var isNegative = false
  if at < text.count && text[at] == 45 {
    isNegative = true
    at += 1
  }
  let start = at
  var result = 0
  while at < text.count, text[at] >= 48, text[at] <= 57 {
    let (product, overflow) = result.multipliedReportingOverflow(by: 10)
    let (sum, overflow2) = product.addingReportingOverflow(Int(text[at] - 48))
    if overflow || overflow2 { throw .invalid }
    result = sum
    at += 1
  }
  guard at > start, at == text.count || text[at] == 32 || text[at] == 10 || text[at] == 9 || text[at] == 0 else {
    throw .invalid
  }
  return isNegative ? -result : result
}
