import Machine

/// Whose a futex's word is, where it is not said to be the process's own.
enum FutexMemory {
  /// A shared mapping's: all who map it mean the same by the file and the offset in it.
  case shared(object: UInt, offset: UInt)
  /// This space's alone, or there is none.
  case own
  /// Anonymous memory that may not be written: Linux refuses it, as it never changes.
  case constant
}

extension AddressSpace {
  /// Takes the lock.
  func futexMemory(_ address: UInt) -> FutexMemory {
    withoutChange { state -> FutexMemory in
      state.areas.tree.with(address) { area in
        let identity = area.mapping?.sharedIdentity
        if !area.flags.contains(.shared) { return identity == nil && !area.flags.contains(.write) ? .constant : .own }
        guard let identity, identity != 0 else { return .own }
        return .shared(object: identity, offset: area.fileOffset(address))
      } ?? .own
    }
  }
}
