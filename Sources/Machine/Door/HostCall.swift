import CLinux
import CMachine

/// The one way to the host: everything else in this folder is a typed name for it. Returns what the host returned.
@inline(__always)
func hostCall(_ number: Int32, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0)
  -> Int
{
  arch_host_call(Int(number), a, b, c, d, e, f)
}

/// An error of the host. It becomes the guest's `Errno` only where that is decided: `guest`.
struct HostError: Error {
  let number: Int32
  init?(_ result: Int) {
    guard result < 0 && result > -4096 else { return nil }
    number = Int32(truncatingIfNeeded: -result)
  }
  /// The same number for the guest: for host calls that do what the guest asked for.
  var guest: Errno { Errno(number) }
}

@inline(__always) func hostYield() { _ = hostCall(__NR_sched_yield) }
@inline(__always) func hostFence() { unsafe arch_fence() }

func hostExit(_ status: Int) -> Never {
  while true { _ = hostCall(__NR_exit_group, status) }
}

/// Waits while `word` is `value`, until a wake, a signal, or the time on CLOCK_MONOTONIC. The words are shared memory.
func hostFutexWait(_ word: UnsafeMutablePointer<UInt32>, _ value: UInt32, until deadline: Deadline = .never) {
  if deadline.isNever {
    unsafe _ = hostCall(__NR_futex, Int(bitPattern: word), Int(FUTEX_WAIT), Int(value))
    return
  }
  var time = linux_timespec()
  time.tv_sec = Int(deadline.nanoseconds / 1_000_000_000)
  time.tv_nsec = Int(deadline.nanoseconds % 1_000_000_000)
  unsafe withUnsafePointer(to: time) { p in
    unsafe _ = hostCall(
      __NR_futex, Int(bitPattern: word), Int(FUTEX_WAIT_BITSET), Int(value), Int(bitPattern: p), 0, -1)
  }
}
func hostFutexWake(_ word: UnsafeMutablePointer<UInt32>, _ count: Int = 1) {
  unsafe _ = hostCall(__NR_futex, Int(bitPattern: word), Int(FUTEX_WAKE), count)
}
