import CLinux
import CMachine

extension HostMemory {
  /// Maps pages that fault (SIGBUS) whatever their protection: they lie past the end of the kernel's memfd. Cached files
  /// have them where a page is not resident, so that one `protect` serves the whole of a mapping. Neighbours merge in the
  /// host, since the offset follows the address.
  public static func mapFiller(_ address: UInt, _ count: UInt, protection: Int32, isShared: Bool) throws(Errno) {
    precondition(isGuestRange(address, count))
    let flags = (isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | MAP_NORESERVE
    let result = unsafe hostCall(
      __NR_mmap, Int(address), Int(count), Int(protection), Int(flags), Int(machineDescriptor),
      Int(KernelMemory.size &+ address))
    if let error = HostError(result) { throw error.guest }
  }
}
