import CLinux
import Machine

extension Task {
  /// The key of the futex at `address`. Errors: EINVAL (alignment), EFAULT.
  func futexKey(_ address: UInt, isPrivate: Bool) throws(Errno) -> FutexKey {
    guard address & 3 == 0 else { throw .invalid }
    guard isGuestRange(address, 4), let space = addressSpace.borrowed else { throw .fault }
    if !isPrivate {
      // Whose it is only a page can tell that is there.
      _ = try UserPointer<UInt32>(address).load()
      switch space.with({ $0.futexMemory(address) }) {
      case .shared(let object, let offset): return FutexKey(object: object, offset: offset)
      case .constant: throw .fault
      case .own: break
      }
    }
    return FutexKey(object: space.identity, offset: address)
  }

  /// FUTEX_WAIT, FUTEX_WAIT_BITSET: sleeps while the word has `value`, until woken. Errors: EAGAIN where the word is
  /// another, ETIMEDOUT, EFAULT, EINVAL, `.restart`.
  func futexWait(
    _ address: UInt, _ value: UInt32, isPrivate: Bool, bitset: UInt32, until deadline: ClockDeadline
  ) throws(Errno) {
    guard bitset != 0 else { throw .invalid }
    let key = try futexKey(address, isPrivate: isPrivate)
    let waiter = futexWaiter
    let word = UserPointer<UInt32>(address)
    try futexes.with { (table) throws(Errno) in
      table.enqueue(waiter, key, bitset)
      let now: UInt32
      do throws(Errno) { now = try word.load() } catch {
        if table.dequeue(waiter) { return }
        throw error
      }
      if now != value {
        // A wake-up that came meanwhile was meant for somebody: it must not be lost.
        if table.dequeue(waiter) { return }
        throw .wouldBlock
      }
      var problem: Errno?
      while true {
        prepareToSleep(.interruptible)
        if waiter.state == FutexWaiter.State.idle { break }
        if mustStopWaiting(.interruptible) {
          problem = .restart
          break
        }
        if deadline.hasPassed {
          problem = .timedOut
          break
        }
        Scheduler.sleep(until: deadline.next)
        if waiter.state == FutexWaiter.State.idle { break }
      }
      stopWaiting()
      if let problem, !table.dequeue(waiter) { throw problem }
    }
  }

  /// FUTEX_WAKE, FUTEX_WAKE_BITSET. Errors: EINVAL, EFAULT.
  func futexWake(_ address: UInt, _ count: Int32, isPrivate: Bool, bitset: UInt32 = .max) throws(Errno) -> Int {
    guard bitset != 0 else { throw .invalid }
    let key = try futexKey(address, isPrivate: isPrivate)
    return futexes.with { $0.wake(key, count: Int(count), bitset: bitset) }
  }

  /// FUTEX_REQUEUE, and FUTEX_CMP_REQUEUE where `expected` is given. Errors: EAGAIN, EINVAL, EFAULT.
  func futexRequeue(
    _ address: UInt, to other: UInt, wakes: Int32, moved: Int32, isPrivate: Bool, expected: UInt32?
  ) throws(Errno) -> Int {
    guard wakes >= 0, moved >= 0 else { throw .invalid }
    let from = try futexKey(address, isPrivate: isPrivate)
    let to = try futexKey(other, isPrivate: isPrivate)
    return try futexes.with { (table) throws(Errno) -> Int in
      try table.requeue(from, to, wakes: Int(wakes), moved: Int(moved)) { () throws(Errno) in
        guard let expected else { return }
        if try UserPointer<UInt32>(address).load() != expected { throw .wouldBlock }
      }
    }
  }

  /// FUTEX_WAKE_OP: changes the word at `other` and wakes those who wait on it where its old value compares as
  /// `operation` says. Errors: ENOSYS, EINVAL, EFAULT.
  func futexWakeOperation(
    _ address: UInt, _ other: UInt, _ count: Int32, _ otherCount: Int32, _ operation: FutexOperation, isPrivate: Bool
  ) throws(Errno) -> Int {
    let first = try futexKey(address, isPrivate: isPrivate)
    let second = try futexKey(other, isPrivate: isPrivate)
    let word = UserPointer<UInt32>(other)
    var old = try word.load()
    while true {
      guard let new = operation.apply(old) else { throw .noCall }
      let found = try word.compareExchange(old, new)
      if found == old { break }
      old = found
      if isInterrupted(Interruption.kill) { throw .restart }
    }
    var woken = futexes.with { $0.wake(first, count: Int(count)) }
    guard let isTrue = operation.compares(old) else { throw .noCall }
    if isTrue { woken &+= futexes.with { $0.wake(second, count: Int(otherCount)) } }
    return woken
  }

  /// Wakes one that waits on `address` in the caller's memory.
  func wakeAddress(_ address: UInt) { _ = try? futexWake(address, 1, isPrivate: false) }
}

/// The encoded operation of FUTEX_WAKE_OP.
struct FutexOperation: Equatable {
  let code: UInt32
  init(_ code: UInt32) { self.code = code }

  private static func signed(_ value: UInt32) -> Int32 { Int32(bitPattern: value &<< 20) &>> 20 }
  /// The word's new value; nil where there is no such operation.
  func apply(_ old: UInt32) -> UInt32? {
    var argument = UInt32(bitPattern: Self.signed(code &>> 12 & 0xfff))
    if code &>> 28 & 8 != 0 { argument = 1 &<< (argument & 31) }
    switch code &>> 28 & 7 {
    case 0: return argument
    case 1: return old &+ argument
    case 2: return old | argument
    case 3: return old & ~argument
    case 4: return old ^ argument
    default: return nil
    }
  }
  /// Whether the old value fits; nil where there is no such comparison.
  func compares(_ old: UInt32) -> Bool? {
    let old = Int32(bitPattern: old), argument = Self.signed(code & 0xfff)
    switch code &>> 24 & 15 {
    case 0: return old == argument
    case 1: return old != argument
    case 2: return old < argument
    case 3: return old <= argument
    case 4: return old > argument
    case 5: return old >= argument
    default: return nil
    }
  }
}
