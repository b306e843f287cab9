import CMachine

extension Thread {
  /// The last step of making a thread: its first switch will run `begin` in `space`, with the registers that were set.
  public final func prepareToStart(in space: HostSpace) {
    self.space = space
    startOver()
  }

  /// CPU time so far, in nanoseconds. Takes the scheduler's lock.
  public final var cpuTime: UInt64 {
    Scheduler.lock()
    defer { Scheduler.unlock() }
    if !onProcessor { return runtime }
    let now = Clock.monotonic()
    return now > switchedIn ? runtime &+ (now &- switchedIn) : runtime
  }

  /// The stack pointer of a thread that has not started: clone(2)'s argument.
  public final func setStackPointer(_ value: UInt) { unsafe stack.frame.pointee.rsp = UInt64(value) }

  /// Whether a guest may have `value` as its thread pointer.
  public static func isThreadPointer(_ value: UInt64) -> Bool { value < 0x7fff_ffff_f000 }
}
