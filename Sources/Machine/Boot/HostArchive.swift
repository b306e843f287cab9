import CLinux
import CMachine

/// A host file mapped read-only outside the guest's ranges, for boot: the root archive. Unmapped at the end of its life.
@safe public struct HostArchive: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let size: Int

  /// Errors: what mmap(2) says; ENODATA for an empty file.
  public init(descriptor: Int32) throws(Errno) {
    let size = hostCall(__NR_lseek, Int(descriptor), 0, 2)
    guard size > 0 else { throw .noData }
    let result = hostCall(
      __NR_mmap, 0x6b00_0000_0000, size, Int(PROT_READ), Int(MAP_PRIVATE | MAP_FIXED_NOREPLACE | MAP_POPULATE),
      Int(descriptor), 0)
    if let error = HostError(result) { throw error.guest }
    unsafe base = UnsafeMutableRawPointer(bitPattern: result).unsafelyUnwrapped
    self.size = size
  }
  deinit { _ = unsafe hostCall(__NR_munmap, Int(bitPattern: base), size) }

  /// Its bytes, good while this lives; nobody writes to them.
  public var bytes: KernelBytes { unsafe KernelBytes(base, count: size) }
}

/// Closes a descriptor of the boot block that is no longer needed.
public func closeBootDescriptor(_ descriptor: Int32) {
  if descriptor > 2 { _ = hostCall(__NR_close, Int(descriptor)) }
}
