/// One 512-byte header of a tar archive: ustar, GNU or the old V7 form.
struct TarHeader {
  static let size = 512

  enum Kind: UInt8 {
    case file = 0x30
    case hardLink, symbolicLink, characterDevice, blockDevice, directory, fifo, contiguous
    case gnuLongLink = 0x4b
    case gnuLongName = 0x4c
    case gnuSparse = 0x53
    case paxGlobal = 0x67
    case pax = 0x78

    /// Links, directories and devices have no data, whatever their size field says.
    var hasData: Bool {
      switch self {
      case .hardLink, .symbolicLink, .characterDevice, .blockDevice, .directory, .fifo: false
      default: true
      }
    }
  }

  let name: [UInt8]
  let link: [UInt8]
  let size: UInt64?
  let typeFlag: UInt8
  let checksumIsRight: Bool

  var kind: Kind? {
    // V7 has NUL for a file, and a directory is a file whose name ends in a slash.
    if typeFlag == 0 { return name.last == UInt8(ascii: "/") ? .directory : .file }
    return Kind(rawValue: typeFlag)
  }

  init(_ block: ArraySlice<UInt8>) {
    let base = block.startIndex
    func text(_ offset: Int, _ count: Int) -> [UInt8] {
      Array(block[(base + offset)..<(base + offset + count)].prefix { $0 != 0 })
    }
    var name = text(0, 100)
    let isPosix = text(257, 6) == Array("ustar".utf8) && block[base + 263] == UInt8(ascii: "0")
    let prefix = isPosix ? text(345, 155) : []
    if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
    self.name = name
    link = text(157, 100)
    typeFlag = block[base + 156]
    size = TarHeader.number(block[(base + 124)..<(base + 136)])

    var sum = UInt64(8 * 0x20)
    for index in 0..<TarHeader.size where !(148..<156).contains(index) { sum += UInt64(block[base + index]) }
    checksumIsRight = TarHeader.number(block[(base + 148)..<(base + 156)]) == sum
  }

  /// An octal number, or a big-endian one marked by the first bit (GNU, for large files). Nil for anything else.
  static func number(_ field: ArraySlice<UInt8>) -> UInt64? {
    if let first = field.first, first & 0x80 != 0 {
      guard first == 0x80 else { return nil }
      var value: UInt64 = 0
      for byte in field.dropFirst() {
        guard value >> 55 == 0 else { return nil }
        value = value << 8 | UInt64(byte)
      }
      return value
    }
    let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
    var value: UInt64 = 0
    for byte in digits {
      guard (0x30...0x37).contains(byte) else { return nil }
      value = value << 3 | UInt64(byte - 0x30)
    }
    return value
  }
}
