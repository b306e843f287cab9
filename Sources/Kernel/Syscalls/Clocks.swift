import CLinux
import Machine

// System calls on clocks, and sleeping on them: time(7). The clocks are the host's, so setting them is EPERM.

/// Implements clock_gettime(2). Errors: EINVAL, EFAULT.
func sysClockGettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let now = try GuestClock(a.i0, for: task).now
  try (a.pointer1() as UserPointer<TimeSpec>).copyOut(TimeSpec(now))
  return .value(0)
}

/// Implements clock_getres(2). Errors: EINVAL, EFAULT.
func sysClockGetres(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let resolution = try GuestClock(a.i0, for: task).resolution
  let pointer: UserPointer<TimeSpec> = a.pointer1()
  if !pointer.isNull { try pointer.copyOut(TimeSpec(resolution)) }
  return .value(0)
}

/// Implements clock_settime(2). Errors: EINVAL, EFAULT, EPERM always.
func sysClockSettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard case .host(let clock) = try GuestClock(a.i0, for: task), clock == CLOCK_REALTIME else { throw .invalid }
  _ = try (a.pointer1() as UserPointer<TimeSpec>).copyIn().checked()
  throw .notPermitted
}

/// struct timezone: nothing, as Linux has it where nobody set it.
private struct TimeZone {
  var minutesWest: Int32 = 0
  var type: Int32 = 0
}

/// Implements gettimeofday(2). Errors: EFAULT.
func sysGettimeofday(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time: UserPointer<TimeValue> = a.pointer0(), zone: UserPointer<TimeZone> = a.pointer1()
  if !time.isNull { try time.copyOut(TimeValue(Clock.realtime())) }
  if !zone.isNull { try zone.copyOut(TimeZone()) }
  return .value(0)
}

/// Implements settimeofday(2). Errors: EINVAL, EFAULT, EPERM always.
func sysSettimeofday(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time: UserPointer<TimeValue> = a.pointer0()
  if !time.isNull { _ = try time.copyIn().checked() }
  throw .notPermitted
}

/// Implements time(2). Errors: EFAULT.
func sysTime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let seconds = Int(Clock.realtime() / 1_000_000_000)
  let pointer: UserPointer<Int> = a.pointer0()
  if !pointer.isNull { try pointer.copyOut(seconds) }
  return .value(seconds)
}

/// Implements nanosleep(2). Errors: EFAULT, EINTR, EINVAL.
func sysNanosleep(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time = try (a.pointer0() as UserPointer<TimeSpec>).copyIn().checked()
  try task.sleep(until: ClockDeadline(after: time), remaining: UInt(bitPattern: a.a1))
  return .value(0)
}

/// Implements clock_nanosleep(2). Errors: EFAULT, EINTR, EINVAL, EOPNOTSUPP.
func sysClockNanosleep(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let clock = try GuestClock(a.i0, for: task)
  guard clock.hasTimers else { throw .notSupported }
  let time = try (a.pointer2() as UserPointer<TimeSpec>).copyIn().checked()
  let isAbsolute = a.i1 & TIMER_ABSTIME != 0
  switch clock {
  case .host(let id):
    if isAbsolute {
      do throws(Errno) { try task.sleep(until: ClockDeadline(clock: id, nanoseconds: time)) } catch {
        throw error == .restart ? .restartUnlessHandled : error
      }
    } else {
      // A relative sleep does not follow a clock that is set.
      try task.sleep(until: ClockDeadline(after: time), remaining: UInt(bitPattern: a.a3))
    }
  case .process(let process):
    let target = isAbsolute ? time : process.cpuTime &+ time
    do throws(Errno) { try task.sleep(untilUsed: target, by: process) } catch {
      throw error == .restart ? .restartUnlessHandled : error
    }
  case .thread: throw .notSupported
  }
  return .value(0)
}
