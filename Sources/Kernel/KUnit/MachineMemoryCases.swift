import CLinux
import Machine
import Synchronization

/// Pages by offset: where they lie, what they hold, and that they go.
func cachedPages(_ k: KUnit) {
  let before = MemoryUsage.current
  let file = CachedPages()
  let places = [0, 1, 15, 16, 17, 31, 1000, 16383, 16384, 100_000, 3_000_000]
  do throws(Errno) {
    for page in places {
      let bytes = try file.makeResident(page)
      k.expect(bytes.count == 4096 && bytes[0] == 0 && bytes[4095] == 0, "page \(page) comes zeroed")
      bytes.store(page &* 7, at: 8)
      let again = try file.makeResident(page)
      k.expect(again.load(8, as: Int.self) == page &* 7, "page \(page) stays")
    }
  } catch {
    k.expect(false, "errno \(error.number)")
  }
  k.expect(file.residentCount == places.count, "resident: \(file.residentCount)")
  k.expect(MemoryUsage.current.cached - before.cached >= places.count * 4096, "charged")
  for page in places { k.expect(file.page(page)?.load(8, as: Int.self) == page &* 7, "page \(page)") }
  k.expect(file.page(2) == nil && file.page(999) == nil && file.page(1 << 40) == nil, "holes")
  k.expect(file.bytes(at: 100, limit: 1 << 20)?.count == 8192 - 100, "up to the hole")
  k.expect(file.bytes(at: 15 << 12, limit: 1 << 20)?.count == 4096, "up to the extent's end")
  k.expect(file.bytes(at: 16 << 12 + 5, limit: 10)?.count == 10, "as much as was asked for")
  k.expect(file.bytes(at: 2 << 12, limit: 10) == nil, "nothing in a hole")
  var found: [Int] = []
  var at = 0
  while let page = file.nextResident(at, below: .max) {
    found.append(page)
    at = page + 1
  }
  k.expect(found == places, "a walk finds all")
  k.expect(file.nextResident(2, below: 15) == nil, "not beyond the limit")
  file.discard(from: 16, to: 16384)
  k.expect(file.residentCount == 6 && file.page(1000) == nil && file.page(15) != nil, "a part is discarded")
  k.expect((try? file.makeResident(1000))?.load(8, as: Int.self) == 0, "zeroed when it comes back")
  file.discard(from: 0)
  k.expect(file.residentCount == 0, "all is discarded")
  k.expect(MemoryUsage.current.cached <= before.cached + 4096, "uncharged")
}

func kernelBuffers(_ k: KUnit) {
  k.expect((try? KernelBuffer(count: 0)) == nil, "not of nothing")
  for count in [1, 16, 4096, 70_000] {
    guard let buffer = try? KernelBuffer(count: count) else {
      k.expect(false, "no memory")
      continue
    }
    var isZero = true
    for i in 0..<count where buffer.bytes[i] != 0 { isZero = false }
    k.expect(isZero && buffer.count == count, "zeroed")
    for i in 0..<count { buffer.bytes[i] = UInt8(truncatingIfNeeded: i) }
  }
  guard let buffer = try? KernelBuffer(count: 64) else { return k.expect(false, "no memory") }
  for i in 0..<64 { buffer.bytes[i] = UInt8(i) }
  buffer.bytes.copy(buffer.bytes.slice(0, 32), at: 5)  // upwards, over itself
  k.expect(buffer.bytes.slice(5, 32).array == Array(0..<32), "an overlapping copy")
  buffer.bytes.copy(buffer.bytes.slice(5, 32), at: 2)  // and downwards
  k.expect(buffer.bytes.slice(2, 32).array == Array(0..<32), "an overlapping copy back")
  buffer.bytes.store(UInt32(0x0403_0201), at: 7)  // at no alignment
  k.expect(buffer.bytes.slice(7, 4).array == [1, 2, 3, 4], "little end first")
  k.expect(buffer.bytes.slice(60, 100).count == 4, "cut at the end")
  bytesArePlaced(k)
}

/// Pairs of bytes at every distance from the ends, and others beside them.
private func bytesArePlaced(_ k: KUnit) {
  guard let buffer = try? KernelBuffer(count: 75) else { return k.expect(false, "no memory") }
  for size in 0...75 {
    let bytes = buffer.bytes.slice(0, size)
    for at in 0..<75 {
      for value in [0, 0xa2, 0xa3, 0xff] as [UInt8] {
        for i in 0..<75 { buffer.bytes[i] = value }
        buffer.bytes[at] = 0x0f
        let wanted = at + 1 < size ? [at] : []
        k.expect(bytes.places(of: 0x0f, 0xa2, limit: 3) == (value == 0xa2 ? wanted : []), "\(value) behind \(at)")
        if at == 74 { continue }
        buffer.bytes[at + 1] = 0xa2
        k.expect(bytes.places(of: 0x0f, 0xa2, limit: 3) == wanted, "a pair at \(at) of \(size)")
      }
    }
  }
}

/// What programs are told in place of the instruction is what it says.
func identification(_ k: KUnit) {
  let table = IdentificationTable(IdentificationTable.ask)
  for _ in 0..<20 {
    for row in table.rows {
      let answer = IdentificationTable.ask(row.leaf, row.subleaf ?? 0x1234_5678)
      k.expect(answer == row.answer, "leaf \(row.leaf), subleaf \(row.subleaf ?? 0)")
    }
  }
}

private final class Box {
  let numbers: [Int]
  var next: Box?
  init(_ n: Int) { numbers = [n, n + 1] }
}
private final class Exchange {
  let box = SpinLock<Box?>(nil, rank: .leaf)
  let isDone = Atomic<Bool>(false)
  let isGone = Atomic<Bool>(false)
  init() {}
}

/// What one vCPU allocates and another frees comes back: memory does not grow.
func slabAcross(_ k: KUnit) {
  if Scheduler.processorCount < 2 { return }
  let exchange = Exchange()
  let rounds = 400, size = 300
  startThread(k) {
    Thread.withCurrent { $0.affinity = 2 }
    Scheduler.yield()
    while !exchange.isDone.load(ordering: .acquiring) {
      var chain = exchange.box.withLock { slot -> Box? in
        let found = slot
        slot = nil
        return found
      }
      while let box = chain {  // one by one: a long chain's end would recur
        chain = box.next
        box.next = nil
      }
      Scheduler.yield()
    }
    exchange.isGone.store(true, ordering: .sequentiallyConsistent)
  }
  Thread.withCurrent { $0.affinity = 1 }
  Scheduler.yield()
  var early = 0
  for round in 0..<rounds {
    var chain: Box?
    for i in 0..<size {
      let box = Box(i)
      box.next = chain
      chain = box
    }
    eventually(k, "the last ones are taken") { exchange.box.withLock { $0 == nil } }
    exchange.box.withLock { $0 = chain }
    chain = nil
    if round == 50 { early = MemoryUsage.current.charged }
  }
  eventually(k, "the last ones are taken") { exchange.box.withLock { $0 == nil } }
  exchange.isDone.store(true, ordering: .sequentiallyConsistent)
  eventually(k, "the other ends") { exchange.isGone.load(ordering: .acquiring) }
  let grown = MemoryUsage.current.charged - early
  k.expect(grown <= 512 << 10, "memory grew by \(grown)")
  Thread.withCurrent { $0.affinity = .max }
}

private final class Small { var word = 7 }

/// What is made in an arena lies together, whatever is freed meanwhile, and goes as a whole.
func arenas(_ k: KUnit) {
  func chunk(_ object: Small) -> UInt { Borrowed(object).identity >> 16 }
  let before = liveObjects()
  let charged = MemoryUsage.current.charged
  var first: [Small] = [], second: [Small] = []
  first.reserveCapacity(4000)
  second.reserveCapacity(4)
  Arena.new { for _ in 0..<4 { first.append(Small()) } }
  Arena.new { for _ in 0..<4 { second.append(Small()) } }
  k.expect(first.allSatisfy { chunk($0) == chunk(first[0]) }, "together")
  k.expect(second.allSatisfy { chunk($0) == chunk(second[0]) && chunk($0) != chunk(first[0]) }, "apart from others")
  let outside = Small()
  k.expect(chunk(outside) != chunk(first[0]) && chunk(outside) != chunk(second[0]), "nothing else lies there")

  // The room of what goes while it is open is used again: much more passes through than there is room for.
  Arena.new {
    let anchor = Small()
    for i in 0..<10_000 {
      var bytes: [UInt8] = []
      for j in 0..<100 { bytes.append(UInt8(truncatingIfNeeded: i &+ j)) }  // grows: it is allocated anew, and freed
      k.expect(bytes[99] == UInt8(truncatingIfNeeded: i &+ 99), "bytes are whole")
    }
    let last = Small()
    k.expect(chunk(last) == chunk(anchor), "there is room yet")
  }
  // Where there is none, and for what is large, the rest comes from elsewhere.
  Arena.new {
    for i in 0..<3000 {
      first.append(Small())
      first[first.count - 1].word = i
    }
    let large = [UInt8](repeating: 1, count: 100_000)
    k.expect(large[99_999] == 1, "a large one")
  }
  k.expect(first[4...].contains { chunk($0) != chunk(first[4]) }, "beyond the room")
  for i in 0..<3000 { k.expect(first[4 + i].word == i, "objects are whole") }
  // Sleeping closes it.
  let queue = WaitQueue()
  Arena.new {
    let kept = Small()
    _ = try? queue.wait(.killable, until: Deadline(nanoseconds: Clock.monotonic() + 1_000_000)) { false }
    let later = Small()
    k.expect(chunk(later) != chunk(kept), "not after a sleep")
    Arena.new { k.expect(chunk(Small()) != chunk(kept), "another one") }
  }
  Arena.new { _ = try? queue.wait(.killable, until: Deadline(nanoseconds: Clock.monotonic() + 1_000_000)) { false } }
  first = []
  second = []
  k.expect(liveObjects() - before < 8, "objects freed: \(liveObjects() - before)")
  for _ in 0..<100 {
    var objects: [Small] = []
    Arena.new { for _ in 0..<10 { objects.append(Small()) } }
    k.expect(objects.count == 10, "made")
  }
  k.expect(MemoryUsage.current.charged - charged < 2 << 20, "chunks serve again")
}
