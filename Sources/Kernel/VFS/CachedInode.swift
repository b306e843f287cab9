import CLinux
import Machine

/// A regular file whose data is the page cache alone: tmpfs, memfd_create(2), shared memory.
public final class CachedInode: MemoryInode {
  public let data: CachedFile

  public init(
    fileSystem: FileSystem, number: UInt64, mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, quota: PageQuota? = nil
  ) {
    data = CachedFile(quota: quota)
    super.init(fileSystem: fileSystem, number: number, mode: mode, uid: uid, gid: gid)
  }

  public override var size: Int { data.size }
  public override var blocks: Int { data.residentPages &* 8 }
  public override func getStatus(_ s: inout FileStatus) throws(Errno) {
    fillStatus(&s, size: data.size, blocks: data.residentPages &* 8)
  }
  public override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    let notesAccess = flags & O_NOATIME == 0 && !path.mount.has(MS_NOATIME)
    return try RegularFile(self, path: path, flags: flags, notesAccess: notesAccess)
  }
  public override func openCached(
    _ path: BorrowedPath, _ flags: Int32, _ c: Credentials, runs: Bool
  ) throws(Errno) -> File? {
    try path.mount.with { (mount) throws(Errno) in try Opening.check(self, mount, flags, c, runs: runs) }
    let notesAccess = flags & O_NOATIME == 0 && !path.mount.with { $0.has(MS_NOATIME) }
    return try RegularFile(self, path: path.path, flags: flags, notesAccess: notesAccess)
  }
  public override func setAttributes(_ change: AttributeChange) throws(Errno) {
    applyAttributes(change)
    guard let size = change.size else { return }
    if size < 0 { throw .invalid }
    let old = data.size
    if size < old && data.seals & UInt32(F_SEAL_SHRINK) != 0 { throw .notPermitted }
    if size > old && data.seals & UInt32(F_SEAL_GROW) != 0 { throw .notPermitted }
    data.truncate(to: size)
    if change.modified == nil { modified = changed }
  }
}

/// An open file of the page cache.
public final class RegularFile: File {
  private let cached: Borrowed<CachedInode>  // `inode`, which keeps it
  private let notesAccess: Bool

  /// Errors: ETXTBSY where it would be written and is being run.
  public init(_ inode: CachedInode, path: Path?, flags: Int32, notesAccess: Bool) throws(Errno) {
    let writes = (flags &+ 1) & 2 != 0
    if writes { try inode.beginWriting() }
    cached = Borrowed(inode)
    self.notesAccess = notesAccess
    super.init(inode: inode, path: path, flags: flags, isAlwaysReady: true)
  }
  deinit { if (flags &+ 1) & 2 != 0 { inode.endWriting() } }

  public override var isSeekable: Bool { true }
  public override func getStatus(_ s: inout FileStatus) throws(Errno) {
    cached.with { $0.fillStatus(&s, size: $0.data.size, blocks: $0.data.residentPages &* 8) }
  }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try cached.with { (cached) throws(Errno) -> Int in
      let count = try cached.data.read(&buffers, at: offset)
      if notesAccess { cached.noteAccess() }
      return count
    }
  }

  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    return try cached.with { (cached) throws(Errno) -> Int in try write(cached, &buffers, at: &offset) }
  }
  @inline(__always) private func write(
    _ cached: CachedInode, _ buffers: inout IOBuffers, at offset: inout Int
  ) throws(Errno) -> Int {
    cached.lock.lock()
    defer { cached.lock.unlock() }
    let data = cached.data
    if flags & O_APPEND != 0 || buffers.appends { offset = data.size }
    let room = try Limits.room(at: offset)
    if data.seals & UInt32(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 { throw .notPermitted }
    if data.seals & UInt32(F_SEAL_GROW) != 0 && offset &+ min(buffers.count, room) > data.size { throw .notPermitted }
    buffers.cut(to: room)
    let count = try data.write(&buffers, at: offset)
    try Attributes.dropPrivileges(cached)
    let now = FileTime.now()
    cached.modified = now
    cached.changed = now
    return count
  }

  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    let size = cached.with { $0.data.size }
    let target: Int
    switch whence {
    case SEEK_SET: target = offset
    case SEEK_CUR:
      let (sum, overflow) = position.addingReportingOverflow(offset)
      if overflow { throw .overflow }
      target = sum
    case SEEK_END:
      let (sum, overflow) = size.addingReportingOverflow(offset)
      if overflow { throw .overflow }
      target = sum
    case SEEK_DATA, SEEK_HOLE:
      guard offset >= 0 else { throw .noDeviceOrAddress }
      let found = cached.with { whence == SEEK_DATA ? $0.data.nextData(offset) : $0.data.nextHole(offset) }
      guard let found else { throw .noDeviceOrAddress }
      target = found
    default: throw .invalid
    }
    if target < 0 { throw .invalid }
    position = target
    return target
  }

  public override func sync(dataOnly: Bool) throws(Errno) {}

  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) {
    let keepsSize = mode & FALLOC_FL_KEEP_SIZE != 0, punches = mode & FALLOC_FL_PUNCH_HOLE != 0
    guard mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE) == 0 else { throw .notSupported }
    let cached = cached.object
    try cached.lock.withLock { (_) throws(Errno) in
      let data = cached.data
      let end = offset + count
      if punches {
        if data.seals & UInt32(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 { throw .notPermitted }
        data.punch(offset, min(end, max(data.size, offset)) - offset)
      } else {
        if !keepsSize && end > data.size {
          try Limits.checkFileSize(end)
          if data.seals & UInt32(F_SEAL_GROW) != 0 { throw .notPermitted }
        }
        try data.allocate(offset, count)
        if !keepsSize && end > data.size { data.setSize(end) }
      }
      try Attributes.dropPrivileges(cached)
      cached.changed = FileTime.now()
      if punches || !keepsSize { cached.modified = cached.changed }
    }
  }

  public override func mappedObject() throws(Errno) -> MappedObject { .cached(cached.with { $0.data }) }
}
