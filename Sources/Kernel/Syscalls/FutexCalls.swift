import CLinux
import Machine

/// Implements futex(2). Errors: EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS, ETIMEDOUT.
///
/// - Differs from Linux: the priority-inheriting operations are ENOSYS.
func sysFutex(_ task: Task, _ a: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let operation = a.i1
  let isPrivate = operation & FUTEX_PRIVATE_FLAG != 0
  let isRealtime = operation & FUTEX_CLOCK_REALTIME != 0
  let command = operation & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)
  let address = UInt(bitPattern: a.a0), other = UInt(bitPattern: a.a4)
  let value = UInt32(bitPattern: a.i2), third = UInt32(bitPattern: a.i5)
  if isRealtime && command != FUTEX_WAIT_BITSET { throw .noCall }
  switch command {
  case FUTEX_WAKE:
    return .value(try task.futexWake(address, a.i2, isPrivate: isPrivate))
  case FUTEX_WAIT, FUTEX_WAIT_BITSET:
    var deadline = ClockDeadline.never
    let timeout: UserPointer<TimeSpec> = a.pointer3()
    if !timeout.isNull {
      let time = try timeout.copyIn().checked()
      deadline =
        command == FUTEX_WAIT
        ? ClockDeadline(after: time)
        : ClockDeadline(clock: isRealtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, nanoseconds: time)
    }
    let wait = FutexWait(
      address: address, value: value, bitset: command == FUTEX_WAIT ? .max : third, isPrivate: isPrivate,
      deadline: deadline)
    return try wait.run(task)
  case FUTEX_WAKE_BITSET:
    return .value(try task.futexWake(address, a.i2, isPrivate: isPrivate, bitset: third))
  case FUTEX_REQUEUE, FUTEX_CMP_REQUEUE:
    return .value(
      try task.futexRequeue(
        address, to: other, wakes: a.i2, moved: a.i3, isPrivate: isPrivate,
        expected: command == FUTEX_CMP_REQUEUE ? third : nil))
  case FUTEX_WAKE_OP:
    return .value(
      try task.futexWakeOperation(address, other, a.i2, a.i3, FutexOperation(third), isPrivate: isPrivate))
  default:
    throw .noCall
  }
}

/// A wait, which goes on after a signal that no handler took.
private struct FutexWait {
  var address: UInt
  var value: UInt32
  var bitset: UInt32
  var isPrivate: Bool
  var deadline: ClockDeadline

  func run(_ task: Task) throws(Errno) -> SyscallOutcome {
    do throws(Errno) {
      try task.futexWait(address, value, isPrivate: isPrivate, bitset: bitset, until: deadline)
    } catch {
      guard error == .restart, !deadline.isNever else { throw error }
      // Its time goes on meanwhile, so the call itself cannot simply be made again.
      let flags: UInt64 = (isPrivate ? 1 : 0) | UInt64(UInt32(bitPattern: deadline.clock)) &<< 32
      throw task.restart(
        RestartBlock(a: UInt64(address), b: UInt64(value) | UInt64(bitset) &<< 32, c: flags, d: deadline.nanoseconds) {
          (task: Task, block: RestartBlock) throws(Errno) -> SyscallOutcome in try FutexWait(block).run(task)
        })
    }
    return .value(0)
  }
}
extension FutexWait {
  init(_ block: RestartBlock) {
    address = UInt(block.a)
    value = UInt32(truncatingIfNeeded: block.b)
    bitset = UInt32(truncatingIfNeeded: block.b &>> 32)
    isPrivate = block.c & 1 != 0
    deadline = ClockDeadline(clock: Int32(truncatingIfNeeded: block.c &>> 32), nanoseconds: block.d)
  }
}
