import CLinux
import Machine

// Nodes of file systems whose content the kernel makes: procfs, sysfs.

/// A file whose text is made when it is read.
class SyntheticFile: Inode {
  typealias Generator = (inout TextBuilder) throws(Errno) -> Void
  typealias Writer = ([UInt8]) throws(Errno) -> Void
  private let generate: Generator
  private let write: Writer?
  private let check: (() throws(Errno) -> Void)?

  /// `mode` are permissions; `write` takes what one write(2) brought; `check` is asked when it is opened.
  init(
    _ fileSystem: FileSystem, number: UInt64, mode: UInt32 = 0o444, uid: UInt32 = 0, gid: UInt32 = 0,
    check: (() throws(Errno) -> Void)? = nil, write: Writer? = nil, _ generate: @escaping Generator
  ) {
    self.generate = generate
    self.write = write
    self.check = check
    super.init(fileSystem: fileSystem, number: number, mode: FileType.regular | mode, uid: uid, gid: gid)
  }

  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    if let check { try check() }
    return SyntheticOpenFile(self, path: path, flags: flags)
  }
  func text() throws(Errno) -> [UInt8] {
    var builder = TextBuilder()
    try generate(&builder)
    return builder.bytes
  }
  func store(_ bytes: [UInt8]) throws(Errno) {
    guard let write else { throw .invalid }
    try write(bytes)
  }
  // A truncation, which `> file` makes, changes nothing.
  override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if change.mode != nil || change.uid != nil || change.gid != nil { throw .notPermitted }
  }
}

/// Such a file, open: its text is made anew whenever it is read from the start, and kept for what follows.
final class SyntheticOpenFile: File {
  private let node: SyntheticFile
  private let text = Mutex<[UInt8]?>(nil, rank: .text)
  /// The most that one write brings.
  private static var maximumWrite: Int { 4096 }

  init(_ node: SyntheticFile, path: Path, flags: Int32) {
    self.node = node
    super.init(inode: node, path: path, flags: flags)
  }
  override var isSeekable: Bool { true }
  override var canPoll: Bool { false }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard offset >= 0 else { throw .invalid }
    return try text.withLock { (text) throws(Errno) -> Int in
      if offset == 0 || text == nil { text = try node.text() }
      guard let bytes = text, offset < bytes.count else { return 0 }
      if offset == 0 { return try buffers.copyOut(bytes) }
      return try buffers.copyOut(Array(bytes[offset...].prefix(buffers.count)))
    }
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    let count = buffers.count
    guard count <= Self.maximumWrite else { throw .invalid }
    if count == 0 { return 0 }
    let buffer = try KernelBuffer(count: count)
    let moved = try buffers.copyIn(buffer.bytes)
    try node.store(buffer.bytes.slice(0, moved).array)
    return moved
  }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    var target = offset
    switch whence {
    case 0: break
    case 1: target = position &+ offset
    default: throw .invalid
    }
    guard target >= 0 else { throw .invalid }
    position = target
    return target
  }
}

/// A symbolic link whose target is made when it is asked for.
class SyntheticLink: Inode {
  private let target: () throws(Errno) -> [UInt8]
  private let place: (() throws(Errno) -> Path)?

  /// `place` is given for links that lead straight to a file, whatever `target` says.
  init(
    _ fileSystem: FileSystem, number: UInt64, mode: UInt32 = 0o777, uid: UInt32 = 0, gid: UInt32 = 0,
    place: (() throws(Errno) -> Path)? = nil, _ target: @escaping () throws(Errno) -> [UInt8]
  ) {
    self.target = target
    self.place = place
    super.init(fileSystem: fileSystem, number: number, mode: FileType.symbolicLink | mode, uid: uid, gid: gid)
  }
  override func readlink() throws(Errno) -> [UInt8] { try target() }
  override func follow() throws(Errno) -> LinkTarget {
    if let place { return .path(try place()) }
    return .text(try target())
  }
}

/// An entry of a synthetic directory: what a listing shows, and the cookie of the one after it.
struct SyntheticEntry {
  var name: [UInt8]
  var number: UInt64
  var type: UInt32
  var next: Int
}

/// A directory that says itself what is in it.
class SyntheticDirectory: Inode {
  init(_ fileSystem: FileSystem, number: UInt64, mode: UInt32 = 0o555, uid: UInt32 = 0, gid: UInt32 = 0) {
    super.init(fileSystem: fileSystem, number: number, mode: FileType.directory | mode, uid: uid, gid: gid)
    linkCount = 2
  }
  /// The entry at `cookie`, which counts from 2 on (0 and 1 are the dots); nil at the end.
  func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? { nil }
  /// Asked before it is listed.
  func checkListing() throws(Errno) {}
  /// The number of the directory above, for "..".
  var parentNumber: UInt64 { number }

  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    try checkListing()
    return SyntheticListing(self, path: path, flags: flags)
  }
  override func setAttributes(_ change: AttributeChange) throws(Errno) { throw .notPermitted }
}

final class SyntheticListing: File {
  private let directory: SyntheticDirectory
  init(_ directory: SyntheticDirectory, path: Path, flags: Int32) {
    self.directory = directory
    super.init(inode: directory, path: path, flags: flags)
  }
  override var isSeekable: Bool { true }
  override var canPoll: Bool { false }
  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { throw .isDirectory }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    let target = whence == 1 ? position &+ offset : offset
    guard whence == 0 || whence == 1, target >= 0 else { throw .invalid }
    position = target
    return target
  }
  override func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) {
    while position < 2 {
      let dots: [UInt8] = position == 0 ? [46] : [46, 46]
      let number = position == 0 ? directory.number : directory.parentNumber
      guard entries.add(dots.span, inode: number, type: FileType.directory, next: position + 1) else { return }
      position += 1
    }
    while let entry = try directory.entry(at: position) {
      guard entries.add(entry.name.span, inode: entry.number, type: entry.type, next: entry.next) else { return }
      position = entry.next
    }
  }
}

/// A directory with the same entries for ever.
final class FixedDirectory: SyntheticDirectory {
  private var children: [(name: [UInt8], inode: Inode)] = []
  private let parent: UInt64

  init(_ fileSystem: FileSystem, parent: UInt64 = 1, mode: UInt32 = 0o555) {
    self.parent = parent
    super.init(fileSystem, number: fileSystem.newInodeNumber(), mode: mode)
  }
  override var parentNumber: UInt64 { parent }

  /// Only while the file system is being made.
  func add(_ name: StaticString, _ inode: Inode) { add(name.bytes, inode) }
  func add(_ name: [UInt8], _ inode: Inode) {
    if inode.isDirectory { linkCount += 1 }
    children.append((name, inode))
  }
  func file(
    _ name: StaticString, mode: UInt32 = 0o444, write: SyntheticFile.Writer? = nil,
    _ generate: @escaping SyntheticFile.Generator
  ) {
    add(name, SyntheticFile(fileSystem, number: fileSystem.newInodeNumber(), mode: mode, write: write, generate))
  }
  /// A file with one line that never changes.
  func line(_ name: StaticString, _ text: StaticString, mode: UInt32 = 0o444) {
    file(name, mode: mode) { (builder) throws(Errno) in
      builder.add(text)
      builder.newline()
    }
  }
  func link(_ name: StaticString, to target: StaticString) {
    add(name, SyntheticLink(fileSystem, number: fileSystem.newInodeNumber()) { () throws(Errno) in target.bytes })
  }
  func directory(_ name: StaticString) -> FixedDirectory { directory(name.bytes) }
  func directory(_ name: [UInt8]) -> FixedDirectory {
    let new = FixedDirectory(fileSystem, parent: number)
    add(name, new)
    return new
  }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    for child in children where isSame(child.name, name) { return child.inode }
    return nil
  }
  override func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? {
    let i = cookie - 2
    guard i >= 0, i < children.count else { return nil }
    let child = children[i]
    return SyntheticEntry(name: child.name, number: child.inode.number, type: child.inode.type, next: cookie + 1)
  }
}

/// Whether `name` is `text`.
func isSame(_ text: [UInt8], _ name: Span<UInt8>) -> Bool {
  guard text.count == name.count else { return false }
  for i in text.indices where text[i] != name[i] { return false }
  return true
}
