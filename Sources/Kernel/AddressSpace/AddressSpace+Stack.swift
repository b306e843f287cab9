import CLinux
import Machine

extension AddressSpace {
  /// How large the first program stack is at the start, for `size` bytes on it: it grows as faults ask for it, up to
  /// RLIMIT_STACK, the `room`; in `mmu=none` it does not.
  static func stackSize(room: UInt, size: UInt) -> UInt {
    // 128 KiB below what is used, as Linux.
    let initial = min(AddressLayout.roundedUp(size) + 131072, max(room, AddressLayout.roundedUp(size) + 4096))
    return hasAddressSpaces ? initial : max(min(room, 8 << 20), initial)
  }

  /// The first program stack: returns where it is, with the gap below it in `mmu=none`. Errors: ENOMEM.
  func makeStack(
    _ placement: Placement, room stackRoom: UInt, size: UInt, isExecutable: Bool, limits: MemoryLimits
  ) throws(Errno) -> Range<UInt> {
    var flags: AreaFlags = [.read, .write, .mayAll]
    if isExecutable { flags.insert(.execute) }
    let count = Self.stackSize(room: stackRoom, size: size)
    return try withMemory { (state) throws(Errno) -> Range<UInt> in
      let top: UInt
      var low: UInt?
      if hasAddressSpaces {
        top = placement.stackTop(room: stackRoom)
        state.mapTop = placement.mapTop(stackTop: top, room: stackRoom)
        flags.insert(.growsDown)
      } else {
        state.mapTop = 0x7fff_0000_0000
        guard let found = kept?.layout.stack.lowerBound ?? room(&state, stackGuardGap + count) else { throw .noMemory }
        // What it would run over below may be anybody's: nobody may touch the gap.
        var gap = Area(
          start: found, end: found + stackGuardGap, flags: .mayAll, offset: found)
        try put(&state, &gap, limits: limits, noReserve: true, isEmpty: true)
        low = found
        top = found + stackGuardGap + count
      }
      var area = Area(start: top - count, end: top, flags: flags, offset: top - count)
      try put(&state, &area, limits: limits, noReserve: true)
      // What every program writes to, in place of a fault for each page.
      if !hasAddressSpaces { _ = try? HostMemory.advise(top - (4 << 12), 4 << 12, MADV_POPULATE_WRITE) }
      return (low ?? area.start)..<top
    }
  }
}
