import CLinux
import Machine

/// What an ELF header and its program headers say of a program: elf(5). Made of bytes, checked once; no offset or size in it
/// can overflow what the loader computes.
struct ElfImage {
  struct Segment {
    var address: UInt
    var fileOffset: UInt
    var fileCount: UInt
    var memoryCount: UInt
    /// PROT_*.
    var protection: Int32
    var alignment: UInt
    var end: UInt { address + memoryCount }
  }

  /// ET_DYN: it runs wherever it is put.
  let isMovable: Bool
  let entry: UInt
  let headerOffset: UInt  // of the program headers
  let headerCount: Int
  private(set) var segments: [Segment] = []
  /// PT_INTERP: where its path lies in the file, NUL included.
  private(set) var interpreter: (offset: UInt, count: Int)?
  /// PT_GNU_STACK asks for an executable stack.
  private(set) var hasExecutableStack = false
  /// The program headers' address, before the program is moved: PT_PHDR's, or where the segment that has them puts them.
  private(set) var headerAddress: UInt = 0

  static var headerSize: Int { 64 }
  static var programHeaderSize: Int { 56 }

  /// The ELF header, and where the program headers are. Errors: ENOEXEC.
  init(header bytes: [UInt8]) throws(Errno) {
    guard bytes.count >= Self.headerSize, bytes[0] == 0x7f, bytes[1] == 0x45, bytes[2] == 0x4c, bytes[3] == 0x46,
      bytes[4] == UInt8(ELFCLASS64), bytes[5] == UInt8(ELFDATA2LSB)
    else { throw .notExecutable }
    let type = Int32(littleEndian(bytes, 16, 2))
    guard type == ET_EXEC || type == ET_DYN, littleEndian(bytes, 18, 2) == UInt(EM_X86_64) else { throw .notExecutable }
    isMovable = type == ET_DYN
    entry = littleEndian(bytes, 24, 8)
    headerOffset = littleEndian(bytes, 32, 8)
    headerCount = Int(littleEndian(bytes, 56, 2))
    guard littleEndian(bytes, 54, 2) == UInt(Self.programHeaderSize), headerCount > 0,
      headerCount * Self.programHeaderSize <= 65536, headerOffset < 1 << 62
    else { throw .notExecutable }
  }

  /// The program headers. Errors: ENOEXEC, EINVAL where a segment lies at no possible address.
  mutating func addProgramHeaders(_ bytes: [UInt8]) throws(Errno) {
    guard bytes.count >= headerCount * Self.programHeaderSize else { throw .notExecutable }
    for i in 0..<headerCount {
      let at = i * Self.programHeaderSize
      let flags = littleEndian(bytes, at + 4, 4)
      let offset = littleEndian(bytes, at + 8, 8), address = littleEndian(bytes, at + 16, 8)
      let fileCount = littleEndian(bytes, at + 32, 8), memoryCount = littleEndian(bytes, at + 40, 8)
      switch Int32(truncatingIfNeeded: littleEndian(bytes, at, 4)) {
      case PT_LOAD:
        var segment = Segment(
          address: address, fileOffset: offset, fileCount: fileCount, memoryCount: memoryCount, protection: 0,
          alignment: littleEndian(bytes, at + 48, 8))
        if flags & UInt(PF_R) != 0 { segment.protection |= PROT_READ }
        if flags & UInt(PF_W) != 0 { segment.protection |= PROT_WRITE }
        if flags & UInt(PF_X) != 0 { segment.protection |= PROT_EXEC }
        try add(segment)
      case PT_INTERP where interpreter == nil:
        guard fileCount >= 2, fileCount <= 4096, offset < 1 << 62 else { throw .notExecutable }
        interpreter = (offset, Int(fileCount))
      case PT_GNU_STACK: hasExecutableStack = flags & UInt(PF_X) != 0
      case PT_PHDR: headerAddress = address
      default: break
      }
    }
    guard !segments.isEmpty else { throw .notExecutable }
    if headerAddress == 0 {
      for s in segments where s.fileOffset <= headerOffset && headerOffset < s.fileOffset + s.fileCount {
        headerAddress = headerOffset - s.fileOffset + s.address
      }
    }
  }

  private mutating func add(_ segment: Segment) throws(Errno) {
    if segment.memoryCount == 0 { return }
    let limit: UInt = 0x7fff_ffff_f000
    guard segment.fileCount <= segment.memoryCount, segment.address < limit,
      segment.memoryCount <= limit - segment.address,
      segment.fileOffset < 1 << 62
    else { throw .invalid }
    // A page of the file must become a page of memory.
    guard segment.fileCount == 0 || segment.address & 4095 == segment.fileOffset & 4095 else { throw .invalid }
    if let last = segments.last, segment.address < last.address { throw .invalid }
    segments.append(segment)
  }

  /// The pages that all segments take together.
  var range: Range<UInt> {
    guard let first = segments.first else { return 0..<0 }
    var end = first.end
    for segment in segments { end = max(end, segment.end) }
    return first.address & ~4095..<(end + 4095) & ~4095
  }
  /// The largest alignment that a segment asks for: a power of two, a page at least.
  var alignment: UInt {
    var result: UInt = 4096
    for segment in segments where segment.alignment & (segment.alignment &- 1) == 0 && segment.alignment <= 1 << 30 {
      result = max(result, segment.alignment)
    }
    return result
  }
}

/// A little-endian number of `count` bytes.
func littleEndian(_ bytes: [UInt8], _ at: Int, _ count: Int) -> UInt {
  var value: UInt = 0
  for i in 0..<count { value |= UInt(bytes[at + i]) << UInt(8 * i) }
  return value
}
