import CBoot
import CLinux
import Machine

/// What is known of a file that programs map to run: where its segments lie, and, once a system call in it has trapped, its
/// exec image. One for each content of a file: another takes its place when the file's times have changed.
final class ExecFile {
  struct Segment {
    /// Where its pages begin in the file and by the file's own addresses, and how many bytes there are: whole pages.
    let offset: UInt, address: UInt, count: UInt

    /// Whether it has all of `count` bytes from `offset` in the file.
    func contains(_ offset: UInt, _ count: UInt) -> Bool {
      offset >= self.offset && offset - self.offset < self.count && count <= self.count - (offset - self.offset)
    }
  }
  /// The executable segments; none: no program or library.
  let segments: [Segment]
  /// What programs only read of it, text too: whole pages, as exec maps them.
  let readOnly: [(address: UInt, count: UInt, offset: UInt, protection: Int32)]
  /// The pages of all segments, by the file's own addresses.
  let range: Range<UInt>
  private let modified: FileTime, changed: FileTime
  /// The image, of the segment in which a call trapped first.
  let image = OnceReference<ExecImage>()

  deinit {
    guard let image = image.borrowed else { return }
    execFiles.with { files in files.lock.withLock { list in image.with { list.remove($0) } } }
  }
  /// `file` is about to be run as a program or as the loader of one: its image is made now, since there will be one, and
  /// what does not trap in it must be found ahead. May sleep.
  func prepare(_ file: File) {
    if image.borrowed != nil { return }
    for segment in segments where segment.count <= Self.largestSearched {
      _ = image(of: segment, file, isProgram: true)
      return
    }
  }
  private static var largestSearched: UInt { 4 << 20 }

  /// The image of `segment`, made where there is none. Nil: there is one of another segment, or no memory. May sleep.
  func image(of segment: Segment, _ file: File, isProgram: Bool = false) -> ExecImage? {
    if image.borrowed == nil { Arena.leave() }
    if image.borrowed == nil, let new = try? ExecImage(file, self, segment, isProgram: isProgram),
      image.set(new) == Borrowed(new)
    {
      execFiles.with { files in files.lock.withLock { $0.append(new) } }
    }
    guard let image = image.borrowed?.object, image.segment.offset == segment.offset else { return nil }
    return image
  }

  private init(_ file: File) {
    let inode = file.inode
    (modified, changed) = (inode.modified, inode.changed)
    var segments: [Segment] = []
    var readOnly: [(address: UInt, count: UInt, offset: UInt, protection: Int32)] = []
    var range: Range<UInt> = 0..<0
    if let elf = try? ElfImage(of: file) {
      range = elf.range
      for segment in elf.segments where segment.protection & PROT_WRITE == 0 && segment.fileCount > 0 {
        let skipped = segment.address & 4095
        let pages = Segment(
          offset: segment.fileOffset - skipped, address: segment.address - skipped,
          count: AddressLayout.roundedUp(segment.fileCount + skipped))
        readOnly.append((pages.address, pages.count, pages.offset, segment.protection))
        if segment.protection & PROT_EXEC != 0 { segments.append(pages) }
      }
    }
    self.segments = segments
    self.readOnly = readOnly
    self.range = range
  }

  private func isCurrent(_ inode: Inode) -> Bool { inode.modified == modified && inode.changed == changed }

  /// What is known of `file`; it is read where nothing is. May sleep.
  static func of(_ file: File) -> ExecFile? {
    let inode = file.inode
    guard inode.isRegular else { return nil }
    let known = execFiles.with { $0.lock.withLock { _ in inode.execFile } }
    if let known, known.isCurrent(inode) { return known }
    Arena.leave()
    let new = ExecFile(file)
    let old = execFiles.with { files in
      files.lock.withLock { _ in
        let old = inode.execFile
        inode.execFile = new
        return old
      }
    }
    withExtendedLifetime(old) {}
    return new
  }

  /// Whether it is what is known of the file now.
  func isOf(_ inode: Inode) -> Bool { execFiles.with { $0.lock.withLock { _ in inode.execFile === self } } }

  /// The segment that has all of `count` bytes from `offset` in the file.
  func segment(at offset: UInt, count: UInt) -> Segment? {
    for segment in segments where segment.contains(offset, count) { return segment }
    return nil
  }
  /// The distance from where the file's byte at `offset` is mapped to where stubs go: behind the last segment.
  func stubDistance(from offset: UInt, _ segment: Segment) -> UInt {
    range.upperBound &- (segment.address &+ (offset - segment.offset))
  }
}

/// The exec images, for /proc/martlet/rewrite: those of files that are known, which keep them alive. The lock guards every
/// inode's `execFile` too.
final class ExecFiles {
  let lock = SpinLock(IntrusiveList<ExecImage>(), rank: .file)
  private let search = OnceReference<IdentificationSearch>()
  init() {}

  /// What answers the `cpuid` of programs, made for the first that has one.
  var identificationSearch: IdentificationSearch {
    let known = search.borrowed ?? search.set(IdentificationSearch(IdentificationTable(IdentificationTable.ask)))
    return known.object
  }
}
let execFiles = KernelGlobal<ExecFiles>()

extension ElfImage {
  /// The headers of `file`. Errors: ENOEXEC, and what reading gives.
  init(of file: File) throws(Errno) {
    var image = try ElfImage(header: try file.bytes(at: 0, count: ElfImage.headerSize))
    let count = image.headerCount * ElfImage.programHeaderSize
    try image.addProgramHeaders(try file.bytes(at: Int(image.headerOffset), count: count))
    self = image
  }
}
