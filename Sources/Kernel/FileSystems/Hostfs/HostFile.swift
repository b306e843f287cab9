import CLinux
import Machine

/// An open file of the host.
final class HostFile: File, Listed {
  var link = Link<HostFile>()  // of its inode's open ones
  let reference: HostFileReference
  private let host: Borrowed<HostInode>  // `inode`, which keeps it
  private var writes: Bool { (flags &+ 1) & 2 != 0 }

  /// Errors: ETXTBSY.
  init(_ inode: HostInode, _ reference: HostFileReference, path: Path?, flags: Int32) throws(Errno) {
    if (flags &+ 1) & 2 != 0 {
      try inode.beginWriting()
      inode.setWriter(reference)
    }
    host = Borrowed(inode)
    self.reference = reference
    super.init(inode: inode, path: path, flags: flags)
    inode.addOpen(self)
  }
  deinit {
    host.with { host in
      host.removeOpen(self)
      guard writes else { return }
      host.endWriting()
      host.dropWriter(reference)
    }
  }

  override var isSeekable: Bool { true }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try buffers.readHost(reference.descriptor, at: offset, isWhole: true)
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    // The host drops set-user-id bits by its own user's rights, not by the guest's.
    try host.with { (host) throws(Errno) in
      if host.mode & (ModeBits.setUser | ModeBits.setGroup) == 0 { return }
      try host.lock.withLock { (_) throws(Errno) in try Attributes.dropPrivileges(host) }
    }
    if flags & O_APPEND != 0 || buffers.appends {
      offset = try reference.descriptor.seek(0, SEEK_END)
      buffers.cut(to: try Limits.room(at: offset))
      let moved = try buffers.appendHost(reference.descriptor)
      // Others may have appended meanwhile: where this went is the end that the host has now, less this.
      offset = max(try reference.descriptor.seek(0, SEEK_END) &- moved, 0)
      return moved
    }
    buffers.cut(to: try Limits.room(at: offset))
    return try buffers.writeHost(reference.descriptor, at: offset, isWhole: true)
  }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    var target = offset
    switch whence {
    case SEEK_SET: break
    case SEEK_CUR:
      let (sum, overflow) = position.addingReportingOverflow(offset)
      if overflow { throw .overflow }
      target = sum
    case SEEK_END, SEEK_DATA, SEEK_HOLE: target = try reference.descriptor.seek(offset, whence)
    default: throw .invalid
    }
    if target < 0 { throw .invalid }
    position = target
    return target
  }
  override func getStatus(_ s: inout FileStatus) throws(Errno) {
    try host.with { (host) throws(Errno) in try host.getStatus(&s, by: reference) }
  }
  override func sync(dataOnly: Bool) throws(Errno) { try reference.descriptor.sync(dataOnly: dataOnly) }
  override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) {
    try Limits.checkFileSize(offset &+ count)
    try reference.descriptor.allocate(mode, offset, count)
  }
  override func mappedObject() throws(Errno) -> MappedObject { .host(reference) }
}

/// An open directory of the host. Positions are the host's cookies.
final class HostDirectoryFile: DirectoryFile {
  private let reference: HostFileReference
  private let isRoot: Bool
  /// Where the host's descriptor stands.
  private var hostPosition = 0
  private static var bufferSize: Int { 32768 }

  init(_ inode: HostInode, _ reference: HostFileReference, path: Path?, flags: Int32) {
    self.reference = reference
    isRoot = path.map { $0.dentry === $0.mount.root } ?? false
    super.init(inode: inode, path: path, flags: flags)
  }

  override func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) {
    let buffer = try KernelBuffer(count: HostDirectoryFile.bufferSize)
    while true {
      if hostPosition != position {
        _ = try reference.descriptor.seek(position, SEEK_SET)
        hostPosition = position
      }
      let count = try reference.descriptor.entries(buffer.bytes)
      if count == 0 { return }
      hostPosition = -1
      var at = 0
      while at &+ 19 <= count {
        let length = Int(buffer.bytes.load(at &+ 16, as: UInt16.self))
        guard length >= 20, at &+ length <= count else { break }
        var number = buffer.bytes.load(at, as: UInt64.self)
        let next = buffer.bytes.load(at &+ 8, as: Int.self)
        let type = UInt32(buffer.bytes[at &+ 18]) << 12
        var name: [UInt8] = []
        var i = at &+ 19
        while i < at &+ length && buffer.bytes[i] != 0 {
          name.append(buffer.bytes[i])
          i &+= 1
        }
        // What is above the root is not the guest's to know.
        if isRoot && name.count == 2 && name[0] == 46 && name[1] == 46 { number = inode.number }
        guard entries.add(name.span, inode: number, type: type, next: next) else { return }
        position = next
        at &+= length
      }
      hostPosition = position
    }
  }
  override func sync(dataOnly: Bool) throws(Errno) { try reference.descriptor.sync(dataOnly: dataOnly) }
}
