import CMachine

/// What service threads leave for a vCPU to do, since they own none: they allocate and free nothing.
enum Posts {
  /// A space whose process is gone: a vCPU drops the count, which was the table's. The scheduler's lock is held.
  static func release(_ space: Borrowed<HostSpace>) {
    unsafe space.with { unsafe postedSpaces.append($0) }
  }

  /// The scheduler's lock is held.
  static var isWaiting: Bool { unsafe !postedSpaces.isEmpty }

  /// On a vCPU, without the lock.
  static func drain() {
    guard unsafe !postedSpaces.isEmpty else { return }
    while true {
      Scheduler.lock()
      let found = unsafe postedSpaces.popFirst()
      Scheduler.unlock()
      guard let found else { return }
      found.release()
    }
  }
}
nonisolated(unsafe) var postedSpaces = IntrusiveList<HostSpace>()
