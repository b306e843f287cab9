import Machine

/// Numbers go round in a circle, each to one bearer, until none is left.
func pidNumbers(_ k: KUnit) {
  let pids = Pids()
  var taken: [Int] = []
  while let id = try? pids.allocate() { taken.append(id) }
  k.expect(taken.count == Pids.maximum - 1, "all of them: \(taken.count)")
  var isAscending = true
  for i in taken.indices where taken[i] != i + 1 { isAscending = false }
  k.expect(isAscending, "one after the other")
  pids.free(5000)
  pids.free(400)
  pids.free(7)
  k.expect((try? pids.allocate()) == 400, "the circle begins above the reserved ones")
  k.expect((try? pids.allocate()) == 5000, "and goes on")
  k.expect((try? pids.allocate()) == nil, "what was given out at boot stays free")
  pids.free(32767)
  k.expect((try? pids.allocate()) == 32767, "the last one")
  k.expect(pids.task(0) == nil && pids.task(-1) == nil && pids.process(1 << 40) == nil, "nobody's")
  k.expect(pids.nextProcess(from: 1) == nil && pids.nextProcess(from: -5) == nil, "no process")
}
