import CLinux
import Machine

/// /proc/PID/maps and its like.
enum ProcMaps {
  /// The areas as they are now. The copy keeps their files, which so close without the address space's lock.
  /// Nil: it has no memory of its own.
  private static func areas(_ view: ProcView) throws(Errno) -> (AddressSpace, [Area], heap: Range<UInt>)? {
    guard let space = view.task?.takeAddressSpace() else { return nil }
    var areas: [Area] = []
    var heap: Range<UInt> = 0..<0
    try space.withState { (state) throws(Errno) in
      areas.reserveCapacity(state.areas.count)
      state.areas.tree.forEach { areas.append($0) }
      if state.breakEnd > state.breakStart { heap = state.breakStart..<state.breakEnd }
    }
    return (space, areas, heap)
  }

  static func maps(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let (space, areas, heap) = try areas(view) else { return }
    let root = readersRoot()
    // The host's vDSO lies among them, though it is no area.
    let vdso = HostVDSO.range
    var isShown = vdso.isEmpty
    for area in areas {
      if !isShown && area.start >= vdso.upperBound {
        vdsoLines(&text)
        isShown = true
      }
      line(area, space, heap, root, &text)
    }
    if !isShown { vdsoLines(&text) }
  }

  private static func vdsoLines(_ text: inout TextBuilder) {
    let range = HostVDSO.range
    let code = min(max(HostAuxiliary.current.vdso, range.lowerBound), range.upperBound)
    vdsoLine(&text, range.lowerBound, code, "r--p", "[vvar]\n")
    vdsoLine(&text, code, range.upperBound, "r-xp", "[vdso]\n")
  }
  private static func vdsoLine(
    _ text: inout TextBuilder, _ low: UInt, _ high: UInt, _ flags: StaticString, _ name: StaticString
  ) {
    if low >= high { return }
    let start = text.bytes.count
    text.add(hex: low, width: 8)
    text.add("-")
    text.add(hex: high, width: 8)
    text.space()
    text.add(flags)
    text.add(" 00000000 00:00 0 ")
    text.pad(73 &- (text.bytes.count &- start))
    text.add(name)
  }

  private static func line(
    _ area: Area, _ space: AddressSpace, _ heap: Range<UInt>, _ root: Path, _ text: inout TextBuilder
  ) {
    let start = text.bytes.count
    text.add(hex: area.start, width: 8)
    text.add("-")
    text.add(hex: area.end, width: 8)
    text.space()
    text.add(byte: area.flags.contains(.read) ? 114 : 45)
    text.add(byte: area.flags.contains(.write) ? 119 : 45)
    text.add(byte: area.flags.contains(.execute) ? 120 : 45)
    text.add(byte: area.flags.contains(.shared) ? 115 : 112)
    text.space()
    let file = area.mapping?.file
    text.add(hex: area.mapping == nil ? 0 : UInt64(area.offset), width: 8)
    text.space()
    let device = file?.inode.fileSystem.device ?? 0
    text.add(hex: UInt64(major(of: device)), width: 2)
    text.add(":")
    text.add(hex: UInt64(minor(of: device)), width: 2)
    text.space()
    text.add(file?.inode.number ?? 0)
    text.space()
    let name = name(area, space, heap, root)
    if !name.isEmpty {
      text.pad(73 &- (text.bytes.count &- start))
      text.add(escaped: name, also: [10])
    }
    text.newline()
  }

  private static func name(_ area: Area, _ space: AddressSpace, _ heap: Range<UInt>, _ root: Path) -> [UInt8] {
    if let mapping = area.mapping {
      if let segment = mapping.attachment?.segment {
        let key = String(UInt32(bitPattern: segment.key), radix: 16)
        return Array(("/SYSV" + String(repeating: "0", count: 8 - key.utf8.count) + key + " (deleted)").utf8)
      }
      if case .stubs = mapping.object { return ("[martlet]" as StaticString).bytes }
      guard let file = mapping.file else { return ("/dev/zero (deleted)" as StaticString).bytes }
      return file.path?.description(below: root) ?? file.label
    }
    if area.start < heap.upperBound && area.end > heap.lowerBound { return ("[heap]" as StaticString).bytes }
    if area.start <= space.stackStart && area.end > space.stackStart { return ("[stack]" as StaticString).bytes }
    return []
  }

  static func smaps(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let (space, areas, heap) = try areas(view) else { return }
    let root = readersRoot()
    let present = space.presentPages(of: areas)
    for (area, pages) in zip(areas, present) {
      line(area, space, heap, root, &text)
      var sums = Sums()
      sums.add(area, pages)
      kilobytes(&text, "Size:", area.pages)
      text.add("KernelPageSize:        4 kB\nMMUPageSize:           4 kB\n")
      details(&text, sums)
      text.add("THPeligible:           0\nVmFlags:")
      let flags = area.flags
      if flags.contains(.read) { text.add(" rd") }
      if flags.contains(.write) { text.add(" wr") }
      if flags.contains(.execute) { text.add(" ex") }
      if flags.contains(.shared) { text.add(" sh") }
      if flags.contains(.mayRead) { text.add(" mr") }
      if flags.contains(.mayWrite) { text.add(" mw") }
      if flags.contains(.mayExecute) { text.add(" me") }
      if flags.contains(.growsDown) { text.add(" gd") }
      if flags.contains(.locked) { text.add(" lo") }
      if flags.contains(.dontFork) { text.add(" dc") }
      if flags.contains(.noReserve) { text.add(" nr") }
      if flags.contains(.wipeOnFork) { text.add(" wf") }
      if flags.contains(.dontDump) { text.add(" dd") }
      text.add(" \n")
    }
  }

  static func rollup(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let (space, areas, _) = try areas(view) else { return }
    guard let first = areas.first, let last = areas.last else { return }
    let start = text.bytes.count
    text.add(hex: first.start, width: 8)
    text.add("-")
    text.add(hex: last.end, width: 8)
    text.add(" ---p 00000000 00:00 0 ")
    text.pad(73 &- (text.bytes.count &- start))
    text.add("[rollup]\n")
    var sums = Sums()
    for (area, pages) in zip(areas, space.presentPages(of: areas)) { sums.add(area, pages) }
    details(&text, sums)
  }

  /// Pages of areas that are present: of cached files those that are mapped, else what the host says. Of private mappings
  /// of host files nobody tells which pages are copies: they count as clean (differs from Linux).
  struct Sums {
    var resident = 0, shared = 0, clean = 0, anonymous = 0, locked = 0

    init() {}
    mutating func add(_ area: Area, _ pages: Int) {
      resident += pages
      if area.mapping == nil { anonymous += pages } else { clean += pages }
      if area.flags.contains(.shared) { shared += pages }
      if area.flags.contains(.locked) { locked += pages }
    }
  }

  private static func details(_ text: inout TextBuilder, _ sums: Sums) {
    kilobytes(&text, "Rss:", sums.resident)
    kilobytes(&text, "Pss:", sums.resident)
    kilobytes(&text, "Pss_Dirty:", sums.anonymous)
    kilobytes(&text, "Shared_Clean:", sums.shared)
    kilobytes(&text, "Shared_Dirty:", 0)
    kilobytes(&text, "Private_Clean:", max(0, sums.clean - sums.shared))
    kilobytes(&text, "Private_Dirty:", sums.anonymous)
    kilobytes(&text, "Referenced:", sums.resident)
    kilobytes(&text, "Anonymous:", sums.anonymous)
    text.add("LazyFree:              0 kB\nAnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\n")
    text.add("FilePmdMapped:         0 kB\nShared_Hugetlb:        0 kB\nPrivate_Hugetlb:       0 kB\n")
    text.add("Swap:                  0 kB\nSwapPss:               0 kB\n")
    kilobytes(&text, "Locked:", sums.locked)
  }
  private static func kilobytes(_ text: inout TextBuilder, _ name: StaticString, _ pages: Int) {
    text.add(name.bytes, leftIn: 16)
    text.add(pages * 4, width: 8)
    text.add(" kB\n")
  }
}
