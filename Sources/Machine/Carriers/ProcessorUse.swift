import CMachine

/// What a vCPU did since boot: /proc/stat.
public struct ProcessorUse: Sendable {
  /// Nanoseconds that threads ran on it, the current one's included.
  public var busy: UInt64 = 0
  public var switches = 0
  /// Threads that run or wait to.
  public var runnable = 0
  public init() {}

  /// Of vCPU `id`, which is below `Scheduler.processorCount`. Takes the scheduler's lock.
  public static func of(_ id: Int) -> ProcessorUse {
    let now = Clock.monotonic()
    var result = ProcessorUse()
    Scheduler.lock()
    Processor.with(id) { processor in
      result.busy = processor.busy
      result.switches = processor.switches
      result.runnable = processor.queued
      // SAFETY: a current thread is alive while the lock is held.
      if let bits = unsafe processor.block.pointee.current {
        unsafe Borrowed<Thread>(bits: bits).with { thread in
          if now > thread.switchedIn { result.busy &+= now &- thread.switchedIn }
        }
        result.runnable &+= 1
      }
    }
    Scheduler.unlock()
    return result
  }
}

extension Thread {
  /// The vCPU that it runs on, or ran on last.
  public final var lastProcessor: Int { processor }
}
