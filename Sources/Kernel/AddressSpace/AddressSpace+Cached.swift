import CLinux
import Machine

// Mappings of cached files. The host's mapping has the pages that are resident and below the file's end; the rest of the
// area is a filler that faults at any protection, so that one host call changes the protection of both. The fault path
// fills in chunks that grow with the area, so that no area takes more than about a thousand host mappings.

extension Area {
  /// The pages of the file that it spans.
  var filePages: (first: Int, end: Int) { (Int(offset >> 12), Int((offset &+ count) >> 12)) }
  func address(ofPage page: Int) -> UInt { start &+ (UInt(bitPattern: page) << 12 &- offset) }

  /// Pages that a fault fills at once: 64 KiB, or a 512th of a large area, but no more than 2 MiB or a 512th of all memory:
  /// the cache is full before more than about a thousand chunks are.
  var chunk: Int {
    let limit = max(512, MemoryUsage.current.total >> 21)
    let share = min(pages / 512, limit)
    return share <= 16 ? 16 : 1 << (Int.bitWidth - 1 - share.leadingZeroBitCount)
  }
}

extension AddressSpace {
  /// Maps all of `area` anew: a filler, and over it what is resident, as far as it takes few host calls. The area's mapping
  /// is on the file's list already, so that a truncation from here on finds it.
  func mapCached(_ area: inout Area, _ file: CachedFile) throws(Errno) {
    area.filled = PageRanges()
    let pages = area.filePages
    if let run = file.residentRun(pages.first, below: min(pages.end, file.pageCount)), run.pages == area.pages {
      return try mapRun(&area, pages.first, run)
    }
    try HostMemory.mapFiller(
      area.start, area.count, protection: area.flags.protection, isShared: area.flags.contains(.shared))
    var calls = 0
    var page = area.filePages.first
    let end = min(area.filePages.end, file.pageCount)
    while page < end && calls < 32 {
      guard let run = file.residentRun(page, below: end) else {
        guard let next = file.nextResident(page, below: end) else { break }
        page = next
        continue
      }
      guard (try? mapRun(&area, page, run)) != nil else { break }
      page += run.pages
      calls += 1
    }
  }

  private func mapRun(_ area: inout Area, _ page: Int, _ run: ResidentRun) throws(Errno) {
    try HostMemory.mapKernelMemory(
      area.address(ofPage: page), UInt(run.pages) << 12, protection: area.flags.protection, offset: run.offset,
      isShared: area.flags.contains(.shared))
    area.filled.insert(page, page + run.pages)
  }

  /// Makes `page` resident, with its chunk of the area, and maps what was not. Errors: ENOSPC, ENOMEM.
  func fill(_ area: inout Area, _ file: CachedFile, _ page: Int) throws(Errno) {
    let chunk = area.chunk
    let first = max(page & ~(chunk - 1), area.filePages.first)
    let end = min(page & ~(chunk - 1) + chunk, area.filePages.end, file.pageCount)
    do throws(Errno) {
      try fill(&area, file, first, end)
    } catch {
      // Past `mem=` a single page may still do.
      try fill(&area, file, page, page + 1)
    }
  }

  /// Makes the pages `first..<end`, which lie below the file's end and in the area, resident and maps them.
  func fill(_ area: inout Area, _ file: CachedFile, _ first: Int, _ end: Int) throws(Errno) {
    while let gap = area.filled.gap(first, end) {
      for page in gap.first..<gap.end { _ = try file.makeResident(page) }
      var page = gap.first
      while page < gap.end, let run = file.residentRun(page, below: gap.end) {
        try mapRun(&area, page, run)
        page += run.pages
      }
      if page < gap.end { throw .noMemory }  // discarded meanwhile
    }
  }

  /// Before a truncation or an eviction discards pages: see `MappingList.unmap`.
  func unmapPages(of list: MappingList, _ first: Int, _ end: Int) {
    _ = try? withState { (state) throws(Errno) in
      if state.isGone { return }
      var starts: [UInt] = []
      state.areas.tree.forEach { area in
        if area.mapping?.cached?.mappings === list, area.filePages.first < end, area.filePages.end > first,
          !area.filled.isEmpty
        {
          starts.append(area.start)
        }
      }
      if starts.isEmpty { return }
      try host.run { () throws(Errno) in
        for start in starts {
          guard let area = state.areas.tree.area(at: start) else { continue }
          let low = max(first, area.filePages.first), high = min(end, area.filePages.end)
          try HostMemory.mapFiller(
            area.address(ofPage: low), UInt(high - low) << 12, protection: area.flags.protection,
            isShared: area.flags.contains(.shared))
          state.areas.change(start) { $0.filled.remove(low, high) }
        }
      }
    }
  }
}

/// Pages in a row, in the file and in the kernel's memfd.
struct ResidentRun {
  let offset: UInt  // in the memfd
  let pages: Int
}

extension CachedFile {
  /// Shared anonymous memory: a file without a name. Errors: ENOMEM.
  static func shared(count: Int) throws(Errno) -> CachedFile {
    let file = CachedFile()
    file.setSize(count)
    return file
  }
}
