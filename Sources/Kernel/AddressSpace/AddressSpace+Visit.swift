import CLinux
import Machine
import Synchronization

// Work of one task in another's memory: /proc/PID/mem, cmdline, environ, process_vm_readv(2).

extension AddressSpace {
  /// One more user, unless the last one has left. A visitor counts as one, so that the memory stays what it is: an exec in
  /// the meantime moves elsewhere.
  public func enter() -> Bool {
    var now = users.load(ordering: .relaxed)
    while now > 0 {
      let (isDone, was) = users.compareExchange(expected: now, desired: now + 1, ordering: .acquiringAndReleasing)
      if isDone { return true }
      now = was
    }
    return false
  }

  /// Takes it over from its only user, the caller, for an exec in place: nobody enters any more.
  func claim() -> Bool { users.compareExchange(expected: 1, desired: 0, ordering: .acquiringAndReleasing).exchanged }

  /// Runs `body` with this as the guest memory that copies reach, its faults resolved here. Errors: ESRCH where it is gone,
  /// and what `body` throws.
  public func visit<R>(_ task: Task, _ body: () throws(Errno) -> R) throws(Errno) -> R {
    guard enter() else { throw .noProcess }
    let before = task.visited
    task.visited = Borrowed(self)  // the count above keeps it, the reference the caller's
    defer {
      task.visited = before
      leave()
    }
    return try host.run(body)
  }
}
