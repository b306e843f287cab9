import CLinux
import CMachine

/// Service threads of root for host calls that may block long: the task that asks sleeps meanwhile, and its vCPU runs
/// others. Host descriptors are common to all host processes; guest memory is not, so such a call is given none.
enum Workers {
  static var count: Int { 2 }

  /// A host call, made by a worker; returns what the host returned. Sleeps, whatever signals come. Addresses among the
  /// arguments are kernel memory's.
  static func call(_ number: Int32, _ a: Int, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0) -> Int {
    mightSleep()
    return Thread.withCurrent { thread in
      var work = unsafe Work(number: number, arguments: (a, b, c, d), thread: Borrowed(thread).bits)
      return unsafe withUnsafeMutablePointer(to: &work) { work in
        Scheduler.lock()
        unsafe workQueue.append(work)
        Scheduler.unlock()
        unsafe arch_store32(machine_work(), 1)
        unsafe hostFutexWake(machine_work())
        while true {
          thread.prepareToSleep(.uninterruptible)
          if unsafe arch_load32(&work.pointee.isDone) != 0 { break }
          Scheduler.sleep(until: .never)
        }
        thread.stopWaiting()
        return unsafe work.pointee.result
      }
    }
  }

  /// A worker's life. It takes only the scheduler's lock, and touches a call's memory for the last time under it.
  static func run() -> Never {
    while true {
      unsafe _ = arch_exchange32(machine_work(), 0)
      Scheduler.lock()
      let next = unsafe workQueue.popFirst()
      Scheduler.unlock()
      guard let work = unsafe next else {
        unsafe hostFutexWait(machine_work(), 0)
        continue
      }
      let (number, arguments) = unsafe (work.pointee.number, work.pointee.arguments)
      var result: Int
      repeat {
        result = hostCall(number, arguments.0, arguments.1, arguments.2, arguments.3)
      } while result == -Int(EINTR)
      Scheduler.lock()
      unsafe work.pointee.result = result
      let thread = unsafe Borrowed<Thread>(bits: work.pointee.thread)
      unsafe arch_store32(&work.pointee.isDone, 1)
      // The thread may go on from here, but not end: that takes the lock.
      let kick = thread.with { Scheduler.wakeLocked($0) }
      Scheduler.unlock()
      kick?.deliver()
    }
  }
}

/// On the kernel stack of the thread that asks, which sleeps until `isDone`.
private struct Work {
  let number: Int32
  let arguments: (Int, Int, Int, Int)
  let thread: UnsafeMutableRawPointer
  var result = 0
  var isDone: UInt32 = 0
  var next: UnsafeMutablePointer<Work>?
}

/// First come, first served; under the scheduler's lock.
private struct WorkQueue {
  var first: UnsafeMutablePointer<Work>?
  var last: UnsafeMutablePointer<Work>?

  mutating func append(_ work: UnsafeMutablePointer<Work>) {
    if let last = unsafe last { unsafe last.pointee.next = work } else { unsafe first = work }
    unsafe last = work
  }
  mutating func popFirst() -> UnsafeMutablePointer<Work>? {
    guard let found = unsafe first else { return nil }
    unsafe first = found.pointee.next
    if unsafe first == nil { unsafe last = nil }
    return unsafe found
  }
}
nonisolated(unsafe) private var workQueue = unsafe WorkQueue()
