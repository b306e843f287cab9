import CLinux
import Machine

// Mappings of cached files. The host's mapping has the pages that are resident and below the file's end; everything else
// of the area is a filler that faults at any protection, so that one host call changes the protection of both. The fault
// path fills in chunks that grow with the area, so that no area takes more than about a thousand host mappings.

extension AddressSpace {
  /// Before a truncation or an eviction discards pages: see `MappingList.unmap`.
  func unmapPages(of file: CachedFile, _ first: Int, _ end: Int) {
  }
}
