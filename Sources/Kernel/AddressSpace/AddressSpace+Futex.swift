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
      guard let area = state.areas.tree.area(at: address) else { return .own }
      guard area.flags.contains(.shared), let mapping = area.mapping else {
        return area.mapping == nil && !area.flags.contains(.write) ? .constant : .own
      }
      let offset = area.fileOffset(address)
      if let cached = mapping.cached { return .shared(object: Borrowed(cached).identity, offset: offset) }
      guard let file = mapping.file else { return .own }
      return .shared(object: Borrowed(file.inode).identity, offset: offset)
    }
  }
}
