import Machine
import Synchronization

/// Something that happens once and that others wait for: the child's exec or exit after vfork(2).
public final class Completion {
  private let isDone = Atomic<Bool>(false)
  private let queue = WaitQueue()
  public init() {}

  public func complete() {
    isDone.store(true, ordering: .sequentiallyConsistent)
    queue.wakeAll()
  }
  /// Errors: `.restart` where the wait was interrupted.
  public func wait(_ mode: WaitMode, until deadline: Deadline = .never) throws(Errno) {
    try queue.wait(mode, until: deadline) { isDone.load(ordering: .acquiring) }
  }
}
