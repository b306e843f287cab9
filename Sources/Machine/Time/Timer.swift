import CMachine
import Synchronization

/// Something that happens at a time. Fires once for each `start`, on a vCPU, with no lock held but the timers' (a
/// `fire` takes only locks of a higher rank than `.timers`, or wakes; it may start itself anew).
open class Timer {
  final var deadline: UInt64 = 0  // all of these under the heap's lock
  final var index = -1  // in the heap; -1 not started
  final var processor = -1  // whose heap it is or was in
  public init() {}

  open func fire() {}

  /// Starts or restarts it for `deadline`; `.never` stops it.
  public final func start(_ deadline: Deadline) { Timers.start(self, deadline) }
  /// Stops it. When this returns, `fire` neither runs nor will.
  public final func stop() { Timers.stop(self) }
  public final var isStarted: Bool { index >= 0 }
}
