import CLinux
import Machine

/// Implements Linux syscall poll(2).
func sysPoll(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let timeout = PollTimeout(milliseconds: arguments.i2)
  return try pollAgain(task, arguments.pointer0(), arguments.a1, timeout)
}
/// poll(2) that, interrupted where no handler runs (a stop and SIGCONT), goes on to the same deadline.
private func pollAgain(
  _ task: Task, _ pointer: UserPointer<UInt8>, _ count: Int, _ timeout: PollTimeout
) throws(Errno) -> SyscallOutcome {
  do throws(Errno) { return .value(try poll(task, pointer, count, timeout)) } catch {
    guard error == .restartUnlessHandled else { throw error }
    let block = RestartBlock(
      a: UInt64(pointer.address), b: UInt64(bitPattern: Int64(count)), c: timeout.deadline.nanoseconds
    ) { (task: Task, block: RestartBlock) throws(Errno) -> SyscallOutcome in
      let timeout = PollTimeout(deadline: Deadline(nanoseconds: block.c))
      return try pollAgain(task, UserPointer(UInt(block.a)), Int(truncatingIfNeeded: block.b), timeout)
    }
    throw task.restart(block)
  }
}

/// Implements Linux syscall ppoll: poll(2).
func sysPpoll(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time: UserPointer<linux_timespec> = arguments.pointer2()
  let timeout = try copyInTimeout(time)
  let result = withTemporaryMask(task, arguments.pointer3(), arguments.a4) { () throws(Errno) -> Int in
    try poll(task, arguments.pointer0(), arguments.a1, timeout)
  }
  return .value(
    try finish(result, timeout) { (left) throws(Errno) in
      if !time.isNull { try time.copyOut(timespec(left)) }
    })
}

/// Implements Linux syscall select(2).
func sysSelect(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time: UserPointer<linux_timeval> = arguments.pointer4()
  var timeout = PollTimeout.never
  if !time.isNull {
    let value = try time.copyIn()
    let microseconds = Int(truncatingIfNeeded: value.tv_usec)
    let seconds = Int(truncatingIfNeeded: value.tv_sec) &+ microseconds / 1_000_000
    timeout = try PollTimeout(seconds: seconds, nanoseconds: microseconds % 1_000_000 &* 1000)
  }
  let result: Result<Int, Errno>
  do throws(Errno) { result = .success(try select(task, arguments, timeout)) } catch { result = .failure(error) }
  return .value(
    try finish(result, timeout) { (left) throws(Errno) in
      if time.isNull { return }
      var value = linux_timeval()
      value.tv_sec = .init(truncatingIfNeeded: left / 1_000_000_000)
      value.tv_usec = .init(truncatingIfNeeded: left % 1_000_000_000 / 1000)
      try time.copyOut(value)
    })
}

/// Implements Linux syscall pselect6: select(2).
func sysPselect6(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let time: UserPointer<linux_timespec> = arguments.pointer4()
  let timeout = try copyInTimeout(time)
  // The sixth argument points at the mask's address and its size.
  let packed: UserPointer<UInt> = arguments.pointer5()
  var mask = UserPointer<UInt64>(0)
  var maskSize = 0
  if !packed.isNull {
    mask = UserPointer(try packed.copyIn())
    maskSize = Int(bitPattern: try packed.advanced(by: 1).copyIn())
  }
  let result = withTemporaryMask(task, mask, maskSize) { () throws(Errno) -> Int in
    try select(task, arguments, timeout)
  }
  return .value(
    try finish(result, timeout) { (left) throws(Errno) in
      if !time.isNull { try time.copyOut(timespec(left)) }
    })
}

/// Errors: EFAULT, EINVAL.
func copyInTimeout(_ time: UserPointer<linux_timespec>) throws(Errno) -> PollTimeout {
  if time.isNull { return .never }
  let value = try time.copyIn()
  return try PollTimeout(
    seconds: Int(truncatingIfNeeded: value.tv_sec), nanoseconds: Int(truncatingIfNeeded: value.tv_nsec))
}

private func timespec(_ nanoseconds: UInt64) -> linux_timespec {
  var value = linux_timespec()
  value.tv_sec = .init(truncatingIfNeeded: nanoseconds / 1_000_000_000)
  value.tv_nsec = .init(truncatingIfNeeded: nanoseconds % 1_000_000_000)
  return value
}

/// Writes what is left of the time, as Linux does; where that fails an interrupted call is not restarted, for it would
/// wait anew.
private func finish(
  _ result: Result<Int, Errno>, _ timeout: PollTimeout, _ write: (UInt64) throws(Errno) -> Void
) throws(Errno) -> Int {
  if !timeout.isImmediate && !timeout.deadline.isNever {
    do throws(Errno) { try write(timeout.remaining) } catch {
      if case .failure(.restartUnlessHandled) = result { throw .interrupted }
    }
  }
  return try result.get()
}

/// Runs `body` with the signal mask at `mask` (none: the task's own). Where `body` is interrupted the mask stays until the
/// signal's frame is built, on the way out.
func withTemporaryMask(
  _ task: Task, _ mask: UserPointer<UInt64>, _ size: Int, _ body: () throws(Errno) -> Int
) -> Result<Int, Errno> {
  do throws(Errno) {
    if mask.isNull { return .success(try body()) }
    guard size == 8 else { throw .invalid }
    task.setTemporaryMask(try mask.copyIn())
  } catch {
    return .failure(error)
  }
  do throws(Errno) {
    let result = try body()
    task.restoreTemporaryMask()
    return .success(result)
  } catch {
    task.restoreTemporaryMask(wasInterrupted: error == .restartUnlessHandled || error == .interrupted)
    return .failure(error)
  }
}

/// Errors: EINVAL, EFAULT, ENOMEM, `.restartUnlessHandled`.
private func poll(
  _ task: Task, _ pointer: UserPointer<UInt8>, _ count: Int, _ timeout: PollTimeout
) throws(Errno) -> Int {
  let count = Int(UInt32(truncatingIfNeeded: count))
  guard count <= task.process.limits.soft(RLIMIT_NOFILE) else { throw .invalid }
  return try task.withPoller { (poller) throws(Errno) -> Int in
    if count &* PollList.stride <= poller.scratch.count {
      return try poll(task, poller, poller.scratch.bytes, pointer, count, timeout)
    }
    let buffer = try KernelBuffer(count: count &* PollList.stride)
    return try poll(task, poller, buffer.bytes, pointer, count, timeout)
  }
}

private func poll(
  _ task: Task, _ poller: Poller, _ memory: KernelBytes, _ pointer: UserPointer<UInt8>, _ count: Int,
  _ timeout: PollTimeout
) throws(Errno) -> Int {
  let bytes = memory.slice(0, count &* PollList.stride)
  try pointer.copyIn(to: bytes)
  let list = PollList(bytes: bytes, count: count)
  var ready = 0
  var failure: Errno?
  do throws(Errno) {
    ready = try waitForFiles(poller, timeout) { (registers) throws(Errno) -> Int in list.scan(task, poller, registers) }
  } catch {
    failure = error == .interrupted ? .restartUnlessHandled : error
  }
  // Only what is the kernel's to write: another thread may be changing the rest.
  for i in 0..<count {
    let at = i &* PollList.stride &+ 6
    try UserPointer<UInt16>(pointer.address).offset(bytes: at).copyOut(bytes.load(at, as: UInt16.self))
  }
  if let failure { throw failure }
  return ready
}

/// Errors: EINVAL, EFAULT, EBADF, ENOMEM, `.restartUnlessHandled`.
private func select(_ task: Task, _ arguments: SyscallArguments, _ timeout: PollTimeout) throws(Errno) -> Int {
  guard arguments.i0 >= 0 else { throw .invalid }
  let count = min(Int(arguments.i0), 1 << 20)
  let needed = SelectSets.size(count) &* 6
  return try task.withPoller { (poller) throws(Errno) -> Int in
    if needed <= poller.scratch.count {
      return try select(task, poller, poller.scratch.bytes, count, arguments, timeout)
    }
    let buffer = try KernelBuffer(count: needed)
    return try select(task, poller, buffer.bytes, count, arguments, timeout)
  }
}

private func select(
  _ task: Task, _ poller: Poller, _ memory: KernelBytes, _ count: Int, _ arguments: SyscallArguments,
  _ timeout: PollTimeout
) throws(Errno) -> Int {
  let sets = SelectSets(bytes: memory, descriptors: count)
  let size = sets.size
  let pointers: InlineArray<3, UserPointer<UInt8>> = [arguments.pointer1(), arguments.pointer2(), arguments.pointer3()]
  for i in 0..<3 {
    let set = memory.slice(i &* size, size)
    if pointers[i].isNull { set.clear() } else { try pointers[i].copyIn(to: set) }
  }
  let ready: Int
  do throws(Errno) {
    ready = try waitForFiles(poller, timeout) { (registers) throws(Errno) -> Int in
      try sets.scan(task, poller, registers)
    }
  } catch {
    throw error == .interrupted ? .restartUnlessHandled : error
  }
  for i in 0..<3 where !pointers[i].isNull { try pointers[i].copyOut(memory.slice((i &+ 3) &* size, size)) }
  return ready
}
