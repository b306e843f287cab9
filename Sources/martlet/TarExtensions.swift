/// What the extended headers before a member say about it: pax records, and GNU's long names.
struct Extensions {
  private(set) var name: [UInt8]?
  private(set) var link: [UInt8]?
  private(set) var size: UInt64?
  private(set) var isSparse = false
  /// A member must follow.
  private(set) var isOpen = false

  /// Takes in one extended header; false when it is broken.
  mutating func add(_ kind: TarHeader.Kind, _ data: [UInt8]) -> Bool {
    switch kind {
    case .gnuLongName:
      name = Array(data.prefix { $0 != 0 })
    case .gnuLongLink:
      link = Array(data.prefix { $0 != 0 })
    case .paxGlobal:
      var ignored = Extensions()
      return ignored.addRecords(data)
    default:
      guard addRecords(data) else { return false }
    }
    isOpen = true
    return true
  }

  /// pax: "LENGTH KEY=VALUE\n", where LENGTH counts the whole record.
  private mutating func addRecords(_ data: [UInt8]) -> Bool {
    var rest = data[...]
    while let first = rest.first, first != 0 {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 2,
        length <= rest.count
      else { return false }
      let record = rest.prefix(length)
      guard record[record.startIndex + digits.count] == UInt8(ascii: " "), record.last == UInt8(ascii: "\n"),
        let equals = record.firstIndex(of: UInt8(ascii: "="))
      else { return false }
      let key = String(decoding: record[(record.startIndex + digits.count + 1)..<equals], as: UTF8.self)
      let value = Array(record[(equals + 1)...].dropLast())
      guard set(key, value) else { return false }
      rest = rest.dropFirst(length)
    }
    return true
  }

  private mutating func set(_ key: String, _ value: [UInt8]) -> Bool {
    switch key {
    case "path": name = value
    case "linkpath": link = value
    case "size":
      guard let number = UInt64(String(decoding: value, as: UTF8.self)) else { return false }
      size = number
    default:
      if key.hasPrefix("GNU.sparse.") { isSparse = true }
    }
    return true
  }
}
