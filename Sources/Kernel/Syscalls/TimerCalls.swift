import CLinux
import Machine

// System calls on timers: timer_create(2), setitimer(2), timerfd_create(2) and their like.

/// struct itimerspec.
private struct TimerSpec: BitwiseCopyable {
  var interval: TimeSpec
  var value: TimeSpec
  init(_ setting: TimerSetting) {
    interval = TimeSpec(setting.interval)
    value = TimeSpec(setting.target)
  }
}
/// struct itimerval.
private struct TimerValue: BitwiseCopyable {
  var interval: TimeValue
  var value: TimeValue
  init(_ setting: TimerSetting) {
    interval = TimeValue(setting.interval)
    // Rounded up: a timer that is set never says zero.
    value = TimeValue(setting.target &+ 999)
  }
}
/// struct sigevent.
private struct TimerEvent: BitwiseCopyable {
  var value: UInt64
  var signal: Int32
  var notify: Int32
  var thread: Int32
  var padding: Int32
  var rest: InlineArray<5, UInt64>
}

// MARK: setitimer(2)

/// Implements getitimer(2). Errors: EINVAL, EFAULT.
func sysGetitimer(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.i0 >= 0, a.i0 < 3 else { throw .invalid }
  let setting = task.process.signals.timers.interval(Int(a.i0))
  try (a.pointer1() as UserPointer<TimerValue>).copyOut(TimerValue(setting))
  return .value(0)
}

/// Implements setitimer(2). Errors: EINVAL, EFAULT.
func sysSetitimer(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<TimerValue> = a.pointer1(), oldPointer: UserPointer<TimerValue> = a.pointer2()
  var value: UInt64 = 0, interval: UInt64 = 0
  if !pointer.isNull {
    let new = try pointer.copyIn()
    value = try new.value.checked()
    interval = try new.interval.checked()
  }
  guard a.i0 >= 0, a.i0 < 3 else { throw .invalid }
  let old = task.process.signals.timers.setInterval(Int(a.i0), task.process, value: value, interval: interval)
  if !oldPointer.isNull { try oldPointer.copyOut(TimerValue(old)) }
  return .value(0)
}

/// Implements alarm(2).
func sysAlarm(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let seconds = UInt64(UInt32(truncatingIfNeeded: a.a0))
  let old = task.process.signals.timers.setInterval(0, task.process, value: seconds &* 1_000_000_000, interval: 0)
  // Rounded, but never to zero, as Linux does.
  let whole = old.target / 1_000_000_000, rest = old.target % 1_000_000_000
  let isMore = rest >= 500_000_000 || whole == 0 && rest > 0
  return .value(Int(whole &+ (isMore ? 1 : 0)))
}

// MARK: timer_create(2)

/// Implements timer_create(2). Errors: EAGAIN, EFAULT, EINVAL, EOPNOTSUPP.
func sysTimerCreate(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let process = task.process
  let clock = try GuestClock(a.i0, for: task)
  guard clock.hasTimers else { throw .notSupported }
  let source: TimerSource
  switch clock {
  case .host(let id): source = .host(id)
  case .process(let its):
    guard its === process else { throw .invalid }
    source = .process(Borrowed(process))
  case .thread(let its): source = .thread(its.id, Borrowed(process))
  }
  let event: UserPointer<TimerEvent> = a.pointer1()
  var given: TimerNotice?
  if !event.isNull { given = try checkedNotice(task, event.copyIn()) }
  let limit = task.credentials.borrowed.with {
    SignalLimit(user: $0.uid, limit: UInt64(process.limits.soft(RLIMIT_SIGPENDING)))
  }
  let id = try process.signals.timers.create(process, source, limit) { id in
    given ?? TimerNotice(signal: SIGALRM, value: UInt64(UInt32(bitPattern: id)))
  }
  do throws(Errno) { try (a.pointer2() as UserPointer<Int32>).copyOut(id) } catch {
    try? process.signals.timers.delete(id)
    throw error
  }
  return .value(0)
}

private func checkedNotice(_ task: Task, _ event: TimerEvent) throws(Errno) -> TimerNotice {
  var notice = TimerNotice(signal: event.signal, value: event.value)
  switch event.notify {
  case 1: notice.signal = 0  // SIGEV_NONE
  case 0, 2: guard Signal.isValid(event.signal) else { throw .invalid }
  case 4:  // SIGEV_THREAD_ID
    guard Signal.isValid(event.signal), let thread = Processes.findTask(Int(event.thread)),
      thread.process === task.process
    else { throw .invalid }
    notice.thread = thread.id
  default: throw .invalid
  }
  return notice
}

/// Implements timer_settime(2). Errors: EINVAL, EFAULT.
func sysTimerSettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let pointer: UserPointer<TimerSpec> = a.pointer2(), oldPointer: UserPointer<TimerSpec> = a.pointer3()
  if pointer.isNull { throw .invalid }
  let new = try pointer.copyIn()
  let value = try new.value.checked(), interval = try new.interval.checked()
  let isAbsolute = a.i1 & TIMER_ABSTIME != 0
  let old = try task.process.signals.timers.withTimer(a.i0) { timer -> TimerSetting in
    timer.forget()
    return timer.set(value, isAbsolute: isAbsolute, interval: interval)
  }
  if !oldPointer.isNull { try oldPointer.copyOut(TimerSpec(old)) }
  return .value(0)
}

/// Implements timer_gettime(2). Errors: EINVAL, EFAULT.
func sysTimerGettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let setting = try task.process.signals.timers.withTimer(a.i0) { $0.left }
  try (a.pointer1() as UserPointer<TimerSpec>).copyOut(TimerSpec(setting))
  return .value(0)
}

/// Implements timer_getoverrun(2). Errors: EINVAL.
func sysTimerGetoverrun(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(Int(try task.process.signals.timers.withTimer(a.i0) { $0.overrun }))
}

/// Implements timer_delete(2). Errors: EINVAL.
func sysTimerDelete(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.process.signals.timers.delete(a.i0)
  return .value(0)
}

// MARK: timerfd_create(2)

/// Implements timerfd_create(2). Errors: EINVAL, EMFILE, EPERM.
func sysTimerfdCreate(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard a.i1 & ~(O_CLOEXEC | O_NONBLOCK) == 0 else { throw .invalid }
  var clock = a.i0
  switch clock {
  case CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME: break
  case CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM:
    guard task.credentials.borrowed.with({ $0.has(CAP_WAKE_ALARM) }) else { throw .notPermitted }
    clock = clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : CLOCK_BOOTTIME
  default: throw .invalid
  }
  let file = TimerFile(clock: clock, flags: O_RDWR | a.i1 & O_NONBLOCK)
  return .value(try install(task, file, closeOnExec: a.i1 & O_CLOEXEC != 0))
}

/// Implements timerfd_settime(2). Errors: EBADF, EFAULT, EINVAL.
func sysTimerfdSettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let new = try (a.pointer2() as UserPointer<TimerSpec>).copyIn()
  guard a.i1 & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) == 0 else { throw .invalid }
  let value = try new.value.checked(), interval = try new.interval.checked()
  let isAbsolute = a.i1 & TFD_TIMER_ABSTIME != 0
  let isCancelled = isAbsolute && a.i1 & TFD_TIMER_CANCEL_ON_SET != 0
  let old = try task.withFile(a.i0) { (file) throws(Errno) -> TimerSetting in
    guard let file = file as? TimerFile else { throw .invalid }
    return file.set(value, isAbsolute: isAbsolute, interval: interval, isCancelled: isCancelled)
  }
  let oldPointer: UserPointer<TimerSpec> = a.pointer3()
  if !oldPointer.isNull { try oldPointer.copyOut(TimerSpec(old)) }
  return .value(0)
}

/// Implements timerfd_gettime(2). Errors: EBADF, EFAULT, EINVAL.
func sysTimerfdGettime(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let setting = try task.withFile(a.i0) { (file) throws(Errno) -> TimerSetting in
    guard let file = file as? TimerFile else { throw .invalid }
    return file.left
  }
  try (a.pointer1() as UserPointer<TimerSpec>).copyOut(TimerSpec(setting))
  return .value(0)
}
