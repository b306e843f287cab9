import CLinux
import Machine

/// Unpacks the root archive into a fresh tmpfs: owners, modes, times, links and devices as the archive has them.
struct RootArchive: ~Copyable {
  private let root: Inode
  // The directory that the last member was in: members of one directory follow each other.
  private var lastPath: [UInt8] = []
  private var lastDirectory: Inode
  /// Directories get their times last, when nothing is made in them any more.
  private var directoryTimes: [(Inode, FileTime)] = []

  private init(_ root: Inode) {
    self.root = root
    lastDirectory = root
  }

  /// Errors: EINVAL (damaged), ENOSPC; the log has a line that names the member.
  static func unpack(_ archive: KernelBytes, into root: Inode) throws(Errno) {
    var state = RootArchive(root)
    var reader = TarReader(archive)
    var path: [UInt8] = []
    do throws(Errno) {
      while let member = try reader.next() {
        path = member.path
        try state.make(member, archive)
      }
      for (directory, time) in state.directoryTimes { try state.setTimes(directory, time) }
    } catch {
      Log.error("root archive: after \(String(decoding: path, as: UTF8.self)): errno \(error.number)")
      throw error
    }
  }

  private mutating func make(_ member: TarMember, _ archive: KernelBytes) throws(Errno) {
    let parts = Self.split(member.path)
    guard let name = parts.last else {  // "./": the root itself
      try setAll(root, member)
      directoryTimes.append((root, member.modified))
      return
    }
    let directory = try self.directory(parts)
    let old = try directory.lookup(name.span)
    if member.type == 53, let old, old.isDirectory {
      try setAll(old, member)
      directoryTimes.append((old, member.modified))
      return
    }
    if let old {
      if old.isDirectory { throw .isDirectory }
      try directory.unlink(name.span, old)
    }
    var new = NewFile(mode: member.mode, uid: member.uid, gid: member.gid)
    let inode: Inode
    switch member.type {
    case 0, 48, 55:
      new.mode |= FileType.regular
      inode = try directory.create(name.span, new)
      if let file = inode as? CachedInode {
        try file.data.write(archive.slice(member.offset, member.size), at: 0)
        file.data.setSize(member.size)
      }
    case 49:  // a hard link
      guard let target = try find(Self.split(member.link)) else { throw .noEntry }
      try directory.link(name.span, target)
      return
    case 50:
      new.mode = FileType.symbolicLink | 0o777
      inode = try directory.symlink(name.span, target: member.link, new)
    case 51, 52:
      new.mode |= member.type == 51 ? FileType.characterDevice : FileType.blockDevice
      new.rdev = deviceNumber(member.major, member.minor)
      inode = try directory.mknod(name.span, new)
    case 53:
      new.mode |= FileType.directory
      inode = try directory.mkdir(name.span, new)
      directoryTimes.append((inode, member.modified))
    case 54:
      new.mode |= FileType.fifo
      inode = try directory.mknod(name.span, new)
    default: throw .invalid
    }
    try setTimes(inode, member.modified)
  }

  private func setAll(_ inode: Inode, _ member: TarMember) throws(Errno) {
    var change = AttributeChange()
    change.mode = member.mode
    change.uid = member.uid
    change.gid = member.gid
    inode.applyAttributes(change)
  }
  private func setTimes(_ inode: Inode, _ time: FileTime) throws(Errno) {
    inode.accessed = time
    inode.modified = time
  }

  /// The directory of a member, made where the archive does not have it.
  private mutating func directory(_ parts: [[UInt8]]) throws(Errno) -> Inode {
    var prefix: [UInt8] = []
    for part in parts.dropLast() {
      prefix.append(47)
      prefix.append(contentsOf: part)
    }
    if prefix == lastPath { return lastDirectory }
    var at = root
    for part in parts.dropLast() {
      if let found = try at.lookup(part.span) {
        guard found.isDirectory else { throw .notDirectory }
        at = found
      } else {
        at = try at.mkdir(part.span, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0))
      }
    }
    lastPath = prefix
    lastDirectory = at
    return at
  }
  private func find(_ parts: [[UInt8]]) throws(Errno) -> Inode? {
    var at = root
    for part in parts {
      guard let found = try at.lookup(part.span) else { return nil }
      at = found
    }
    return at
  }

  /// The parts of a path without "." and empty ones. ".." was refused by the tool; here it stays at the name itself.
  private static func split(_ path: [UInt8]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var part: [UInt8] = []
    for byte in path + [47] {
      if byte != 47 {
        part.append(byte)
        continue
      }
      if !part.isEmpty && part != [46] { result.append(part) }
      part = []
    }
    return result
  }
}
