import CLinux
import Machine
import Synchronization

private final class Counts {
  let made = Atomic<Int>(0), released = Atomic<Int>(0)
  let reads = Atomic<Int>(0), dead = Atomic<Int>(0)
  let isOver = Atomic<Bool>(false), done = Atomic<Int>(0)
  let inside = Atomic<Int>(0)
  init() {}
}

/// Says of itself whether it lives.
private final class Pair: Deferred {
  var value: Int, complement: Int
  let counts: Counts
  init(_ value: Int, _ counts: Counts) {
    self.value = value
    complement = ~value
    self.counts = counts
    counts.made.add(1, ordering: .relaxed)
  }
  deinit {
    complement = value
    counts.released.add(1, ordering: .relaxed)
  }
}

private final class Place {
  let pair: RCUReference<Pair>
  init(_ counts: Counts) { pair = RCUReference(Pair(0, counts)) }
}

/// Readers never see an object that was released, and all that were replaced are.
func rcuReaders(_ k: KUnit) {
  let c = Counts()
  let place = Place(c)
  let readers = 3, rounds = 20_000
  for _ in 0..<readers {
    startThread(k) {
      var reads = 0
      while !c.isOver.load(ordering: .acquiring) {
        for _ in 0..<100 {
          let borrowed = place.pair.borrowed
          for _ in 0..<20 {
            let isWhole = borrowed.with { $0.value == ~$0.complement }
            if !isWhole { c.dead.add(1, ordering: .relaxed) }
          }
          reads += 1
        }
        Scheduler.yield()
      }
      c.reads.add(reads, ordering: .relaxed)
      c.done.add(1, ordering: .releasing)
    }
  }
  for i in 1...rounds {
    place.pair.replace(Pair(i, c))
    if i % 64 == 0 { Scheduler.yield() }
  }
  c.isOver.store(true, ordering: .releasing)
  eventually(k, "readers end") { c.done.load(ordering: .acquiring) == readers }
  eventually(k, "all but the last are released") { c.released.load(ordering: .acquiring) == rounds }
  k.expect(c.dead.load(ordering: .relaxed) == 0, "dead objects seen: \(c.dead.load(ordering: .relaxed))")
  k.expect(c.reads.load(ordering: .relaxed) > 0, "somebody read")
  k.expect(place.pair.borrowed.with { $0.value == rounds && $0.complement == ~rounds }, "the last one is there")
}

/// Nobody who read before `synchronize` reads on after it; those who run guest code, idle or spin do not hold it up.
func rcuSynchronize(_ k: KUnit) {
  let c = Counts()
  let readers = 2
  for _ in 0..<readers {
    startThread(k) {
      while !c.isOver.load(ordering: .acquiring) {
        // The value says in which round this reader began.
        let round = c.made.load(ordering: .sequentiallyConsistent)
        let end = Clock.monotonic() &+ 300_000
        while Clock.monotonic() < end {
          // `released` is a round that was synchronized with: nobody who began before it is still here.
          if c.released.load(ordering: .sequentiallyConsistent) > round { c.dead.add(1, ordering: .relaxed) }
        }
        Scheduler.yield()
      }
      c.done.add(1, ordering: .releasing)
    }
  }
  for _ in 0..<200 {
    let round = c.made.add(1, ordering: .sequentiallyConsistent).newValue
    RCU.synchronize()
    c.released.store(round, ordering: .sequentiallyConsistent)
  }
  c.isOver.store(true, ordering: .releasing)
  eventually(k, "readers end") { c.done.load(ordering: .acquiring) == readers }
  k.expect(c.dead.load(ordering: .relaxed) == 0, "readers outlived: \(c.dead.load(ordering: .relaxed))")
  let before = Clock.monotonic()
  RCU.synchronize()
  k.expect(Clock.monotonic() - before < 1_000_000_000, "an idle machine passes at once")
}
