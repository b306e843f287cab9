import CLinux
import Machine

// What one task reads and writes in another's memory, or a debugger in its own: of patched text, the file's own bytes.

extension AddressSpace {
  /// How a stretch of memory is got at.
  private enum Access {
    case plain
    /// Text that is an exec image's: what the file has from there.
    case text(File, at: UInt)
    /// Pages that the program itself may not use so.
    case forced
  }

  /// Copies from `address` to `bytes`, for the caller's eyes. Returns the bytes copied: fewer where something is not mapped.
  /// `isForced`: what the program itself may not read is read too. Errors: ESRCH, EFAULT where nothing is.
  public func read(_ task: Task, at address: UInt, to bytes: KernelBytes, isForced: Bool = false) throws(Errno) -> Int {
    try visit(task) { () throws(Errno) -> Int in
      try inPieces(address, bytes.count, isWrite: false, isForced) { (at, range, access) throws(Errno) -> Int in
        let piece = bytes.slice(range.lowerBound, range.count)
        if case .text(let file, let offset) = access {
          for i in try file.fill(piece, at: Int(offset))..<piece.count { piece[i] = 0 }  // behind its end
          return piece.count
        }
        var buffers = IOBuffers(UserPointer<UInt8>(at), count: range.count)
        return try buffers.copyIn(piece)
      }
    }
  }
  /// Copies `bytes` to `address`. `isForced`: what the program itself may not write to becomes a private copy, where the
  /// mapping is private. Errors and result as `read`.
  public func write(_ task: Task, at address: UInt, from bytes: KernelBytes, isForced: Bool = false) throws(Errno)
    -> Int
  {
    try visit(task) { () throws(Errno) -> Int in
      try inPieces(address, bytes.count, isWrite: true, isForced) { (at, range, access) throws(Errno) -> Int in
        var buffers = IOBuffers(UserPointer<UInt8>(at), count: range.count)
        return try buffers.copyOut(bytes.slice(range.lowerBound, range.count))
      }
    }
  }

  /// Runs `body` on one piece after the other of what begins at `address`, until it moves less than the whole piece.
  private func inPieces(
    _ address: UInt, _ count: Int, isWrite: Bool, _ isForced: Bool,
    _ body: (UInt, Range<Int>, Access) throws(Errno) -> Int
  ) throws(Errno) -> Int {
    var done = 0
    while done < count {
      let at = address &+ UInt(done)
      do throws(Errno) {
        let (access, size) = try open(at, count - done, isWrite: isWrite, isForced)
        defer { if case .forced = access { close(at) } }
        let moved = try body(at, done..<done + size, access)
        done += moved
        if moved < size { break }
      } catch {
        if done == 0 { throw error }
        break
      }
    }
    return done
  }

  /// How to get at what lies at `address`, and for how many bytes of `count` that holds. Errors: EFAULT.
  private func open(_ address: UInt, _ count: Int, isWrite: Bool, _ isForced: Bool) throws(Errno) -> (Access, Int) {
    try withMemory { (state) throws(Errno) -> (Access, Int) in
      // Between areas the copy itself finds out: the host's vDSO is none.
      guard let area = state.areas.tree.find(address) else { return (.plain, count) }
      if area.start > address { return (.plain, min(count, Int(area.start - address))) }
      let size = min(count, Int(area.end - address))
      if case .stubs = area.mapping?.object { throw .fault }
      let may: AreaFlags = isWrite ? .write : [.read, .write, .execute]
      if !area.flags.isDisjoint(with: may) {
        if !isWrite, let mapping = area.mapping, mapping.image != nil, let file = mapping.file {
          return (.text(file, at: area.fileOffset(address)), size)
        }
        return (.plain, size)
      }
      guard isForced, !area.flags.contains(.shared), area.flags.contains(isWrite ? .mayWrite : .mayRead) else {
        throw .fault
      }
      let page = address & ~4095
      // As for mprotect(2): what is written to is the file's own text.
      if isWrite, let mapping = area.mapping, mapping.file != nil {
        mapping.wasWritable = true
        if mapping.image != nil { try restoreText(&state, mapping) }
      }
      if let file = area.mapping?.cached, var changed = state.areas.tree.area(at: page) {
        let number = Int(changed.fileOffset(page) >> 12)
        if number < file.pageCount { try fill(&changed, file, number) }
        state.areas.change(changed.start) { $0.filled = changed.filled }
      }
      try HostMemory.protect(page, 4096, area.flags.protection | (isWrite ? PROT_READ | PROT_WRITE : PROT_READ))
      return (.forced, min(size, Int(4096 - (address - page))))
    }
  }
  /// The page of `address` is again what the program may use it for.
  private func close(_ address: UInt) {
    _ = try? withMemory { (state) throws(Errno) in
      guard let area = state.areas.tree.area(at: address) else { return }
      try HostMemory.protect(address & ~4095, 4096, area.flags.protection)
    }
  }
}
