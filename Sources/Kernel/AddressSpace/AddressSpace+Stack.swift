import CLinux
import Machine

extension AddressSpace {
  /// The first program stack: returns its top. It grows as faults ask for it, up to RLIMIT_STACK; in `mmu=none` it has its
  /// size from the start. Errors: ENOMEM.
  func makeStack(
    _ placement: Placement, room stackRoom: UInt, size: UInt, isExecutable: Bool, limits: MemoryLimits
  ) throws(Errno) -> UInt {
    var flags: AreaFlags = [.read, .write, .mayRead, .mayWrite, .mayExecute]
    if isExecutable { flags.insert(.execute) }
    // 128 KiB below what is used, as Linux.
    let initial = min(AddressLayout.roundedUp(size) + 131072, max(stackRoom, AddressLayout.roundedUp(size) + 4096))
    return try withMemory { (state) throws(Errno) -> UInt in
      let top: UInt
      var count = initial
      if hasAddressSpaces {
        top = placement.stackTop(room: stackRoom)
        state.mapTop = placement.mapTop(stackTop: top, room: stackRoom)
        flags.insert(.growsDown)
      } else {
        state.mapTop = 0x7fff_0000_0000
        count = max(min(stackRoom, 8 << 20), initial)
        guard let found = room(&state, stackGuardGap + count) else { throw .noMemory }
        // What it would run over below may be anybody's: nobody may touch the gap.
        var gap = Area(
          start: found, end: found + stackGuardGap, flags: [.mayRead, .mayWrite, .mayExecute], offset: found)
        try put(&state, &gap, limits: limits, noReserve: true)
        top = found + stackGuardGap + count
      }
      var area = Area(start: top - count, end: top, flags: flags, offset: top - count)
      try put(&state, &area, limits: limits, noReserve: true)
      return top
    }
  }
}
