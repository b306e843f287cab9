import CMachine

/// The memory of an exec image: a copy of a file's executable pages and, behind them, pages for stubs, in one piece of
/// kernel memory that guests map privately. What is stored here every guest that maps it sees at once.
@safe public final class ExecMemory {
  public let textPages: Int
  public let stubPages: Int
  private let base: UInt
  private let reserved: Int  // pages

  /// The stubs' room is mostly a hole.
  private static func charged(_ textPages: Int) -> Int { (textPages + 16) << 12 }
  /// The largest image: what an extent of the page cache holds.
  public static var maximumPages: Int { 16384 }

  /// Zeroed. Errors: ENOMEM past `mem=` or past the largest size.
  public init(textPages: Int, stubPages: Int) throws(Errno) {
    guard textPages > 0, stubPages > 0, textPages <= Self.maximumPages, stubPages <= Self.maximumPages else {
      throw .noMemory
    }
    let pages = textPages + stubPages
    let wanted = pages <= 16 ? 16 : 1 << (Int.bitWidth - (pages - 1).leadingZeroBitCount)
    guard wanted <= Self.maximumPages, KernelMemory.charge(Self.charged(textPages)) else { throw .noMemory }
    guard let base = CacheExtents.reserve(wanted) else {
      KernelMemory.uncharge(Self.charged(textPages))
      throw .noMemory
    }
    self.textPages = textPages
    self.stubPages = stubPages
    self.base = base
    reserved = wanted
  }
  deinit {
    let pages = textPages + stubPages
    KernelMemory.punch(base, UInt(pages) << 12)
    CacheExtents.release(base, reserved)
    KernelMemory.uncharge(Self.charged(textPages))
  }

  /// Where the text and the stubs begin in the memfd, for `HostMemory.mapKernelMemory`.
  public var textOffset: UInt { base - KernelMemory.base }
  public var stubOffset: UInt { textOffset + UInt(textPages) << 12 }

  /// The text, then the stubs. Good while this object lives.
  public var bytes: KernelBytes {
    // SAFETY: the extent is this object's, and mapped in every host process.
    unsafe KernelBytes(
      UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped, count: (textPages + stubPages) << 12)
  }

  /// Stores eight bytes of code at `offset`, a multiple of eight, as one store: who runs them sees the old or the new.
  public func storeWord(_ word: UInt64, at offset: Int) {
    precondition(offset >= 0 && offset & 7 == 0 && offset + 8 <= (textPages + stubPages) << 12)
    // SAFETY: inside the extent, as checked.
    unsafe arch_store_word(UnsafeMutablePointer(bitPattern: base + UInt(offset)).unsafelyUnwrapped, word)
  }
}

/// Where stubs enter the kernel: the address that the first word of an image's stubs holds.
public var callEntryAddress: UInt64 { address_of_arch_call_entry() }
