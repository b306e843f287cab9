import CLinux
import Machine

extension AddressSpace {
  /// Implements munmap(2).
  public func unmap(_ address: UInt, _ count: UInt) throws(Errno) {
    let size = AddressLayout.roundedUp(count)
    guard AddressLayout.isAligned(address), count > 0, size >= count, address <= AddressLayout.end,
      size <= AddressLayout.end - address
    else { throw .invalid }
    try withMemory { (state) throws(Errno) in
      try clear(&state, address, endWithStubs(&state, address, address + size))
    }
  }

  /// Takes `start..<end` out, in the host and in the tree. The lock is held.
  func clear(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt) throws(Errno) {
    if state.areas.tree.isFree(start, end) { return }
    if state.areas.count + 1 > maximumAreas, state.areas.tree.area(at: start)?.start != start { throw .noMemory }
    try releaseStubs(&state, start, end)
    try state.areas.reserve()
    try unmapInHost(&state, start, end)
    try state.areas.clear(start, end)
  }

  /// Implements mprotect(2), PROT_GROWSDOWN too.
  public func protect(_ address: UInt, _ count: UInt, _ protection: Int32, limits: MemoryLimits) throws(Errno) {
    let growth = protection & (Int32(PROT_GROWSDOWN) | Int32(PROT_GROWSUP))
    let wanted = protection & ~(Int32(PROT_GROWSDOWN) | Int32(PROT_GROWSUP))
    if growth == Int32(PROT_GROWSDOWN) | Int32(PROT_GROWSUP) { throw .invalid }
    guard AddressLayout.isAligned(address) else { throw .invalid }
    if count == 0 { return }
    let size = AddressLayout.roundedUp(count)
    guard size > 0, address &+ size > address else { throw .noMemory }
    guard wanted & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) == 0 else { throw .invalid }
    try withMemory { (state) throws(Errno) in
      var start = address
      let end = address + size
      guard let first = state.areas.tree.find(start) else { throw .noMemory }
      if growth & Int32(PROT_GROWSDOWN) != 0 {
        guard first.start < end else { throw .noMemory }
        guard first.flags.contains(.growsDown) else { throw .invalid }
        start = first.start
      } else if growth != 0 {
        throw .invalid  // nothing grows up on this machine
      }
      try protect(&state, start, end, wanted & 7, limits)
    }
  }

  /// Area by area, as Linux does it: what comes before a refusal stays changed. The lock is held.
  private func protect(
    _ state: inout AddressSpaceState, _ start: UInt, _ end: UInt, _ protection: Int32, _ limits: MemoryLimits
  ) throws(Errno) {
    var at = start
    while at < end {
      guard let area = state.areas.tree.area(at: at) else { throw .noMemory }
      let high = min(area.end, end)
      let new = area.flags.withProtection(protection)
      // A bit is granted where its MAY bit, four places up, is set.
      guard UInt32(bitPattern: protection) & ~(area.flags.rawValue >> 4) & 7 == 0 else { throw .access }
      if new != area.flags {
        guard protection == 0 || AddressLayout.isUsable(at, high - at) else { throw .noMemory }
        let isNewData = new.contains(.write) && !area.flags.contains(.write) && !new.contains(.shared)
        if isNewData, UInt(state.areas.totals.data) + (high - at) >> 12 > limits.data >> 12 { throw .noMemory }
        if state.areas.count + 2 > maximumAreas { throw .noMemory }
        // What the guest may write is the file's own text, not what patches made of it.
        if new.contains(.write), let mapping = area.mapping, mapping.file != nil {
          mapping.wasWritable = true
          if mapping.image != nil { try restoreText(&state, mapping) }
        }
        try releaseStubs(&state, at, high)
        try state.areas.reserve()
        try AddressLayout.forUsableParts(at, high) { (part, size) throws(Errno) in
          try HostMemory.protect(part, size, protection)
        }
        try state.areas.setFlags(at, high) { $0.withProtection(protection) }
      }
      at = high
    }
  }

  /// Implements brk(2): returns the new end of the heap, or the old one where it cannot be had.
  public func setBreak(_ address: UInt, limits: MemoryLimits) -> UInt {
    let result = try? withMemory { (state) throws(Errno) -> UInt in
      let old = state.breakEnd
      guard address >= state.breakStart, address <= AddressLayout.end else { return old }
      let oldEnd = AddressLayout.roundedUp(old), newEnd = AddressLayout.roundedUp(address)
      if newEnd - AddressLayout.roundedUp(state.breakStart) > limits.data { return old }
      if newEnd < oldEnd {
        try clear(&state, newEnd, oldEnd)
      } else if newEnd > oldEnd {
        // A page stays free behind it.
        guard AddressLayout.isUsable(oldEnd, newEnd - oldEnd), isFree(&state, oldEnd, newEnd + 4096) else { return old }
        var flags: AreaFlags = [.read, .write, .mayAll]
        flags.formUnion(state.futureFlags)
        var area = Area(start: oldEnd, end: newEnd, flags: flags, offset: oldEnd)
        try put(&state, &area, limits: limits, noReserve: false)
      }
      state.breakEnd = address
      return address
    }
    return result ?? withoutChange { $0.breakEnd }
  }

  /// Reads something of the state.
  func withoutChange<R>(_ body: (inout AddressSpaceState) -> R) -> R { state.withLock { body(&$0) } }
}
