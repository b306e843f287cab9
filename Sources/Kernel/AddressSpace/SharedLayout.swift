import Machine

/// In `mmu=none` all address spaces are one: whose every range is, and a lock that makes finding room and taking it one
/// step. Where every address space has a host process of its own, nothing here is used.
final class SharedLayout {
  /// Taken before an address space's own lock.
  let lock = Mutex<Void>((), rank: .addressSpace)
  /// The ranges, each with its owner's identity as `offset`. Under `lock`.
  var ranges = AreaTree()

  /// Takes `start..<end` for `owner`. Errors: ENOMEM.
  func take(_ start: UInt, _ end: UInt, _ owner: UInt) throws(Errno) {
    try give(start, end)
    try ranges.insert(Area(start: start, end: end, flags: [], offset: owner))
  }
  /// Frees what of `start..<end` is taken. Errors: ENOMEM.
  func give(_ start: UInt, _ end: UInt) throws(Errno) {
    try ranges.reserve(2)
    while let area = ranges.find(start), area.start < end {
      ranges.remove(area.start)
      var part = area
      if area.start < start {
        part.end = start
        try ranges.insert(part)
      }
      if area.end > end {
        part = area
        part.start = end
        try ranges.insert(part)
      }
    }
  }
  /// Whether nobody but `owner` has any of `start..<end`.
  func isOpen(_ start: UInt, _ end: UInt, to owner: UInt) -> Bool {
    var result = true
    ranges.forEach(from: start, to: end) { if $0.offset != owner { result = false } }
    return result
  }
}

/// Set where there is one address space for all.
let sharedLayout = KernelGlobal<SharedLayout>()

extension AddressSpace {
  private var identity: UInt { Borrowed(self).identity }

  /// In `mmu=none`: the range becomes this one's. The locks are held.
  func occupy(_ start: UInt, _ end: UInt) throws(Errno) {
    if hasAddressSpaces { return }
    try sharedLayout.with { (layout) throws(Errno) in try layout.take(start, end, identity) }
  }
  /// In `mmu=none`: what of the range is this one's is free again. The locks are held.
  func vacate(_ start: UInt, _ end: UInt) throws(Errno) {
    if hasAddressSpaces { return }
    try sharedLayout.with { (layout) throws(Errno) in try layout.give(start, end) }
  }
  /// Whether the range may be mapped over: in `mmu=none` it may be another program's.
  func isOpen(_ start: UInt, _ end: UInt) -> Bool {
    hasAddressSpaces || evenByDropping { sharedLayout.with { $0.isOpen(start, end, to: identity) } }
  }
  /// Whether it is so, if need be once what is kept of ended programs has gone. In `mmu=none`; the layout's lock is held.
  private func evenByDropping(_ isSo: () -> Bool) -> Bool {
    isSo() || (keptTexts.with { $0.dropAll() } && isSo())
  }

  func highestRoom(_ state: inout AddressSpaceState, _ count: UInt, _ low: UInt, _ high: UInt) -> UInt? {
    hasAddressSpaces
      ? state.areas.tree.highestRoom(count, low, high) : sharedLayout.with { $0.ranges.highestRoom(count, low, high) }
  }
  func lowestRoom(_ state: inout AddressSpaceState, _ count: UInt, _ low: UInt, _ high: UInt) -> UInt? {
    hasAddressSpaces
      ? state.areas.tree.lowestRoom(count, low, high) : sharedLayout.with { $0.ranges.lowestRoom(count, low, high) }
  }
  func isFree(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt) -> Bool {
    func isBefore(_ next: Area?) -> Bool { next.map { $0.guardedStart >= end } ?? true }
    if hasAddressSpaces { return isBefore(state.areas.tree.find(start)) }
    return evenByDropping { isBefore(sharedLayout.with { $0.ranges.find(start) }) }
  }

  /// Unmaps the range in the host: in `mmu=none` only what of it is this one's, and is not `kept`. The locks are held.
  func unmapInHost(
    _ state: inout AddressSpaceState, _ start: UInt, _ end: UInt, keeping kept: KeptRanges = KeptRanges()
  ) throws(Errno) {
    if hasAddressSpaces {
      try AddressLayout.forUsableParts(start, end) { (part, size) throws(Errno) in try HostMemory.unmap(part, size) }
      return
    }
    // Neighbours go together.
    var low = start, high = start
    try state.areas.tree.forEach(from: start, to: end) { (area) throws(Errno) in
      if area.start > high {
        try unmapInHost(low, high, keeping: kept)
        low = area.start
      }
      high = min(end, area.end)
    }
    try unmapInHost(low, high, keeping: kept)
  }
  private func unmapInHost(_ start: UInt, _ end: UInt, keeping kept: KeptRanges) throws(Errno) {
    guard start < end else { return }
    try AddressLayout.forUsableParts(start, end) { (part, size) throws(Errno) in
      try HostMemory.unmap(from: part, to: part + size, keeping: kept)
    }
    try vacate(start, end)
  }
}
