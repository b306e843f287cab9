import CLinux
import Machine

/// What mmap(2) was asked for.
public struct MapRequest {
  public var address: UInt = 0
  public var count: UInt
  /// PROT_*.
  public var protection: Int32
  /// MAP_*.
  public var flags: Int32
  public var file: File?
  /// Where in the file, in bytes: a multiple of the page size.
  public var offset: UInt = 0
  /// The System V segment, in place of a file.
  var segment: SegmentAttachment?

  public init(address: UInt = 0, count: UInt, protection: Int32, flags: Int32, file: File? = nil, offset: UInt = 0) {
    self.address = address
    self.count = count
    self.protection = protection
    self.flags = flags
    self.file = file
    self.offset = offset
  }
  func has(_ flag: Int32) -> Bool { flags & flag != 0 }
}

extension AddressSpace {
  /// Implements mmap(2): returns the address. A change reserves what it needs, then calls the host, then commits.
  public func map(_ request: MapRequest, limits: MemoryLimits) throws(Errno) -> UInt {
    var request = request
    guard request.count > 0 else { throw .invalid }
    let count = AddressLayout.roundedUp(request.count)
    guard count >= request.count, count > 0, count <= AddressLayout.end else { throw .noMemory }
    guard request.offset &+ count >= request.offset else { throw .overflow }
    request.count = count
    if request.has(MAP_FIXED_NOREPLACE) { request.flags |= MAP_FIXED }
    if !request.has(MAP_FIXED) {
      request.address &= ~4095
      if request.address > 0 && request.address < AddressLayout.start { request.address = AddressLayout.start }
    }
    let object = try objectToMap(request)
    var flags = try areaFlags(request, object)
    var mapping: FileMapping?
    if let object {
      let isWritable = flags.isSuperset(of: [.shared, .mayWrite])
      mapping = FileMapping(
        space: self, file: request.file, object: object, isWritable: isWritable, attachment: request.segment)
      mapping?.wasWritable = request.protection & PROT_WRITE != 0
      mapping?.isProgram = request.has(MAP_DENYWRITE)
    }
    let exec = hook.rewrites ? execFile(request) : nil
    let room = exec != nil && wantsStubRoom(request) ? ExecImage.stubRoom : 0
    var populates = request.has(MAP_POPULATE) && !request.has(MAP_NONBLOCK)
    let address = try withMemory { (state) throws(Errno) -> UInt in
      flags.formUnion(state.futureFlags)
      if flags.contains(.locked) { populates = populates || !flags.contains(.lockedOnFault) }
      var placed = request
      placed.count += room
      let address = try place(&state, placed)
      var area = Area(start: address, end: address + count, flags: flags, offset: request.offset, mapping: mapping)
      if mapping == nil { area.offset = address }
      if request.file == nil && mapping != nil { area.offset = 0 }
      if let exec, request.protection & PROT_EXEC != 0 { bind(&state, area, exec) }
      try put(&state, &area, limits: limits, noReserve: request.has(MAP_NORESERVE))
      if room > 0 { try addStubRoom(&state, address, address + count, limits: limits) }
      if let mapping, let image = mapping.image { try mapStubs(&state, mapping, image) }
      return address
    }
    if populates { populate(address, count) }
    return address
  }

  /// What is known of the file, where it may be run: of text, and of a file that is mapped as a whole. May sleep.
  private func execFile(_ request: MapRequest) -> ExecFile? {
    guard let file = request.file, request.flags & MAP_TYPE == MAP_PRIVATE, request.protection & PROT_WRITE == 0 else {
      return nil
    }
    let isText = request.protection & PROT_EXEC != 0
    guard isText || (request.offset == 0 && !request.has(MAP_FIXED)), let exec = ExecFile.of(file),
      !exec.segments.isEmpty
    else { return nil }
    return isText || request.count == UInt(exec.range.count) ? exec : nil
  }
  /// A dynamic loader maps all of a library first, then its segments over that.
  private func wantsStubRoom(_ request: MapRequest) -> Bool { request.offset == 0 && !request.has(MAP_FIXED) }

  /// What is behind it; nil: private anonymous memory.
  private func objectToMap(_ request: MapRequest) throws(Errno) -> MappedObject? {
    if let attachment = request.segment { return .cached(attachment.segment.file) }
    let isShared = request.flags & MAP_TYPE != MAP_PRIVATE
    guard let file = request.file else {
      return isShared ? .cached(try CachedFile.shared(count: Int(request.count))) : nil
    }
    let object = try file.mappedObject()
    if case .zero = object, isShared { return .cached(try CachedFile.shared(count: Int(request.count))) }
    return object
  }

  private func areaFlags(_ request: MapRequest, _ object: MappedObject?) throws(Errno) -> AreaFlags {
    var flags = AreaFlags(protection: request.protection)
    flags.formUnion(.mayAll)
    if request.has(MAP_GROWSDOWN) { flags.insert(.growsDown) }
    if request.has(MAP_NORESERVE) { flags.insert(.noReserve) }
    if request.has(MAP_LOCKED) { flags.insert(.locked) }
    let type = request.flags & MAP_TYPE
    guard type == MAP_SHARED || type == MAP_PRIVATE || (type == MAP_SHARED_VALIDATE && request.file != nil) else {
      throw .invalid
    }
    if type != MAP_PRIVATE { flags.insert(.shared) }
    if request.has(MAP_GROWSDOWN) && (type != MAP_PRIVATE || request.file != nil) { throw .invalid }
    if let file = request.file {
      if type == MAP_SHARED_VALIDATE {
        let known =
          MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED
          | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | MAP_FIXED_NOREPLACE
        if request.flags & ~known != 0 { throw .notSupported }
      }
      if type != MAP_PRIVATE {
        if !file.isWritable {
          if request.protection & PROT_WRITE != 0 { throw .access }
          flags.remove(.mayWrite)
        }
      }
      if !file.isReadable { throw .access }
      if type != MAP_PRIVATE, case .cached(let cached) = object,
        cached.seals & UInt32(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0
      {
        if request.protection & PROT_WRITE != 0 { throw .notPermitted }
        flags.remove(.mayWrite)
      }
      if let path = file.path, path.mount.has(MS_NOEXEC) {
        if request.protection & PROT_EXEC != 0 { throw .notPermitted }
        flags.remove(.mayExecute)
      }
    }
    return flags
  }

  /// Where it goes: the address of MAP_FIXED, the hint if it is free, else the highest room. The lock is held.
  private func place(_ state: inout AddressSpaceState, _ request: MapRequest) throws(Errno) -> UInt {
    let address = request.address, count = request.count
    if request.has(MAP_FIXED) {
      guard AddressLayout.isAligned(address) else { throw .invalid }
      guard address <= AddressLayout.end - count else { throw .noMemory }
      guard address >= AddressLayout.start else { throw .notPermitted }
      if request.has(MAP_FIXED_NOREPLACE),
        !state.areas.tree.isFree(address, address + count) || !isOpen(address, address + count)
      {
        throw .exists
      }
      if !isOpen(address, address + count) { throw .noMemory }
      if !AddressLayout.isUsable(address, count) {
        // Over the kernel's own ranges only what nobody can touch.
        guard request.protection & (PROT_READ | PROT_WRITE | PROT_EXEC) == 0, request.file == nil,
          request.flags & MAP_TYPE == MAP_PRIVATE
        else { throw .noMemory }
      }
      return address
    }
    if address != 0, address <= AddressLayout.end - count, AddressLayout.isUsable(address, count),
      isFree(&state, address, address + count)
    {
      return address
    }
    guard let found = room(&state, count, low32: request.has(MAP_32BIT)) else {
      // Larger than any of the guest's ranges: a reservation that nobody can touch may span the kernel's.
      guard request.protection & (PROT_READ | PROT_WRITE | PROT_EXEC) == 0, request.file == nil,
        request.flags & MAP_TYPE == MAP_PRIVATE,
        let found = highestRoom(&state, count, AddressLayout.start, state.mapTop)
      else { throw .noMemory }
      return found
    }
    return found
  }

  /// Room for `count` bytes, from the mapping area's top down. The lock is held.
  func room(_ state: inout AddressSpaceState, _ count: UInt, low32: Bool = false) -> UInt? {
    if low32 { return lowestRoom(&state, count, 0x4000_0000, 0x8000_0000) }
    let windows = AddressLayout.windows
    for i in windows.indices {
      let high = min(windows[i].high, state.mapTop)
      if let found = highestRoom(&state, count, windows[i].low, high) { return found }
    }
    // Above the mapping area, beside the stack, as Linux's last resort.
    for i in windows.indices {
      if let found = lowestRoom(&state, count, max(windows[i].low, state.mapTop), windows[i].high) { return found }
    }
    if !hasAddressSpaces, keptTexts.with({ $0.dropAll() }) { return room(&state, count) }
    return nil
  }

  /// Makes `area` what its range maps, in the host and in the tree. `isEmpty`: nobody can touch it, and in the host it is
  /// as it was. The lock is held.
  func put(
    _ state: inout AddressSpaceState, _ area: inout Area, limits: MemoryLimits, noReserve: Bool, isEmpty: Bool = false
  ) throws(Errno) {
    try checkLimits(&state, area, limits)
    if state.areas.count >= maximumAreas { throw .noMemory }
    try state.areas.reserve()
    // On the file's list before the file's size is looked at; the tree's own count takes over.
    let mapping = area.mapping
    mapping?.attach()
    defer { mapping?.detach() }
    let isFree = state.areas.tree.isFree(area.start, area.end)
    if !isFree { try releaseStubs(&state, area.start, area.end) }
    try occupy(area.start, area.end)
    if !isEmpty { try mapInHost(&area, noReserve: noReserve) }
    if !isFree { try state.areas.clear(area.start, area.end) }
    try state.areas.add(area)
    state.peak = max(state.peak, state.areas.totals.total)
  }

  /// The one place where the host maps what an area is.
  func mapInHost(_ area: inout Area, noReserve: Bool) throws(Errno) {
    let (start, count, protection) = (area.start, area.count, area.flags.protection)
    if let image = area.mapping?.image { return try mapImage(&area, image) }
    let object = area.mapping?.object
    switch object {
    case .stubs: break  // nothing is there until the first patch
    case nil, .zero:
      if let kept, kept.has(start, area.end, nil) { return }
      try AddressLayout.forUsableParts(start, start + count) { (part, size) throws(Errno) in
        try HostMemory.mapAnonymous(part, size, protection: protection, noReserve: noReserve)
      }
    case .cached(let file): try mapCached(&area, file)
    case .host(let file):
      if let kept, kept.has(start, area.end, nil) { return }
      try HostMemory.mapHostFile(
        start, count, protection: protection, descriptor: file.descriptor, offset: area.offset,
        isShared: area.flags.contains(.shared), isData: area.mapping?.isProgram == true)
    }
  }

  /// RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK for what is to be mapped. Errors: ENOMEM, EAGAIN.
  func checkLimits(_ state: inout AddressSpaceState, _ area: Area, _ limits: MemoryLimits) throws(Errno) {
    let totals = state.areas.totals
    var new = AreaTotals()
    new.count(area, 1)
    if UInt(totals.total + new.total) > limits.addressSpace >> 12 {
      var replaced = 0
      state.areas.tree.forEach(from: area.start, to: area.end) { old in
        replaced += Int((min(old.end, area.end) - max(old.start, area.start)) >> 12)
      }
      if UInt(totals.total - replaced + new.total) > limits.addressSpace >> 12 { throw .noMemory }
    }
    if new.data > 0, UInt(totals.data + new.data) > limits.data >> 12 { throw .noMemory }
    if new.locked > 0, UInt(totals.locked + new.locked) > limits.locked >> 12 { throw .wouldBlock }
  }

  /// vm.max_map_count.
  var maximumAreas: Int { 65530 }

  /// Fills what is mapped, as far as that goes: MAP_POPULATE, mlock(2).
  func populate(_ start: UInt, _ count: UInt) {
    _ = try? withMemory { (state) throws(Errno) in
      var at = start
      while let area = state.areas.tree.find(at), area.start < start &+ count {
        let low = max(area.start, start), high = min(area.end, start &+ count)
        at = area.end
        guard area.flags.protection != 0 else { continue }
        if let file = area.mapping?.cached {
          let first = Int(area.fileOffset(low) >> 12)
          let end = min(first + Int((high - low) >> 12), file.pageCount)
          var changed = area
          if first < end { _ = try? fill(&changed, file, first, end) }
          state.areas.change(area.start) { $0.filled = changed.filled }
        }
        let advice =
          area.flags.contains(.write) && !area.flags.contains(.shared) ? MADV_POPULATE_WRITE : MADV_POPULATE_READ
        _ = try? HostMemory.advise(low, high - low, advice)
      }
    }
  }
}
