import CLinux
import Machine

extension Task {
  /// Sleeps until `deadline`. Errors: `.restart` where a signal ends it early.
  func sleep(until deadline: ClockDeadline) throws(Errno) {
    defer { stopWaiting() }
    while true {
      prepareToSleep(.interruptible)
      if deadline.hasPassed { return }
      if mustStopWaiting(.interruptible) { throw .restart }
      Scheduler.sleep(until: deadline.next)
    }
  }

  /// nanosleep(2), and clock_nanosleep(2) without TIMER_ABSTIME: where a signal ends it early, the rest of the time goes to
  /// `remaining` (unless 0), and it goes on where no handler runs.
  func sleep(until deadline: ClockDeadline, remaining: UInt) throws(Errno) {
    do throws(Errno) { try sleep(until: deadline) } catch {
      let left = deadline.left
      if left == 0 { return }
      if remaining != 0 { try UserPointer<TimeSpec>(remaining).copyOut(TimeSpec(left)) }
      let clock = UInt64(UInt32(bitPattern: deadline.clock))
      throw restart(
        RestartBlock(a: deadline.nanoseconds, b: clock, c: UInt64(remaining)) {
          (task: Task, block: RestartBlock) throws(Errno) -> SyscallOutcome in
          let deadline = ClockDeadline(clock: Int32(truncatingIfNeeded: block.b), nanoseconds: block.a)
          try task.sleep(until: deadline, remaining: UInt(block.c))
          return .value(0)
        })
    }
  }

  /// Sleeps until `process` has used `target` nanoseconds of processor time. Errors: `.restart`.
  func sleep(untilUsed target: UInt64, by process: Process) throws(Errno) {
    while true {
      let now = process.cpuTime
      if now >= target { return }
      try sleep(until: ClockDeadline(after: process.leastTime(for: target &- now)))
    }
  }
}

extension Process {
  /// The least time in which it can use `amount` of processor time; at least a millisecond.
  func leastTime(for amount: UInt64) -> UInt64 {
    let threads = lock.withLock { UInt64(max($0.tasks.count, 1)) }
    return max(amount / threads, 1_000_000)
  }
}
