import CLinux
import Machine

/// A file of the host. The attributes that the base class stores are those of the last look.
final class HostInode: Inode {
  let key: HostFileKey
  let host: Borrowed<Hostfs>  // `fileSystem`, which is kept
  // Under the file system's lock:
  var tableNext: Borrowed<HostInode>?
  var isListed = false
  let handle = RCUOptional<HostFileReference>()  // read without the lock
  var slot = -1  // among the handles
  var wasUsed = false  // set without the lock
  /// Its name is gone while it is still in use: only the handle leads to it.
  var isUnnamed = false
  /// Where it was found last; nil for the root.
  private var parent: HostInode?
  private var name: [UInt8]
  var placeHash: UInt = 0  // of both, for `confirm`
  let isTop: Bool
  let guestDevice: UInt32
  private var lastSize = 0, lastBlocks = 0, lastBlockSize = 4096
  /// What of it is open.
  let opened = SpinLock(HostOpenFiles(), rank: .leaf)
  var isFresh = false  // whether there is a `fresh`; under that lock, and read without it
  private let linkText = RCUOptional<LinkText>()  // read and replaced without a lock
  /// The owner as the guest set it, where the host refused.
  private var keptUid: UInt32?, keptGid: UInt32?

  init(_ fileSystem: Hostfs, _ s: linux_statx, _ key: HostFileKey, _ parent: HostInode?, _ name: [UInt8]) {
    self.key = key
    host = Borrowed(fileSystem)
    self.parent = parent
    self.name = name
    isTop = parent == nil
    guestDevice = fileSystem.guestDevice(key.device)
    super.init(
      fileSystem: fileSystem, number: s.stx_ino, mode: UInt32(s.stx_mode), uid: HostIdentity.guest(uid: s.stx_uid),
      gid: HostIdentity.guest(gid: s.stx_gid), rdev: deviceNumber(s.stx_rdev_major, s.stx_rdev_minor))
    refresh(s)
    placeHash = HostInode.placeHash(NameHash.of(name.span), parent)
  }
  deinit {
    host.with { fs in fs.state.withLock { $0.remove(self) } }
    // A long chain of directories must not take a stack frame each.
    var at = parent.take()
    while let directory = at {
      at = nil
      guard Borrowed(directory).isUnique else { return }
      at = directory.parent.take()
    }
  }

  /// Takes over what the host told.
  func refresh(_ s: linux_statx) {
    var s = s
    refresh(&s)
  }
  /// The same without a copy of it, which is not changed.
  private func refresh(_ s: inout linux_statx) {
    mode = UInt32(s.stx_mode)
    uid = keptUid ?? HostIdentity.guest(uid: s.stx_uid)
    gid = keptGid ?? HostIdentity.guest(gid: s.stx_gid)
    linkCount = s.stx_nlink
    accessed = FileTime(s.stx_atime)
    modified = FileTime(s.stx_mtime)
    changed = FileTime(s.stx_ctime)
    born = s.stx_mask & STATX_BTIME != 0 ? FileTime(s.stx_btime) : nil
    lastSize = Int(clamping: s.stx_size)
    lastBlocks = Int(clamping: s.stx_blocks)
    lastBlockSize = Int(s.stx_blksize)
  }
  /// Where they are this file's. Returns whether they are.
  @inline(__always) func refreshIfSame(_ s: inout linux_statx) -> Bool {
    guard HostFileKey(s) == key else { return false }
    refresh(&s)
    return true
  }
  static func placeHash(_ name: UInt, _ parent: Inode?) -> UInt {
    parent.map { name ^ Borrowed($0).identity &* 0x9e37_79b9_7f4a_7c15 } ?? 0
  }

  /// It was found as `name` in `parent`.
  func wasFound(in parent: HostInode?, _ name: [UInt8]) {
    guard let parent, parent !== self else { return }
    var old: HostInode?
    var oldName: [UInt8] = []
    host.with { fs in
      fs.state.withLock { _ in
        if self.parent == nil { return }  // the root stays the root
        isUnnamed = false
        if self.parent === parent && self.name == name { return }
        old = self.parent
        oldName = self.name
        self.parent = parent
        self.name = name
        placeHash = HostInode.placeHash(NameHash.of(name.span), parent)
      }
    }
    withExtendedLifetime((old, oldName)) {}
  }
  /// The directory and the name by which it was found last. Errors: ESTALE for the root.
  func place() throws(Errno) -> (parent: HostInode, name: [UInt8]) {
    let found = host.with { fs in fs.state.withLock { _ in (parent, name) } }
    guard let parent = found.0 else { throw Errno(ESTALE) }
    return (parent, found.1)
  }

  // MARK: the handle

  /// An O_PATH descriptor of it. Errors: ESTALE where it is no longer where it was found, and the host's.
  func reach() throws(Errno) -> HostFileReference {
    if isTop { return host.with { $0.root } }
    if let kept = keptHandle { return kept.object }
    return try reopen()
  }
  /// Where it is kept. Good until the caller sleeps.
  override var keptHandle: Borrowed<HostFileReference>? {
    if isTop { return host.with { Borrowed($0.root) } }
    if !wasUsed { wasUsed = true }
    return handle.borrowed
  }

  /// By name, from the nearest directory above that can be reached.
  @inline(never) private func reopen() throws(Errno) -> HostFileReference {
    var names: [[UInt8]] = []
    var length = 0
    var base: HostFileReference?
    var at = self
    while base == nil {
      let place = try at.place()
      names.append(place.name)
      length += place.name.count + 1
      at = place.parent
      base = host.with { fs in at.isTop ? fs.root : at.handle.borrowed?.object }
      if length > Int(PATH_MAX) - 256 { base = try at.reachFar() }
    }
    guard let base else { throw Errno(ESTALE) }
    var path: [UInt8] = []
    path.reserveCapacity(length)
    for name in names.reversed() {
      if !path.isEmpty { path.append(47) }
      path.append(contentsOf: name)
    }
    path.append(0)
    let new: HostFileReference
    do throws(Errno) {
      new = try withReleased { () throws(Errno) in HostFileReference(try base.descriptor.open(path: path, O_PATH)) }
    } catch {
      throw error == .noEntry || error == .notDirectory || error == .loop ? Errno(ESTALE) : error
    }
    guard HostFileKey(try new.descriptor.attributes()) == key else { throw Errno(ESTALE) }
    host.with { $0.keep(new, of: self) }
    return new
  }
  /// For paths longer than the host takes: the upper part first.
  private func reachFar() throws(Errno) -> HostFileReference { try reach() }

  // MARK: attributes

  /// What the host tells of it now: by its handle, or, where it has none, by its name, which needs no descriptor.
  func attributes() throws(Errno) -> linux_statx {
    guard let handle = keptHandle else { return try attributesByName() }
    return try handle.with { (handle) throws(Errno) in try handle.descriptor.attributes() }
  }
  private func attributesByName() throws(Errno) -> linux_statx {
    let (parent, name) = host.with { fs in fs.state.withLock { _ in (self.parent, self.name) } }
    if let parent {
      do throws(Errno) {
        let found = try parent.reach().descriptor.attributes(of: name.span)
        if HostFileKey(found) == key { return found }
      } catch {
        if error != .noEntry { throw error }
      }
    }
    return try reach().descriptor.attributes()
  }

  override var size: Int {
    do throws(Errno) {
      return Int(clamping: try attributes().stx_size)
    } catch {
      return 0
    }
  }
  override func getStatus(_ result: inout FileStatus) throws(Errno) {
    refresh(try attributes())
    fill(&result)
  }
  /// The same by a descriptor of it.
  func getStatus(_ result: inout FileStatus, by reference: HostFileReference) throws(Errno) {
    try reference.descriptor.withAttributes { refresh(&$0) }
    fill(&result)
  }
  override func getConfirmedStatus(_ result: inout FileStatus) throws(Errno) { fill(&result) }
  @inline(__always) private func fill(_ result: inout FileStatus) {
    fillStatus(&result, size: lastSize, blocks: lastBlocks)
    result.device = guestDevice
    result.blockSize = lastBlockSize
  }

  override func confirm(in directory: Inode, _ path: ShortPath, _ start: Int, _ end: Int) -> Bool {
    guard !isUnnamed, placeHash == HostInode.placeHash(path.name(at: start).hash, directory),
      let handle = directory.keptHandle
    else { return false }
    return handle.with { $0.descriptor.withAttributes(of: path, start, end) { refreshIfSame(&$0) } } ?? false
  }

  override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if let size = change.size { try truncate(size) }
    if change.uid != nil || change.gid != nil { try changeOwner(change.uid, change.gid) }
    if let mode = change.mode { try reach().descriptor.changePathMode(mode & 0o7777) }
    if change.accessed != nil || change.modified != nil {
      try reach().descriptor.changeTimes(HostInode.time(change.accessed), HostInode.time(change.modified))
    }
    refresh(try attributes())
  }
  private static func time(_ time: FileTime?) -> (Int, Int) {
    guard let time else { return (0, (1 << 30) - 2) }  // UTIME_OMIT
    return (time.seconds, Int(time.nanoseconds))
  }

  private func truncate(_ size: Int) throws(Errno) {
    if let writer = openWriter { return try writer.descriptor.truncate(size) }
    try openContents(O_WRONLY).descriptor.truncate(size)
  }

  /// What the host refuses is kept here, for as long as the machine lives.
  func changeOwner(_ uid: UInt32?, _ gid: UInt32?) throws(Errno) {
    let handle = try reach()
    do throws(Errno) {
      try handle.descriptor.changeOwner(
        uid.map { HostIdentity.host(uid: $0) } ?? .max, gid.map { HostIdentity.host(gid: $0) } ?? .max)
      if uid != nil { keptUid = nil }
      if gid != nil { keptGid = nil }
    } catch {
      guard error == .notPermitted || error == .invalid else { throw error }
      try MemoryBound.check(512)
      if keptUid == nil && keptGid == nil {
        host.with { fs in fs.state.withLock { $0.kept.append(self) } }
      }
      keptUid = uid ?? self.uid
      keptGid = gid ?? self.gid
    }
  }

  // MARK: opening it; HostInode+Open.swift has what is open

  /// Its contents, by the name under which it was found. Never blocks on a FIFO that took the name meanwhile.
  func openContents(_ flags: Int32) throws(Errno) -> HostFileReference {
    if isTop, let contents = host.with({ $0.rootContents }) { return contents }
    let place = try place()
    let parent = try place.parent.reach()
    let new = try withReleased { () throws(Errno) in
      HostFileReference(try parent.descriptor.open(place.name.span, flags | O_NONBLOCK | O_NOCTTY))
    }
    guard HostFileKey(try new.descriptor.attributes()) == key else { throw Errno(ESTALE) }
    return new
  }
  private func openDirectory() throws(Errno) -> HostFileReference {
    let handle = try reach()
    return try withReleased { () throws(Errno) in
      HostFileReference(try handle.descriptor.reopen(O_RDONLY | O_DIRECTORY))
    }
  }
  private func openForAttributes() throws(Errno) -> HostFileReference {
    if isDirectory { return try openDirectory() }
    guard isRegular else { throw .notSupported }
    return try openContents(O_RDONLY)
  }

  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    if isDirectory {
      return HostDirectoryFile(self, try openDirectory(), path: path, flags: flags)
    }
    if let fresh = takeFresh() { return try HostFile(self, fresh, path: path, flags: flags) }
    let asked = HostInode.hostFlags(flags)
    let contents: HostFileReference
    do throws(Errno) {
      contents = try openContents(asked)
    } catch {
      // Its name is gone, but /proc/PID/fd leads here while it is open.
      guard path.dentry.isDeleted, let open = openReference(asked) else { throw error }
      contents = open
    }
    return try HostFile(self, contents, path: path, flags: flags)
  }

  override func openCached(
    _ path: BorrowedPath, _ flags: Int32, _ c: Credentials, runs: Bool
  ) throws(Errno) -> File? { try openHere(path, flags, c, runs) }

  /// It cannot change while this is the same file: of another one with its number, the time of change is another. Texts that
  /// do, of the host's procfs, are not known: there the size does not tell how long they are.
  override var knownLink: Borrowed<LinkText>? {
    guard let text = linkText.borrowed, text.with({ $0.changed == changed }) else { return nil }
    return text
  }
  override func readlink() throws(Errno) -> [UInt8] {
    if let known = knownLink { return known.with { $0.bytes } }
    let changed = changed
    let text = try reach().descriptor.linkText()
    if text.count == lastSize, 1...255 ~= text.count { linkText.replace(LinkText(text, changed: changed)) }
    return text
  }

  // MARK: names; HostInode+Names.swift does the work

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? { try look(name) }
  override func revalidate(_ name: Span<UInt8>, _ inode: Inode?) throws(Errno) -> Bool { try isStill(name, inode) }
  override func create(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode { try makeFile(name, new) }
  override func createUnnamed(_ new: NewFile) throws(Errno) -> Inode { try makeUnnamed(new) }
  override func mkdir(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    try reach().descriptor.makeDirectory(name, new.mode & 0o7777)
    return try made(name, new)
  }
  override func mknod(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode {
    let device =
      new.mode & FileType.mask == FileType.characterDevice || new.mode & FileType.mask == FileType.blockDevice
    try reach().descriptor.makeNode(name, new.mode, device ? new.rdev : 0)
    return try made(name, new)
  }
  override func symlink(_ name: Span<UInt8>, target: [UInt8], _ new: NewFile) throws(Errno) -> Inode {
    try reach().descriptor.makeLink(name, target: target + [0])
    return try made(name, new)
  }
  override func link(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) { try makeLink(name, inode) }
  override func unlink(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) {
    try remove(name, inode, isDirectory: false)
  }
  override func rmdir(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) { try remove(name, inode, isDirectory: true) }
  override func rename(
    _ name: Span<UInt8>, _ inode: Inode, to directory: Inode, _ newName: Span<UInt8>, replacing replaced: Inode?,
    exchange: Bool
  ) throws(Errno) {
    try move(name, inode, to: directory, newName, replacing: replaced, exchange: exchange)
  }

  // MARK: extended attributes

  override func extendedAttribute(_ name: [UInt8]) throws(Errno) -> [UInt8] {
    let file = try openForAttributes()
    let count = try file.descriptor.extendedAttribute(name + [0], nil)
    if count == 0 { return [] }
    let buffer = try KernelBuffer(count: count)
    return buffer.bytes.slice(0, try file.descriptor.extendedAttribute(name + [0], buffer.bytes)).array
  }
  override func setExtendedAttribute(_ name: [UInt8], _ value: [UInt8], _ flags: Int32) throws(Errno) {
    try openForAttributes().descriptor.setExtendedAttribute(name + [0], value, flags)
  }
  override func removeExtendedAttribute(_ name: [UInt8]) throws(Errno) {
    try openForAttributes().descriptor.removeExtendedAttribute(name + [0])
  }
  override func extendedAttributeNames() throws(Errno) -> [UInt8] {
    guard isRegular || isDirectory else { return [] }
    let file = try openForAttributes()
    let count = try file.descriptor.extendedAttributeNames(nil)
    if count == 0 { return [] }
    let buffer = try KernelBuffer(count: count)
    return buffer.bytes.slice(0, try file.descriptor.extendedAttributeNames(buffer.bytes)).array
  }
}

extension FileTime {
  init(_ time: linux_statx_timestamp) {
    self.init(seconds: Int(time.tv_sec), nanoseconds: Int32(truncatingIfNeeded: time.tv_nsec))
  }
}
