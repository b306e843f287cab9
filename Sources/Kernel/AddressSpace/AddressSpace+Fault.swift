import CLinux
import Machine

/// What a page fault comes to.
public enum FaultOutcome: Sendable {
  /// The access may be tried again.
  case resolved
  /// The signal, with its si_code.
  case refused(signal: Int32, code: Int32)
}

extension AddressSpace {
  /// A fault at `address` of the task that runs in this space: fills pages of cached files and grows stacks.
  /// `mayRetry`: whether an access that should have worked may just be tried again (another thread may have changed the
  /// mapping meanwhile).
  func resolveFault(at address: UInt, isWrite: Bool, isExecute: Bool, limits: MemoryLimits, mayRetry: Bool)
    -> FaultOutcome
  {
    let outcome = try? withMemory { (state) throws(Errno) -> FaultOutcome in
      let mapError = FaultOutcome.refused(signal: SIGSEGV, code: Int32(SEGV_MAPERR))
      let accessError = FaultOutcome.refused(signal: SIGSEGV, code: Int32(SEGV_ACCERR))
      guard let area = state.areas.tree.find(address) else { return mapError }
      if area.start > address {
        guard area.flags.contains(.growsDown) else { return mapError }
        return grow(&state, area, to: address, limits) ? .resolved : mapError
      }
      let needed: AreaFlags = isWrite ? .write : isExecute ? .execute : [.read, .write, .execute]
      if area.flags.isDisjoint(with: needed) { return accessError }
      guard let file = area.mapping?.cached else { return mayRetry ? .resolved : mapError }
      let busError = FaultOutcome.refused(signal: SIGBUS, code: Int32(BUS_ADRERR))
      let page = Int(area.fileOffset(address) >> 12)
      guard page < file.pageCount else { return busError }
      if area.filled.contains(page) { return mayRetry ? .resolved : busError }
      var changed = area
      var isFilled = false
      do throws(Errno) {
        try fill(&changed, file, page)
        isFilled = true
      } catch {}
      state.areas.change(area.start) { $0.filled = changed.filled }
      return isFilled ? .resolved : busError
    }
    return outcome ?? .refused(signal: SIGSEGV, code: Int32(SEGV_MAPERR))
  }

  /// Grows the stack `area` down to `address`, a little further where there is room. The lock is held.
  private func grow(_ state: inout AddressSpaceState, _ area: Area, to address: UInt, _ limits: MemoryLimits) -> Bool {
    // Below it everything mapped keeps its distance, but for what nobody can touch, and other stacks.
    var floor = AddressLayout.start
    if let below = state.areas.tree.before(area.start) {
      let isGuarded = below.flags.protection != 0 && !below.flags.contains(.growsDown)
      floor = max(floor, below.end + (isGuarded ? stackGuardGap : 0))
    }
    if limits.stack < area.end { floor = max(floor, AddressLayout.roundedUp(area.end - limits.stack)) }
    let page = address & ~4095
    guard page >= floor, AddressLayout.isUsable(page, area.start - page) else { return false }
    var start = max(page & ~0xffff, floor)
    if !AddressLayout.isUsable(start, area.start - start) { start = page }
    let pages = (area.start - start) >> 12
    if UInt(state.areas.totals.total) + pages > limits.addressSpace >> 12 { return false }
    guard (try? HostMemory.mapAnonymous(start, area.start - start, protection: area.flags.protection)) != nil else {
      return false
    }
    state.areas.change(area.start) { area in
      area.offset &-= area.start - start
      area.start = start
    }
    state.peak = max(state.peak, state.areas.totals.total)
    return true
  }
}
