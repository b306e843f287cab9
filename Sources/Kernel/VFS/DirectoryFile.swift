import CLinux
import Machine

/// An open directory: what is common to all file systems.
open class DirectoryFile: File {
  open override var isSeekable: Bool { true }

  open override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { throw .isDirectory }
  /// A directory's positions are cookies: any may be asked for, and what is behind the last is the end.
  open override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    let target: Int
    switch whence {
    case SEEK_SET: target = offset
    case SEEK_CUR: target = position &+ offset
    default: throw .invalid
    }
    if target < 0 { throw .invalid }
    position = target
    return target
  }
  open override func sync(dataOnly: Bool) throws(Errno) {}
  open override func poll(_ table: PollTable?) -> PollEvents { [.in, .out, .readNormal, .writeNormal] }

  /// Adds "." and "..", whose cookies are 1 and 2. Returns whether the caller goes on with the names.
  public final func addDots(_ entries: inout DirectoryEntries) -> Bool {
    if position == 0 {
      let name: [UInt8] = [46]
      guard entries.add(name.span, inode: inode.number, type: FileType.directory, next: 1) else { return false }
      position = 1
    }
    if position == 1 {
      let name: [UInt8] = [46, 46]
      let parent = path.flatMap { path in dentries.borrowed.with { $0.parent(of: path.dentry) } }
      guard entries.add(name.span, inode: parent?.inode.number ?? inode.number, type: FileType.directory, next: 2)
      else {
        return false
      }
      position = 2
    }
    return true
  }
}
