import CLinux
import Machine

/// Where a program or its interpreter came to lie.
struct LoadedImage {
  /// What is added to the addresses in the file.
  var bias: UInt
  var entry: UInt
  /// Of the program headers: AT_PHDR.
  var headers: UInt
  /// One above its last byte, up to a page: the heap begins there.
  var end: UInt
  var code: Range<UInt> = 0..<0
  var data: Range<UInt> = 0..<0
}

/// Where a movable image goes.
enum ImagePlace {
  /// At the addresses in the file, or, where it is movable, at this address.
  case at(UInt)
  /// Where it was before: at the addresses in the file and this.
  case movedBy(UInt)
  /// Where there is room in the mapping area.
  case anywhere
}

extension AddressSpace {
  /// Maps the segments of `program`. Errors: ENOMEM, EINVAL, EEXIST where a fixed address is taken, ENOEXEC.
  func load(_ program: ProgramFile, _ place: ImagePlace, limits: MemoryLimits) throws(Errno) -> LoadedImage {
    let image = program.image
    let range = image.range
    // Behind it, room for stubs, where there is some.
    var room = hook.rewrites ? ExecImage.stubRoom : 0
    let bias = try bias(of: image, place, &room, limits)
    if room > 0 {
      if image.interpreter == nil { ExecFile.of(program.file)?.prepare(program.file) }
      let (start, end) = (range.lowerBound &+ bias, range.upperBound &+ bias)
      try withMemory { (state) throws(Errno) in try addStubRoom(&state, start, end, limits: limits) }
    }
    for segment in image.segments { try load(segment, bias, program.file, limits) }
    var result = LoadedImage(
      bias: bias, entry: image.entry &+ bias, headers: image.headerAddress == 0 ? 0 : image.headerAddress &+ bias,
      end: range.upperBound &+ bias &+ room)
    for segment in image.segments {
      let low = segment.address &+ bias, high = low &+ segment.fileCount
      if segment.protection & PROT_EXEC != 0 {
        result.code =
          result.code.isEmpty ? low..<high : min(result.code.lowerBound, low)..<max(result.code.upperBound, high)
      }
      result.data = low..<high  // the last one's, as on Linux
    }
    return result
  }

  /// `room`: how much is wanted behind it; 0 where there is none.
  private func bias(of image: ElfImage, _ wanted: ImagePlace, _ room: inout UInt, _ limits: MemoryLimits)
    throws(Errno) -> UInt
  {
    let range = image.range
    guard image.isMovable else {
      let count = range.upperBound - range.lowerBound
      guard AddressLayout.isUsable(range.lowerBound, count) else { throw .notExecutable }
      guard withoutChange({ $0.areas.tree.isFree(range.lowerBound, range.upperBound) }) else { throw .exists }
      let end = range.upperBound
      if !AddressLayout.isUsable(end, room) || !withoutChange({ $0.areas.tree.isFree(end, end + room) }) { room = 0 }
      return 0
    }
    let alignment = image.alignment
    let count = range.upperBound - range.lowerBound + room
    switch wanted {
    case .movedBy(let bias):
      let start = range.lowerBound &+ bias
      guard AddressLayout.isUsable(start, count), withoutChange({ $0.areas.tree.isFree(start, start + count) }) else {
        throw .exists
      }
      if !hasAddressSpaces { try withMemory { (state) throws(Errno) in try reserve(&state, start, count, limits) } }
      return bias
    case .at(let address):
      let base = address & ~(alignment - 1)
      if AddressLayout.isUsable(base, count), withoutChange({ $0.areas.tree.isFree(base, base + count) }) {
        return base &- range.lowerBound
      }
      fallthrough
    case .anywhere:
      guard let found = try place(count + alignment - 4096, limits) else { throw .noMemory }
      return (found + alignment - 1) & ~(alignment - 1) &- range.lowerBound
    }
  }

  /// Room for an image. In `mmu=none` it is taken at once, since others look for room too.
  private func place(_ count: UInt, _ limits: MemoryLimits) throws(Errno) -> UInt? {
    if hasAddressSpaces { return withoutChange { room(&$0, count) } }
    return try withMemory { (state) throws(Errno) -> UInt? in
      let found = room(&state, count)
      if let found { try reserve(&state, found, count, limits) }
      return found
    }
  }
  private func reserve(_ state: inout AddressSpaceState, _ start: UInt, _ count: UInt, _ limits: MemoryLimits)
    throws(Errno)
  {
    var area = Area(
      start: start, end: start + count, flags: [.mayAll, .noReserve], offset: start)
    try put(&state, &area, limits: limits, noReserve: true, isEmpty: true)
  }

  private func load(_ segment: ElfImage.Segment, _ bias: UInt, _ file: File, _ limits: MemoryLimits) throws(Errno) {
    let address = segment.address &+ bias
    let start = address & ~4095
    let fileEnd = address &+ segment.fileCount, end = address &+ segment.memoryCount
    var zeroFrom = start
    if segment.fileCount > 0 {
      zeroFrom = AddressLayout.roundedUp(fileEnd)
      try mapFile(segment, start, zeroFrom - start, file, limits)
      // The rest of the last page belongs to the file; the program's is zero.
      if segment.protection & PROT_WRITE != 0, fileEnd < zeroFrom, end > fileEnd {
        try UserPointer<UInt8>(fileEnd).clear(count: Int(zeroFrom - fileEnd))
      }
    }
    let last = AddressLayout.roundedUp(end)
    if last > zeroFrom {
      // A few pages are filled at once, in place of a fault for each.
      let populates = last - zeroFrom <= 8 << 12 && segment.protection & PROT_WRITE != 0
      let request = MapRequest(
        address: zeroFrom, count: last - zeroFrom, protection: segment.protection,
        flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (populates ? MAP_POPULATE : 0))
      _ = try map(request, limits: limits)
    }
  }

  private func mapFile(
    _ segment: ElfImage.Segment, _ start: UInt, _ count: UInt, _ file: File, _ limits: MemoryLimits
  ) throws(Errno) {
    let skipped = segment.address & 4095
    var request = MapRequest(
      address: start, count: count, protection: segment.protection, flags: MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE,
      file: file, offset: segment.fileOffset - skipped)
    do throws(Errno) {
      _ = try map(request, limits: limits)
      return
    } catch  where error == .noDevice {}
    // A file system whose files cannot be mapped: a copy.
    request.file = nil
    request.flags |= MAP_ANONYMOUS
    request.protection = PROT_READ | PROT_WRITE
    _ = try map(request, limits: limits)
    var buffers = IOBuffers(UserPointer<UInt8>(start), count: Int(min(segment.fileCount + skipped, 0x7fff_f000)))
    var at = Int(segment.fileOffset - skipped)
    while buffers.count > 0 {
      let moved = try file.read(&buffers, at: at)
      if moved == 0 { break }
      at += moved
    }
    try protect(start, count, segment.protection, limits: limits)
  }
}
