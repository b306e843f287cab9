import CLinux
import Machine
import Synchronization

/// Waits for a host descriptor through the I/O thread: who wants to know of its readiness sleeps on `queue`.
///
/// The host's watch is oneshot, and one watch serves readers and writers. Whoever is on the queue looks, then arms, then
/// sleeps. When the watch fires, the I/O thread clears `armed` and wakes the whole queue, and each who still waits arms
/// again: so it does not matter whose events the last arming had.
public final class HostReadiness: IOWatcher {
  public let queue: WaitQueue
  private let armed = Atomic<UInt32>(0)

  /// `queue` may be shared by several descriptors that one thread looks after.
  public init(descriptor: Int32, queue: WaitQueue = WaitQueue()) {
    self.queue = queue
    super.init(descriptor: descriptor)
  }

  /// On the I/O thread.
  public override func ready(_ events: UInt32) {
    armed.store(0, ordering: .sequentiallyConsistent)
    queue.wakeAll(events: events)
  }

  /// Has the queue woken once any of `events` is there. Errors: EPERM where the host cannot tell (it is always ready).
  public func watch(_ events: UInt32) throws(Errno) {
    var wanted = armed.bitwiseOr(events, ordering: .sequentiallyConsistent).newValue
    while true {
      try arm(wanted)
      // Somebody who wanted more may have armed before this did.
      let now = armed.load(ordering: .sequentiallyConsistent)
      if now & ~wanted == 0 { return }
      wanted = now
    }
  }
}
