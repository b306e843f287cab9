import CMachine

/// What service threads leave for a vCPU to do, since they own none: they allocate and free nothing.
enum Posts {
  /// A space whose process is gone: a vCPU drops the table's count. Called without the lock.
  static func release(_ space: consuming HostSpace) {
    let borrowed = Borrowed(space)
    borrowed.retain()                 // the list's; the caller's own goes with the drain's second release
    Scheduler.lock()
    unsafe postedSpaces.append(borrowed.object)
    Scheduler.unlock()
    unsafe kick(machine_vcpu_at(0))
  }

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
