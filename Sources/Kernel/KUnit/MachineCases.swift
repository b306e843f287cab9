import CLinux
import Machine
import Synchronization

final class TestCounters {
  let a = Atomic<Int>(0), b = Atomic<Int>(0)
  let queueA = WaitQueue(), queueB = WaitQueue()
  let mutex = Mutex<Int>(0, rank: .machine)
  init() {}
}

func waitFor(_ queue: WaitQueue, _ k: KUnit, seconds: UInt64 = 20, for condition: () -> Bool) {
  do throws(Errno) {
    try queue.wait(.uninterruptible, until: .after(nanoseconds: seconds * 1_000_000_000)) { () throws(Errno) in
      condition()
    }
  } catch {
    k.expect(false, "timed out")
  }
}
func startThread(_ k: KUnit, _ body: @escaping () -> Void) {
  do throws(Errno) { try KernelThread.start(body) } catch { k.expect(false, "no thread") }
}

private final class Node {
  var next: Node?
  let number: Int
  init(_ number: Int) { self.number = number }
}

func machineSlab(_ k: KUnit) {
  let before = liveObjects()
  var head: Node?
  for i in 0..<10_000 {
    let node = Node(i)
    node.next = head
    head = node
  }
  var sum = 0, count = 0
  while let node = head {
    sum += node.number
    count += 1
    head = node.next
  }
  k.expect(count == 10_000 && sum == 49_995_000, "nodes are whole")
  let large = [UInt8](repeating: 7, count: 3_000_000)
  k.expect(large[2_999_999] == 7, "large run")
  k.expect(liveObjects() - before < 8, "objects freed: \(liveObjects() - before)")
}

/// Two threads hand a number to and fro: a lost wake-up is a time-out.
func machinePingPong(_ k: KUnit) {
  let c = TestCounters()
  let rounds = 20_000
  startThread(k) {
    for i in 1...rounds {
      waitFor(c.queueA, k) { c.a.load(ordering: .acquiring) >= i }
      c.b.store(i, ordering: .releasing)
      c.queueB.wake()
    }
  }
  for i in 1...rounds {
    c.a.store(i, ordering: .releasing)
    c.queueA.wake()
    waitFor(c.queueB, k) { c.b.load(ordering: .acquiring) >= i }
  }
  k.expect(c.b.load(ordering: .acquiring) == rounds, "all rounds")
}

func machineMutex(_ k: KUnit) {
  let c = TestCounters()
  for _ in 0..<8 {
    startThread(k) {
      for i in 0..<2000 {
        c.mutex.withLock { value in
          let old = value
          if i % 16 == 0 { Scheduler.yield() }
          value = old + 1
        }
      }
      c.a.add(1, ordering: .sequentiallyConsistent)
      c.queueA.wakeAll()
    }
  }
  waitFor(c.queueA, k) { c.a.load(ordering: .acquiring) == 8 }
  let total = c.mutex.withLock { $0 }
  k.expect(total == 16_000, "mutual exclusion: \(total)")
}

func machineTimers(_ k: KUnit) {
  let c = TestCounters()
  for i in 0..<50 {
    startThread(k) {
      let begin = Clock.monotonic()
      let length = UInt64(1 + i % 7) * 1_000_000
      do throws(Errno) {
        try c.queueB.wait(.uninterruptible, until: .after(nanoseconds: length)) { () throws(Errno) in false }
      } catch {
        if error == .timedOut && Clock.monotonic() - begin >= length { c.b.add(1, ordering: .sequentiallyConsistent) }
      }
      c.a.add(1, ordering: .sequentiallyConsistent)
      c.queueA.wakeAll()
    }
  }
  waitFor(c.queueA, k) { c.a.load(ordering: .acquiring) == 50 }
  k.expect(c.b.load(ordering: .acquiring) == 50, "all slept their time")
}

func machineThreads(_ k: KUnit) {
  let c = TestCounters()
  let before = liveObjects()
  for _ in 0..<2000 {
    startThread(k) {
      c.a.add(1, ordering: .sequentiallyConsistent)
      c.queueA.wakeAll()
    }
  }
  waitFor(c.queueA, k) { c.a.load(ordering: .acquiring) == 2000 }
  for _ in 0..<100 { Scheduler.yield() }
  k.expect(liveObjects() - before < 100, "threads freed: \(liveObjects() - before)")
}

/// Hops into fresh address spaces and maps memory there: each has its own.
func machineSpaces(_ k: KUnit) {
  if !hasAddressSpaces { return }
  let c = TestCounters()
  for i in 0..<200 {
    startThread(k) {
      do throws(Errno) {
        let space = try HostSpace.fresh()
        Scheduler.move(to: space)
        try HostMemory.mapAnonymous(0x10_0000, 4096, protection: PROT_READ | PROT_WRITE)
        let pointer = UserPointer<Int>(0x10_0000)
        try pointer.copyOut(i)
        Scheduler.yield()
        if try pointer.copyIn() == i { c.b.add(1, ordering: .sequentiallyConsistent) }
        if i % 2 == 0 { space.wipeForReuse() }
      } catch {
        k.expect(false, "errno \(error.number)")
      }
      c.a.add(1, ordering: .sequentiallyConsistent)
      c.queueA.wakeAll()
    }
  }
  waitFor(c.queueA, k) { c.a.load(ordering: .acquiring) == 200 }
  k.expect(c.b.load(ordering: .acquiring) == 200, "each saw its own memory")
}
