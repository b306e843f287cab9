import CLinux
import Machine
import Synchronization

/// A pipe's ring against a plain list of bytes, with sizes drawn at random.
func ipcPipeRing(_ k: KUnit) {
  do throws(Errno) {
    var ring = try PipeRing(capacity: 4)
    let buffer = try KernelBuffer(count: 20000)
    var model: [UInt8] = []
    var seed: UInt64 = 42
    func random(_ bound: Int) -> Int {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(seed >> 33) % bound
    }
    var next: UInt8 = 0
    for round in 0..<3000 {
      let count = 1 + random(random(2) == 0 ? 100 : 9000)
      if random(2) == 0 {
        for i in 0..<count {
          buffer.bytes[i] = next
          next &+= 1
        }
        var bytes = IOBuffers(kernel: buffer.bytes.slice(0, count))
        var moved = 0
        try ring.copyIn(from: &bytes, asPackets: false, moved: &moved)
        for i in 0..<moved { model.append(buffer.bytes[i]) }
        next &-= UInt8(truncatingIfNeeded: count - moved)
        if moved < count { k.expect(ring.isFull, "a write stops only at a full ring") }
      } else {
        var bytes = IOBuffers(kernel: buffer.bytes.slice(0, count))
        let moved = try ring.copyOut(to: &bytes)
        k.expect(moved == min(count, model.count), "round \(round): read \(moved) of \(model.count)")
        var isSame = true
        for i in 0..<moved where buffer.bytes[i] != model[i] { isSame = false }
        k.expect(isSame, "round \(round): other bytes")
        model.removeFirst(moved)
      }
      k.expect(ring.byteCount == model.count, "round \(round): the count")
      if round % 500 == 499 {
        if ring.occupied <= 8 { try ring.resize(round % 1000 == 999 ? 4 : 8) }
      }
    }
  } catch {
    k.expect(error == .busy, "errno \(error.number)")
  }
}

private final class PipeCounters {
  let got = Atomic<Int>(0)
  let done = WaitQueue()
}

/// Readers wait exclusively: each byte wakes one, and none sleeps for ever.
func ipcPipeReaders(_ k: KUnit) {
  do throws(Errno) {
    let pipe = try Pipe()
    let counters = PipeCounters()
    pipe.addEnd(reads: true, writes: true)
    let readers = 8, rounds = 2000
    for _ in 0..<readers {
      try KernelThread.start {
        do throws(Errno) {
          let buffer = try KernelBuffer(count: 4)
          while true {
            var bytes = IOBuffers(kernel: buffer.bytes.slice(0, 1))
            if try pipe.read(&bytes, isNonBlocking: false) == 0 { break }
            counters.got.add(1, ordering: .sequentiallyConsistent)
          }
        } catch {}
        counters.got.add(1_000_000, ordering: .sequentiallyConsistent)
        counters.done.wakeAll()
      }
    }
    let buffer = try KernelBuffer(count: 4)
    for i in 0..<rounds {
      try pipe.ring.withLock { (ring) throws(Errno) in
        var bytes = IOBuffers(kernel: buffer.bytes.slice(0, 1 + i % 3))
        var moved = 0
        try ring.copyIn(from: &bytes, asPackets: false, moved: &moved)
        pipe.publish(ring)
      }
      pipe.canRead.wake()
      if i % 16 == 0 { Scheduler.yield() }
      while pipe.isFull { Scheduler.yield() }
    }
    var total = 0
    for i in 0..<rounds { total += 1 + i % 3 }
    pipe.removeEnd(reads: false, writes: true)
    try counters.done.wait(.uninterruptible, until: .after(nanoseconds: 20_000_000_000)) { () throws(Errno) in
      counters.got.load(ordering: .sequentiallyConsistent) >= readers * 1_000_000
    }
    k.expect(counters.got.load(ordering: .relaxed) == readers * 1_000_000 + total, "every byte was read once")
    pipe.removeEnd(reads: true, writes: false)
  } catch {
    k.expect(false, "errno \(error.number)")
  }
}

/// Messages in a socket's queue: what is charged is given back, and nothing is left.
func ipcSocketMessages(_ k: KUnit) {
  let before = liveObjects()
  do throws(Errno) {
    let (a, b) = UnixSocket.pair(type: SocketType.stream, SocketIdentity())
    let buffer = try KernelBuffer(count: 5000)
    var bytes = IOBuffers(kernel: buffer.bytes)
    let message = try SocketMessage(&bytes, count: 5000, sender: a, SocketIdentity(), [], name: nil)
    k.expect(a.sentBytes >= 5000, "charged")
    b.state.withLock { $0.messages.append(message) }
    var room = IOBuffers(kernel: buffer.bytes)
    let received = try b.receive(&room, 0, isNonBlocking: true)
    k.expect(received.count == 5000, "received whole")
    k.expect(b.state.withLock { $0.messages.isEmpty && $0.messages.bytes == 0 }, "the queue is empty")
    b.close()
    a.close()
  } catch {
    k.expect(false, "errno \(error.number)")
  }
  k.expect(liveObjects() <= before + 2, "\(liveObjects() - before) objects left")
}
