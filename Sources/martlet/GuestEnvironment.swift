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
      let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let name = parts.first, !name.isEmpty else {
        throw Failure("-e '\(setting)' names no variable: write -e NAME=VALUE")
      }
      guard let value = parts.count == 2 ? parts[1] : host(name) else { continue }
      values.removeAll { $0.name == name }
      values.append((name, value))
    }
    return values.map { "\($0.name)=\($0.value)" }
  }
}
