import CLinux
import Machine

// mlock(2) and its kind. Nothing is pinned in the host: pages are made present and counted, as RLIMIT_MEMLOCK and
// /proc/PID/status want it.

extension AddressSpace {
  /// Implements mlock(2), mlock2(2) and munlock(2). Errors: EINVAL, ENOMEM, EPERM.
  func setLocked(_ address: UInt, _ count: UInt, _ wanted: AreaFlags, limits: MemoryLimits) throws(Errno) {
    let start = address & ~4095
    let size = AddressLayout.roundedUp(count &+ (address & 4095))
    guard start &+ size >= start, size >= count else { throw .invalid }
    if !wanted.isEmpty && limits.locked == 0 { throw .notPermitted }
    if size == 0 { return }
    try withMemory { (state) throws(Errno) in
      if !wanted.isEmpty {
        var already = 0
        state.areas.tree.forEach(from: start, to: start + size) { area in
          if area.flags.contains(.locked) {
            already += Int((min(area.end, start + size) - max(area.start, start)) >> 12)
          }
        }
        if UInt(state.areas.totals.locked - already) + size >> 12 > limits.locked >> 12 { throw .noMemory }
      }
      try setLocked(&state, start, start + size, wanted)
      guard state.areas.tree.isCovered(start, start + size) else { throw .noMemory }
    }
    if wanted == .locked { populate(start, size) }
  }

  private func setLocked(_ state: inout AddressSpaceState, _ start: UInt, _ end: UInt, _ wanted: AreaFlags)
    throws(Errno)
  {
    if state.areas.count + 2 > maximumAreas { throw .noMemory }
    try state.areas.reserve()
    // Linux stops at the first hole.
    var high = start
    while high < end, let area = state.areas.tree.area(at: high) { high = area.end }
    try state.areas.setFlags(start, min(high, end)) { $0.subtracting([.locked, .lockedOnFault]).union(wanted) }
  }

  /// Implements mlockall(2) and munlockall(2) (`flags` 0). Errors: EINVAL, ENOMEM, EPERM.
  func setAllLocked(_ flags: Int32, limits: MemoryLimits) throws(Errno) {
    let wanted: AreaFlags = flags & MCL_ONFAULT != 0 ? [.locked, .lockedOnFault] : .locked
    if flags != 0 && limits.locked == 0 { throw .notPermitted }
    try withMemory { (state) throws(Errno) in
      if flags & MCL_CURRENT != 0, UInt(state.areas.totals.total) > limits.locked >> 12 { throw .noMemory }
      state.futureFlags = flags & MCL_FUTURE != 0 ? wanted : []
      guard flags & MCL_CURRENT != 0 || flags == 0 else { return }
      try state.areas.reserve()
      try state.areas.setFlags(0, AddressLayout.end) {
        $0.subtracting([.locked, .lockedOnFault]).union(flags == 0 ? [] : wanted)
      }
    }
    if flags & MCL_CURRENT != 0 && flags & MCL_ONFAULT == 0 {
      populate(AddressLayout.start, AddressLayout.end - AddressLayout.start)
    }
  }
}
