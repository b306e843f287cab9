import CLinux
import CMachine

/// The kernel's own image, which boot moves out of its file before the first clone (docs/address-map.md).
enum KernelImage {
  /// Where the writable part begins. SAFETY: written at boot.
  nonisolated(unsafe) private(set) static var data: UInt = 0

  /// The writable segment goes to the memfd, what is below it to a large page of its own. A page of a file would be
  /// mapped by a host fault in each new process; private memory is what the host's fork copies the tables of.
  static func move() {
    let base = unsafe UInt(address_of___ehdr_start())
    let file = unsafe UnsafeRawPointer(bitPattern: base).unsafelyUnwrapped
    let header = unsafe file.load(as: Elf64_Ehdr.self)
    var text: UInt = 0
    for i in 0..<Int(header.e_phnum) {
      let segment = unsafe file.load(
        fromByteOffset: Int(header.e_phoff) + i * Int(header.e_phentsize), as: Elf64_Phdr.self)
      guard segment.p_type == UInt32(PT_LOAD) else { continue }
      let start = UInt(segment.p_vaddr) & ~4095, end = UInt(segment.p_vaddr + segment.p_memsz + 4095) & ~4095
      if segment.p_flags & UInt32(PF_W) != 0 { share(start, end, offset: start - base) } else { text = end - base }
    }
    enlarge(base, text)
  }

  private static func share(_ start: UInt, _ end: UInt, offset: UInt) {
    if offset + end - start > 16 << 20 { fail("the kernel image is too large") }
    let descriptor = unsafe Int(machineDescriptor)
    check(hostCall(__NR_pwrite64, descriptor, Int(start), Int(end - start), Int(offset)), "pwrite")
    let flags = Int(MAP_SHARED | MAP_FIXED)
    let result = hostCall(
      __NR_mmap, Int(start), Int(end - start), Int(PROT_READ | PROT_WRITE), flags, descriptor, Int(offset))
    check(result, "mmap")
    unsafe data = start
  }

  /// Takes the place of the running code with the same bytes, in one host call.
  private static func enlarge(_ base: UInt, _ count: UInt) {
    let size = (count + largePage - 1) & ~(largePage - 1)
    let found = hostCall(
      __NR_mmap, 0, Int(size + largePage), Int(PROT_READ | PROT_WRITE), Int(MAP_PRIVATE | MAP_ANONYMOUS), -1, 0)
    check(found, "mmap")
    let start = (UInt(found) + largePage - 1) & ~(largePage - 1)
    _ = hostCall(__NR_madvise, Int(start), Int(size), Int(MADV_HUGEPAGE))
    // SAFETY: the image below its writable segment, into memory that was mapped just now.
    unsafe UnsafeMutableRawPointer(bitPattern: start).unsafelyUnwrapped.copyMemory(
      from: UnsafeRawPointer(bitPattern: base).unsafelyUnwrapped, byteCount: Int(count))
    check(hostCall(__NR_mprotect, Int(start), Int(size), Int(PROT_READ | PROT_EXEC)), "mprotect")
    let flags = Int(MREMAP_MAYMOVE | MREMAP_FIXED)
    check(hostCall(__NR_mremap, Int(start), Int(size), Int(size), flags, Int(base)), "mremap")
    if start > UInt(found) { _ = hostCall(__NR_munmap, found, Int(start) - found) }
    let end = found + Int(size + largePage)
    if end > Int(start + size) { _ = hostCall(__NR_munmap, Int(start + size), end - Int(start + size)) }
  }
  private static var largePage: UInt { 2 << 20 }
}
