import CLinux
import Machine

/// A member of a tar archive, with what pax and GNU headers before it said.
struct TarMember {
  var path: [UInt8] = []
  var link: [UInt8] = []
  var type: UInt8 = 0
  var mode: UInt32 = 0, uid: UInt32 = 0, gid: UInt32 = 0
  var major: UInt32 = 0, minor: UInt32 = 0
  var modified = FileTime(seconds: 0)
  /// Where its data lies in the archive.
  var offset = 0, size = 0
}

/// Reads tar archives: ustar, GNU's long names, pax (POSIX.1-2001 pax interchange format). The tool has checked the
/// archive; here every number is bounded all the same.
struct TarReader: ~Copyable {
  private let archive: KernelBytes  // the caller keeps it
  private var at = 0

  init(_ archive: KernelBytes) { self.archive = archive }

  /// The next member; nil at the end. Errors: EINVAL where the archive is damaged.
  mutating func next() throws(Errno) -> TarMember? {
    var extra = TarMember()
    var hasPath = false, hasLink = false, paxSize: Int?, paxUid: UInt32?, paxGid: UInt32?, paxTime: FileTime?
    while archive.count - at >= 512 {
      let header = archive.slice(at, 512)
      if header[0] == 0 && isZero(header) { return nil }
      guard isValid(header) else { throw .invalid }
      let type = header[156]
      var size = try number(header, 124, 12)
      if let paxSize { size = paxSize }
      let holdsData = type == 0 || type == 48 || type == 55 || type == 76 || type == 75 || type == 120 || type == 103
      if !holdsData { size = 0 }
      let data = at + 512
      guard size >= 0, size <= archive.count - data else { throw .invalid }
      at = data + (size + 511) & ~511
      switch type {
      case 76:  // L
        extra.path = terminated(archive.slice(data, size), 0, size)
        hasPath = true
      case 75:  // K
        extra.link = terminated(archive.slice(data, size), 0, size)
        hasLink = true
      case 120:  // x
        try pax(archive.slice(data, size)) { key, value in
          switch key {
          case "path":
            extra.path = value
            hasPath = true
          case "linkpath":
            extra.link = value
            hasLink = true
          case "size": paxSize = decimal(value)
          case "uid": paxUid = decimal(value).map { UInt32(truncatingIfNeeded: $0) }
          case "gid": paxGid = decimal(value).map { UInt32(truncatingIfNeeded: $0) }
          case "mtime": paxTime = time(value)
          default: break
          }
        }
      case 103: break  // g: a global header
      default:
        var member = TarMember()
        member.path = hasPath ? extra.path : name(header)
        member.link = hasLink ? extra.link : terminated(header, 157, 100)
        member.type = type
        member.mode = UInt32(truncatingIfNeeded: try number(header, 100, 8)) & 0o7777
        member.uid = UInt32(truncatingIfNeeded: try number(header, 108, 8))
        member.gid = UInt32(truncatingIfNeeded: try number(header, 116, 8))
        member.modified = FileTime(seconds: try number(header, 136, 12))
        if let paxUid { member.uid = paxUid }
        if let paxGid { member.gid = paxGid }
        if let paxTime { member.modified = paxTime }
        if type == 51 || type == 52 {
          member.major = UInt32(truncatingIfNeeded: try number(header, 329, 8))
          member.minor = UInt32(truncatingIfNeeded: try number(header, 337, 8))
        }
        member.offset = data
        member.size = size
        return member
      }
    }
    return nil
  }

  private func isZero(_ header: KernelBytes) -> Bool {
    for i in 0..<64 where header.load(i * 8, as: UInt64.self) != 0 { return false }
    return true
  }
  private func isValid(_ header: KernelBytes) -> Bool {
    var sum = 0
    for i in 0..<512 { sum += i >= 148 && i < 156 ? 32 : Int(header[i]) }
    guard let stated = try? number(header, 148, 8) else { return false }
    return stated == sum
  }
  /// A field in octal, or in GNU's base 256.
  private func number(_ header: KernelBytes, _ offset: Int, _ width: Int) throws(Errno) -> Int {
    var value: UInt64 = 0
    if header[offset] & 0x80 != 0 {
      for i in 0..<width {
        if value >> 55 != 0 { throw .invalid }
        value = value << 8 | UInt64(i == 0 ? header[offset] & 0x7f : header[offset + i])
      }
    } else {
      var i = offset
      while i < offset + width && header[i] == 32 { i += 1 }
      while i < offset + width, header[i] >= 48, header[i] <= 55 {
        if value >> 60 != 0 { throw .invalid }
        value = value << 3 | UInt64(header[i] - 48)
        i += 1
      }
    }
    return Int(truncatingIfNeeded: value & UInt64(Int.max))
  }
  private func terminated(_ bytes: KernelBytes, _ offset: Int, _ width: Int) -> [UInt8] {
    var result: [UInt8] = []
    for i in offset..<min(offset + width, bytes.count) {
      if bytes[i] == 0 { break }
      result.append(bytes[i])
    }
    return result
  }
  private func name(_ header: KernelBytes) -> [UInt8] {
    let last = terminated(header, 0, 100)
    var result: [UInt8] = header[257] == 117 && header[262] == 0 ? terminated(header, 345, 155) : []
    if !result.isEmpty { result.append(47) }
    result.append(contentsOf: last)
    return result
  }

  /// Records of the form "LENGTH KEY=VALUE\n".
  private func pax(_ bytes: KernelBytes, _ body: (PaxKey, [UInt8]) -> Void) throws(Errno) {
    var start = 0
    while start < bytes.count {
      var length = 0, i = start
      while i < bytes.count, bytes[i] >= 48, bytes[i] <= 57, length < 1 << 30 {
        length = length * 10 + Int(bytes[i] - 48)
        i += 1
      }
      guard length > i - start, length <= bytes.count - start, i < bytes.count, bytes[i] == 32 else { throw .invalid }
      i += 1
      let end = start + length - 1
      var key: [UInt8] = []
      while i < end && bytes[i] != 61 {
        key.append(bytes[i])
        i += 1
      }
      var value: [UInt8] = []
      i += 1
      while i < end {
        value.append(bytes[i])
        i += 1
      }
      body(PaxKey(bytes: key), value)
      start += length
    }
  }
  private func decimal(_ text: [UInt8]) -> Int? {
    var value = 0
    for byte in text {
      guard byte >= 48, byte <= 57, value < 1 << 59 else { return nil }
      value = value * 10 + Int(byte - 48)
    }
    return value
  }
  /// "SECONDS.FRACTION".
  private func time(_ text: [UInt8]) -> FileTime? {
    let dot = text.firstIndex(of: 46) ?? text.count
    guard let seconds = decimal(Array(text[0..<dot])) else { return nil }
    var nanoseconds: Int32 = 0, digits = 0
    var i = dot + 1
    while i < text.count, digits < 9, text[i] >= 48, text[i] <= 57 {
      nanoseconds = nanoseconds * 10 + Int32(text[i] - 48)
      digits += 1
      i += 1
    }
    while digits > 0 && digits < 9 {
      nanoseconds *= 10
      digits += 1
    }
    return FileTime(seconds: seconds, nanoseconds: nanoseconds)
  }
}

/// A pax keyword, to compare with literals without String's own comparison, which needs Unicode tables.
struct PaxKey {
  let bytes: [UInt8]
  static func ~= (pattern: StaticString, key: PaxKey) -> Bool { key.bytes.isEqual(to: pattern) }
}
