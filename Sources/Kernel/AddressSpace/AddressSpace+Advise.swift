import CLinux
import Machine

extension AddressSpace {
  /// Implements madvise(2). What only says how memory will be used is passed on to the host, whose pages they are.
  func advise(_ address: UInt, _ count: UInt, _ advice: Int32) throws(Errno) {
    guard Self.isKnown(advice), AddressLayout.isAligned(address) else { throw .invalid }
    let size = AddressLayout.roundedUp(count)
    guard size >= count, address &+ size >= address else { throw .invalid }
    if size == 0 { return }
    if advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE {
      try populateAll(address, size, isWrite: advice == MADV_POPULATE_WRITE)
      return
    }
    try withMemory { (state) throws(Errno) in
      var at = address
      var hasHole = false
      while at < address + size {
        guard let area = state.areas.tree.find(at), area.start < address + size else {
          hasHole = true
          break
        }
        if area.start > at { hasHole = true }
        let low = max(area.start, at), high = min(area.end, address + size)
        try advise(&state, area, low, high, advice)
        at = high
      }
      if hasHole { throw .noMemory }  // everything else is done, as on Linux
    }
  }

  private static func isKnown(_ advice: Int32) -> Bool {
    switch advice {
    case MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
      MADV_DOFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK,
      MADV_COLD,
      MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTNEED_LOCKED,
      MADV_COLLAPSE:
      true
    default: false
    }
  }

  /// A part of one area. The lock is held.
  private func advise(
    _ state: inout AddressSpaceState, _ area: Area, _ low: UInt, _ high: UInt, _ advice: Int32
  ) throws(Errno) {
    let isAnonymous = area.mapping == nil
    switch advice {
    case MADV_DONTNEED, MADV_DONTNEED_LOCKED:
      if advice == MADV_DONTNEED && area.flags.contains(.locked) { throw .invalid }
      // Shared pages stay in the cache and where they are mapped; private ones begin anew from their file.
      if !area.flags.contains(.shared) { try passOn(low, high, MADV_DONTNEED) }
    case MADV_FREE:
      guard isAnonymous, !area.flags.contains(.locked) else { throw .invalid }
      try passOn(low, high, advice)
    case MADV_REMOVE:
      guard area.flags.contains(.shared), let mapping = area.mapping else { throw .invalid }
      guard area.flags.contains(.mayWrite) else { throw .access }
      throw mapping.cached == nil ? .notSupported : .invalid
    case MADV_DONTFORK, MADV_DOFORK:
      try change(&state, low, high, advice) { flags in
        advice == MADV_DONTFORK ? flags.union(.dontFork) : flags.subtracting(.dontFork)
      }
    case MADV_WIPEONFORK, MADV_KEEPONFORK:
      if advice == MADV_WIPEONFORK && !isAnonymous { throw .invalid }
      try change(&state, low, high, advice) { flags in
        advice == MADV_WIPEONFORK ? flags.union(.wipeOnFork) : flags.subtracting(.wipeOnFork)
      }
    case MADV_DONTDUMP, MADV_DODUMP:
      // No core is written either way: it is only shown.
      try state.areas.reserve()
      try state.areas.setFlags(low, high) { flags in
        advice == MADV_DONTDUMP ? flags.union(.dontDump) : flags.subtracting(.dontDump)
      }
    case MADV_WILLNEED:
      if let file = area.mapping?.cached {
        var changed = area
        let first = Int(area.fileOffset(low) >> 12)
        let end = min(first + Int((high - low) >> 12), file.pageCount, first + 1024)
        if first < end { _ = try? fill(&changed, file, first, end) }
        state.areas.change(area.start) { $0.filled = changed.filled }
      } else {
        _ = try? passOn(low, high, advice)
      }
    case MADV_MERGEABLE, MADV_UNMERGEABLE: throw .invalid  // as a kernel without KSM
    default:
      // Hints: the host's own rules decide what is refused.
      do throws(Errno) { try passOn(low, high, advice) } catch  where area.mapping?.cached != nil {}
    }
  }

  private func passOn(_ low: UInt, _ high: UInt, _ advice: Int32) throws(Errno) {
    try AddressLayout.forUsableParts(low, high) { (part, size) throws(Errno) in
      try HostMemory.advise(part, size, advice)
    }
  }
  private func change(
    _ state: inout AddressSpaceState, _ low: UInt, _ high: UInt, _ advice: Int32, _ flags: (AreaFlags) -> AreaFlags
  ) throws(Errno) {
    try state.areas.reserve()
    try passOn(low, high, advice)
    try state.areas.setFlags(low, high, flags)
  }

  /// MADV_POPULATE_*: unlike the other hints it says what failed. Errors: ENOMEM, EFAULT, EINVAL.
  private func populateAll(_ address: UInt, _ count: UInt, isWrite: Bool) throws(Errno) {
    try withMemory { (state) throws(Errno) in
      var at = address
      while at < address + count {
        guard let area = state.areas.tree.area(at: at) else { throw .noMemory }
        guard area.flags.contains(isWrite ? .write : .read) else { throw .invalid }
        let high = min(area.end, address + count)
        if let file = area.mapping?.cached {
          var changed = area
          let first = Int(area.fileOffset(at) >> 12), end = first + Int((high - at) >> 12)
          defer { state.areas.change(area.start) { $0.filled = changed.filled } }
          guard end <= file.pageCount else { throw .fault }
          try fill(&changed, file, first, end)
        }
        try passOn(at, high, isWrite ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
        at = high
      }
    }
  }

  /// Implements msync(2). The page cache is what is mapped: only host files have something behind them.
  func sync(_ address: UInt, _ count: UInt, _ flags: Int32) throws(Errno) {
    guard flags & ~(MS_ASYNC | MS_SYNC | MS_INVALIDATE) == 0, AddressLayout.isAligned(address),
      flags & MS_ASYNC == 0 || flags & MS_SYNC == 0
    else { throw .invalid }
    let size = AddressLayout.roundedUp(count)
    guard size >= count, address &+ size >= address else { throw .noMemory }
    try withMemory { (state) throws(Errno) in
      var at = address
      var hasHole = false
      while at < address + size {
        guard let area = state.areas.tree.find(at), area.start < address + size else {
          hasHole = true
          break
        }
        if area.start > at { hasHole = true }
        let low = max(area.start, at), high = min(area.end, address + size)
        if flags & MS_INVALIDATE != 0 && area.flags.contains(.locked) { throw .busy }
        if case .host = area.mapping?.object, area.flags.contains(.shared) {
          try HostMemory.sync(low, high - low, flags)
        }
        at = high
      }
      if hasHole { throw .noMemory }
    }
  }

  /// Implements mincore(2): a byte for each page of `pages`, which is at most 65536. Errors: ENOMEM for a hole.
  func residency(_ address: UInt, pages: Int) throws(Errno) -> [UInt8] {
    try withMemory { (state) throws(Errno) -> [UInt8] in
      var result: [UInt8] = []
      result.reserveCapacity(pages)
      var at = address
      let end = address + UInt(pages) << 12
      while at < end {
        guard let area = state.areas.tree.area(at: at) else { throw .noMemory }
        let high = min(area.end, end)
        if let file = area.mapping?.cached {
          var page = Int(area.fileOffset(at) >> 12)
          for _ in 0..<Int((high - at) >> 12) {
            result.append(file.memoryOffset(page) != nil ? 1 : 0)
            page += 1
          }
        } else if AddressLayout.isUsable(at, high - at) {
          result.append(contentsOf: try HostMemory.residency(at, pages: Int((high - at) >> 12)))
        } else {
          result.append(contentsOf: [UInt8](repeating: 0, count: Int((high - at) >> 12)))
        }
        at = high
      }
      return result
    }
  }
}
