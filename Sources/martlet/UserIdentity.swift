import ArgumentParser

/// `-u UID[:GID]`; the group is the user's number when it is not given.
struct UserIdentity: ExpressibleByArgument, Equatable {
  static let root = UserIdentity(user: 0, group: 0)

  let user: UInt32
  let group: UInt32

  init(user: UInt32, group: UInt32) {
    self.user = user
    self.group = group
  }

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let user = UInt32(parts[0]), user != .max,
      let group = parts.count == 2 ? UInt32(parts[1]) : user, group != .max
    else { return nil }
    self.init(user: user, group: group)
  }

  var defaultValueDescription: String { "\(user):\(group)" }
}
