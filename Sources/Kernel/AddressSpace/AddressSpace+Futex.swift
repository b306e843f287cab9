import Machine

extension AddressSpace {
  /// What a word of a shared mapping is to all who map it: the file and the offset in it. Nil where the memory is this
  /// space's alone, or none. Takes the lock.
  func futexKey(_ address: UInt) -> (object: UInt, offset: UInt)? {
    withoutChange { state -> (object: UInt, offset: UInt)? in
      guard let area = state.areas.tree.area(at: address), area.flags.contains(.shared), let mapping = area.mapping
      else { return nil }
      let offset = area.fileOffset(address)
      if let cached = mapping.cached { return (Borrowed(cached).identity, offset) }
      guard let file = mapping.file else { return nil }
      return (Borrowed(file.inode).identity, offset)
    }
  }
}
