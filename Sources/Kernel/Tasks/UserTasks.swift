import CLinux
import Machine

/// How many tasks each user has, for RLIMIT_NPROC. Root's are not counted: it has no limit.
public final class UserTasks {
  private struct Entry {
    var user: UInt32
    var count: Int
  }
  private let entries = SpinLock([Entry](), rank: .leaf)
  public init() {}

  func add(_ user: UInt32) {
    if user == 0 { return }
    entries.withLock { entries in
      for i in entries.indices where entries[i].user == user {
        entries[i].count &+= 1
        return
      }
      entries.append(Entry(user: user, count: 1))
    }
  }
  func remove(_ user: UInt32) {
    if user == 0 { return }
    entries.withLock { entries in
      for i in entries.indices where entries[i].user == user {
        entries[i].count &-= 1
        if entries[i].count <= 0 {
          entries.swapAt(i, entries.count - 1)
          entries.removeLast()
        }
        return
      }
    }
  }
  func count(_ user: UInt32) -> Int {
    entries.withLock { entries in
      for entry in entries where entry.user == user { return entry.count }
      return 0
    }
  }
}

/// Set at boot.
public let userTasks = KernelGlobal<UserTasks>()

extension Task {
  /// The user in whose count it is: the real one.
  var countedUser: UInt32 { credentials.borrowed.with { $0.uid } }

  /// RLIMIT_NPROC, before clone(2). Errors: EAGAIN.
  func checkProcessLimit() throws(Errno) {
    try credentials.borrowed.with { (mine) throws(Errno) in
      if mine.uid == 0 || mine.has(CAP_SYS_RESOURCE) || mine.has(CAP_SYS_ADMIN) { return }
      let limit = process.limits[RLIMIT_NPROC].soft
      if UInt64(userTasks.with { $0.count(mine.uid) }) >= limit { throw .wouldBlock }
    }
  }
}
