/// The environment that the command starts with.
enum GuestEnvironment {
  static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// What Linux gives a first program, then what `-e` adds, replaces or (`-e NAME`) takes over from the host.
  static func make(
    user: UserIdentity, hostname: String, settings: [String], host: (String) -> String?
  ) throws(Failure) -> [String] {
    let isRoot = user.user == 0
    var values: [(name: String, value: String)] = [
      ("PATH", path), ("HOME", isRoot ? "/root" : "/"), ("USER", isRoot ? "root" : String(user.user)),
      ("TERM", host("TERM") ?? "linux"), ("HOSTNAME", hostname),
    ]
    for setting in settings {
      // By bytes: a Character may be an equals sign with an accent on it.
      let equals = setting.utf8.firstIndex(of: UInt8(ascii: "="))
      let name = String(setting[..<(equals ?? setting.endIndex)])
      if name.isEmpty { throw Failure("-e '\(setting)' names no variable: write -e NAME=VALUE") }
      let given = equals.map { String(setting[setting.utf8.index(after: $0)...]) }
      guard let value = given ?? host(name) else { continue }
      values.removeAll { $0.name == name }
      values.append((name, value))
    }
    return values.map { "\($0.name)=\($0.value)" }
  }
}
