import CLinux
import Machine

/// What mremap(2) was asked for; sizes are whole pages.
struct RemapRequest {
  var address: UInt
  var oldCount: UInt
  var newCount: UInt
  var flags: Int32
  var target: UInt
  func has(_ flag: Int32) -> Bool { flags & flag != 0 }
}

extension AddressSpace {
  /// Implements mremap(2): returns the new address.
  func remap(_ given: RemapRequest, limits: MemoryLimits) throws(Errno) -> UInt {
    var r = given
    guard r.flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) == 0 else { throw .invalid }
    if r.has(MREMAP_FIXED) && !r.has(MREMAP_MAYMOVE) { throw .invalid }
    if r.has(MREMAP_DONTUNMAP) && (!r.has(MREMAP_MAYMOVE) || r.oldCount != r.newCount) { throw .invalid }
    guard AddressLayout.isAligned(r.address) else { throw .invalid }
    let (old, new) = (AddressLayout.roundedUp(r.oldCount), AddressLayout.roundedUp(r.newCount))
    guard r.newCount > 0, new >= r.newCount, old >= r.oldCount, new <= AddressLayout.end else { throw .invalid }
    r.oldCount = old
    r.newCount = new
    var populates = false
    let request = r
    let result = try withMemory { (state) throws(Errno) -> UInt in
      let result = try remap(&state, request, limits)
      populates = state.areas.tree.area(at: result)?.flags.contains(.locked) == true
      return result
    }
    if populates && new > old { populate(result + old, new - old) }
    return result
  }

  private func remap(_ state: inout AddressSpaceState, _ r: RemapRequest, _ limits: MemoryLimits) throws(Errno) -> UInt
  {
    // Text finds its stubs by their distance: it moves as the file's own.
    try releaseStubs(&state, r.address, r.address &+ max(r.oldCount, 4096))
    if let mapping = state.areas.tree.area(at: r.address)?.mapping, mapping.image != nil {
      try restoreText(&state, mapping)
    }
    guard let area = state.areas.tree.area(at: r.address) else { throw .fault }
    if r.has(MREMAP_FIXED) {
      guard AddressLayout.isAligned(r.target), r.target <= AddressLayout.end, r.newCount <= AddressLayout.end - r.target
      else { throw .invalid }
      // The two may not overlap.
      if r.address < r.target + r.newCount && r.target < r.address + r.oldCount { throw .invalid }
      guard r.target >= AddressLayout.start else { throw .notPermitted }
      guard AddressLayout.isUsable(r.target, r.newCount), isOpen(r.target, r.target + r.newCount) else {
        throw .noMemory
      }
    }
    if !r.has(MREMAP_FIXED) && !r.has(MREMAP_DONTUNMAP) && r.oldCount >= r.newCount && r.oldCount > 0 {
      // Shrinking, across areas too.
      if r.newCount < r.oldCount { try clear(&state, r.address + r.newCount, r.address + r.oldCount) }
      return r.address
    }
    if r.oldCount == 0 && (!area.flags.contains(.shared) || area.mapping == nil) { throw .invalid }
    if r.oldCount > area.end - r.address { throw .fault }
    guard AddressLayout.isUsable(area.start, area.count) else { throw .invalid }  // a reservation around the kernel
    if r.newCount > r.oldCount {
      try checkGrowth(&state, area, (r.newCount - r.oldCount) >> 12, limits)
      if r.oldCount > 0, !r.has(MREMAP_FIXED), r.address + r.oldCount == area.end, try extend(&state, area, r) {
        return r.address
      }
    }
    guard r.has(MREMAP_MAYMOVE) else { throw .noMemory }
    return try move(&state, area, r, limits)
  }

  private func checkGrowth(
    _ state: inout AddressSpaceState, _ area: Area, _ pages: UInt, _ limits: MemoryLimits
  ) throws(Errno) {
    let totals = state.areas.totals
    if area.flags.contains(.locked), UInt(totals.locked) + pages > limits.locked >> 12 { throw .wouldBlock }
    if UInt(totals.total) + pages > limits.addressSpace >> 12 { throw .noMemory }
    let isData = area.flags.contains(.write) && !area.flags.contains(.shared) && !area.flags.contains(.growsDown)
    if isData, UInt(totals.data) + pages > limits.data >> 12 { throw .noMemory }
    if area.mapping != nil, area.fileOffset(area.end) &+ pages << 12 < area.offset { throw .invalid }
  }

  /// Grows the area in place; false where the room behind it is taken.
  private func extend(_ state: inout AddressSpaceState, _ area: Area, _ r: RemapRequest) throws(Errno) -> Bool {
    let end = r.address + r.newCount
    guard end > area.end, AddressLayout.isUsable(area.end, end - area.end), isFree(&state, area.end, end) else {
      return false
    }
    try state.areas.reserve()
    var more = area
    more.start = area.end
    more.end = end
    more.offset = area.fileOffset(area.end)
    more.filled = PageRanges()
    let mapping = area.mapping
    mapping?.attach()
    defer { mapping?.detach() }
    try occupy(more.start, more.end)
    try mapInHost(&more, noReserve: area.flags.contains(.noReserve))
    try state.areas.add(more)
    state.peak = max(state.peak, state.areas.totals.total)
    return true
  }

  /// To another place, of its own choice or of the guest's.
  private func move(
    _ state: inout AddressSpaceState, _ area: Area, _ r: RemapRequest, _ limits: MemoryLimits
  ) throws(Errno) -> UInt {
    var target = r.target
    if r.has(MREMAP_FIXED) {
      try clear(&state, target, target + r.newCount)
    } else if r.has(MREMAP_DONTUNMAP), r.target != 0, AddressLayout.isAligned(r.target),
      AddressLayout.isUsable(r.target, r.newCount), isFree(&state, r.target, r.target + r.newCount)
    {
      target = r.target
    } else {
      guard let found = room(&state, r.newCount) else { throw .noMemory }
      target = found
    }
    if state.areas.count + 3 > maximumAreas { throw .noMemory }
    try state.areas.reserve()
    // A second mapping of shared pages stays beside the first.
    let moved = min(r.oldCount, r.newCount)
    var copy = area
    copy.start = target
    copy.end = target + r.newCount
    copy.offset = area.fileOffset(r.address)
    copy.filled = PageRanges()
    if r.oldCount == 0 || r.has(MREMAP_DONTUNMAP) { copy.flags.subtract([.locked, .lockedOnFault]) }
    let mapping = area.mapping
    mapping?.attach()
    defer { mapping?.detach() }
    // Shared pages of the cache are mapped anew; private ones move with what was written to them.
    let isAnew = copy.mapping?.cached != nil && copy.flags.contains(.shared) || r.oldCount == 0
    try occupy(copy.start, copy.end)
    try mapInHost(&copy, noReserve: area.flags.contains(.noReserve))
    if !isAnew {
      try moveInHost(r.address, moved, target)
      if area.mapping?.cached != nil {
        let first = Int(copy.offset >> 12)
        copy.filled.remove(first, first + Int(moved >> 12))
        var carried = area.filled
        carried.remove(.min, first)
        carried.remove(first + Int(moved >> 12), .max)
        copy.filled.formUnion(carried)
      }
    }
    try state.areas.add(copy)
    if r.oldCount > 0 {
      if r.has(MREMAP_DONTUNMAP) {
        try leaveBehind(&state, area, r)
      } else {
        try unmapInHost(&state, r.address, r.address + r.oldCount)
        try state.areas.clear(r.address, r.address + r.oldCount)
      }
    }
    state.peak = max(state.peak, state.areas.totals.total)
    return target
  }

  /// MREMAP_DONTUNMAP: where the pages were, the same mapping begins anew.
  private func leaveBehind(_ state: inout AddressSpaceState, _ area: Area, _ r: RemapRequest) throws(Errno) {
    var rest = area
    rest.start = r.address
    rest.end = r.address + r.oldCount
    rest.offset = area.fileOffset(r.address)
    rest.flags.subtract([.locked, .lockedOnFault])
    try state.areas.reserve()
    let mapping = area.mapping
    mapping?.attach()
    defer { mapping?.detach() }
    try mapInHost(&rest, noReserve: true)
    try state.areas.clear(rest.start, rest.end)
    try state.areas.add(rest)
  }

  /// The host moves one mapping of its own at a time; what is one area here may be several there.
  private func moveInHost(_ from: UInt, _ count: UInt, _ to: UInt) throws(Errno) {
    do throws(Errno) {
      try HostMemory.remap(from, count, to: to, count)
    } catch {
      guard error == .fault || error == .invalid, count > 4096 else { throw error }
      let half = (count >> 1) & ~4095
      try moveInHost(from, half, to)
      try moveInHost(from + half, count - half, to + half)
    }
  }
}
