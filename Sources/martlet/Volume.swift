import ArgumentParser

/// `-v HOST:GUEST[:ro]`.
struct Volume: ExpressibleByArgument, Equatable {
  let host: String
  let guest: String
  let readOnly: Bool

  init?(argument: String) {
    var rest = Substring(argument)
    var readOnly = false
    if rest.hasSuffix(":ro") {
      readOnly = true
      rest = rest.dropLast(3)
    } else if rest.hasSuffix(":rw") {
      rest = rest.dropLast(3)
    }
    // The guest's path is absolute, so a colon in the host's path does no harm.
    let bytes = Array(rest.utf8)
    guard
      let colon = bytes.indices.last(where: {
        bytes[$0] == UInt8(ascii: ":") && $0 + 1 < bytes.count && bytes[$0 + 1] == UInt8(ascii: "/")
      }), colon > 0, let guest = Volume.normalised(String(decoding: bytes[(colon + 1)...], as: UTF8.self))
    else { return nil }
    host = String(decoding: bytes[..<colon], as: UTF8.self)
    self.guest = guest
    self.readOnly = readOnly
  }

  /// The path without doubled slashes and dots, nil when it is relative, climbs up, or is the root itself.
  static func normalised(_ path: String) -> String? {
    guard path.hasPrefix("/") else { return nil }
    let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }.filter { $0 != "." }
    return parts.isEmpty || parts.contains("..") ? nil : "/" + parts.joined(separator: "/")
  }
}
