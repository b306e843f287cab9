import CLinux
import Machine
import Synchronization

/// A file, a directory or a node: what names refer to (inode(7)). Subclasses are a file system's kinds of them.
///
/// Operations on a directory's names are called with the directory's `lock` held and with names that are checked: not
/// empty, neither "." nor "..", no slash, at most 255 bytes.
open class Inode {
  public final let fileSystem: FileSystem
  public final let number: UInt64
  /// For character and block devices.
  public final let rdev: UInt32
  /// Type and permissions, inode(7).
  public final var mode: UInt32
  public final var uid: UInt32, gid: UInt32
  public final var linkCount: UInt32 = 1
  public final var accessed: FileTime, modified: FileTime, changed: FileTime
  public final var born: FileTime?
  /// Linux's i_rwsem: of a directory, guards its names; of a file, serialises writes, truncation and changes of attributes.
  public final let lock: Mutex<Void>
  /// A file of O_TMPFILE may get its first name; under `lock`.
  public final var isLinkable = false
  /// Those who have it open for writing, or, negative, who run it: ETXTBSY.
  public final let writers = Atomic<Int>(0)
  /// inotify(7)'s watches, under its table's lock.
  final var watches: [InotifyWatch] = []
  /// What is known of it as a program, under `execFiles`' lock.
  final var execFile: ExecFile?
  /// POSIX and open-file-description locks, flock(2): made when first needed, under `lock`.
  final var locks: FileLocks?

  public init(fileSystem: FileSystem, number: UInt64, mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, rdev: UInt32 = 0)
  {
    self.fileSystem = fileSystem
    self.number = number
    self.mode = mode
    self.uid = uid
    self.gid = gid
    self.rdev = rdev
    let now = FileTime.now()
    accessed = now
    modified = now
    changed = now
    lock = Mutex<Void>((), rank: mode & FileType.mask == FileType.directory ? .directory : .inode)
  }

  deinit { if !watches.isEmpty { inotify.with { $0.inodeFreed(self) } } }

  // MARK: what it is

  @inline(__always) public final var type: UInt32 { mode & FileType.mask }
  @inline(__always) public final var isDirectory: Bool { type == FileType.directory }
  @inline(__always) public final var isRegular: Bool { type == FileType.regular }
  @inline(__always) public final var isSymbolicLink: Bool { type == FileType.symbolicLink }

  /// st_size.
  open var size: Int { 0 }
  /// st_blocks: in units of 512 bytes.
  open var blocks: Int { 0 }
  /// What stat(2) tells of it: sets every field of `s`. Called without a lock.
  open func getStatus(_ s: inout FileStatus) throws(Errno) { fillStatus(&s, size: size, blocks: blocks) }
  /// The same, where the caller knows the size.
  @inline(__always) final func fillStatus(_ s: inout FileStatus, size: Int, blocks: Int) {
    s.device = fileSystem.device
    s.inode = number
    s.mode = mode
    s.linkCount = linkCount
    s.uid = uid
    s.gid = gid
    s.rdev = rdev
    s.size = size
    s.blocks = blocks
    s.accessed = accessed
    s.modified = modified
    s.changed = changed
    s.born = born
  }
  /// What /proc/PID/fd shows of a file that has no path: `pipe:[7]`.
  open var label: [UInt8] { Array("anon_inode:inode".utf8) }

  /// Whether `credentials` may access it so: bits of R_OK, W_OK, X_OK. Errors: EACCES.
  open func checkPermission(_ access: UInt32, _ credentials: Credentials) throws(Errno) {
    try checkModes(access, credentials)
  }

  /// Whether its names, and all below them, are looked up at each use instead of being kept: /proc/PID goes unseen.
  open var isTransient: Bool { false }

  // MARK: names in a directory

  /// What `name` is; nil where it is not there.
  open func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? { throw .notDirectory }
  /// Whether `name` still is `inode` (nil: still is not there). Called without a lock, at each use of a cached name, on
  /// file systems that say `revalidates`.
  open func revalidate(_ name: Span<UInt8>, _ inode: Inode?) throws(Errno) -> Bool { true }
  /// The same for a walk of cached names, on file systems that say `isConfirmed`: whether the name in `path` still is this, in
  /// `directory`. If so, its attributes and `getConfirmedStatus` are those of now. It takes no lock and does not sleep. False:
  /// it is not known.
  open func confirm(in directory: Inode, _ path: ShortPath, _ start: Int, _ end: Int) -> Bool { false }
  /// A directory of the host: what it is reached by, where that is open. Good until the caller sleeps.
  open var keptHandle: Borrowed<HostFileReference>? { nil }
  open func getConfirmedStatus(_ s: inout FileStatus) throws(Errno) { try getStatus(&s) }
  open func create(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode { throw .access }
  open func mkdir(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode { throw .notPermitted }
  /// A FIFO, a socket, a device.
  open func mknod(_ name: Span<UInt8>, _ new: NewFile) throws(Errno) -> Inode { throw .notPermitted }
  open func symlink(_ name: Span<UInt8>, target: [UInt8], _ new: NewFile) throws(Errno) -> Inode { throw .notPermitted }
  /// `inode`, whose lock is held too, gets `name` here.
  open func link(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) { throw .notPermitted }
  /// Removes `name`, which is `inode` and no directory.
  open func unlink(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) { throw .notPermitted }
  /// Removes `name`, which is the directory `inode`. Errors: ENOTEMPTY.
  open func rmdir(_ name: Span<UInt8>, _ inode: Inode) throws(Errno) { throw .notPermitted }
  /// Moves `name`, which is `inode`, to `newName` in `directory`, replacing `replaced` (an empty directory or a file) or,
  /// with `exchange`, changing places with it. All directories are locked. Errors: ENOTEMPTY.
  open func rename(
    _ name: Span<UInt8>, _ inode: Inode, to directory: Inode, _ newName: Span<UInt8>, replacing replaced: Inode?,
    exchange: Bool
  ) throws(Errno) { throw .notPermitted }
  /// A file without a name in this directory (O_TMPFILE).
  open func createUnnamed(_ new: NewFile) throws(Errno) -> Inode { throw .notSupported }

  // MARK: itself

  /// A symbolic link's text, for readlink(2).
  open func readlink() throws(Errno) -> [UInt8] { throw .invalid }
  /// Where a symbolic link leads: its text, or for /proc's magic links the file itself.
  open func follow() throws(Errno) -> LinkTarget { .text(try readlink()) }
  /// The text, where it is at hand without sleeping and following the link leaves no trace. Good until the caller sleeps.
  open var knownLink: Borrowed<LinkText>? { nil }
  /// Opens it: regular files and directories, and whatever else the file system handles itself. `flags` are O_*.
  open func open(_ path: Path, _ flags: Int32) throws(Errno) -> File { throw .noDeviceOrAddress }
  /// The same for a walk of cached names, where that does not sleep; on file systems that say `isConfirmed` the last name
  /// is not confirmed yet. It makes the checks of open(2), or of execve(2) where it `runs`. Nil: it takes `open`.
  open func openCached(
    _ path: BorrowedPath, _ flags: Int32, _ c: Credentials, runs: Bool
  ) throws(Errno) -> File? { nil }
  /// Whether FIFOs, sockets and devices are opened by `open` instead of by their kind.
  open var opensSpecialFiles: Bool { false }
  /// Changes attributes; the caller has checked that it may, and holds `lock`.
  open func setAttributes(_ change: AttributeChange) throws(Errno) {
    if change.size != nil { throw .invalid }
    applyAttributes(change)
  }
  /// The attributes that live in the inode itself; `changed` becomes now.
  public final func applyAttributes(_ change: AttributeChange) {
    if let mode = change.mode { self.mode = type | mode & 0o7777 }
    if let uid = change.uid { self.uid = uid }
    if let gid = change.gid { self.gid = gid }
    if let time = change.accessed { accessed = time }
    if let time = change.modified { modified = time }
    changed = FileTime.now()
  }

  // MARK: extended attributes, xattr(7)

  open func extendedAttribute(_ name: [UInt8]) throws(Errno) -> [UInt8] { throw .notSupported }
  open func setExtendedAttribute(_ name: [UInt8], _ value: [UInt8], _ flags: Int32) throws(Errno) {
    throw .notSupported
  }
  open func removeExtendedAttribute(_ name: [UInt8]) throws(Errno) { throw .notSupported }
  /// The names, each with a NUL.
  open func extendedAttributeNames() throws(Errno) -> [UInt8] { [] }
}

/// A symbolic link's text, not empty, that a walk reads without a lock.
public final class LinkText: Deferred {
  public let bytes: [UInt8]
  /// The link's time of change when it was read.
  let changed: FileTime
  init(_ bytes: [UInt8], changed: FileTime) {
    self.bytes = bytes
    self.changed = changed
  }
}

/// Where a symbolic link leads.
public enum LinkTarget {
  case text([UInt8])
  /// Straight to a file, whatever its name: /proc/PID/fd/3.
  case path(Path)
}

extension Inode {
  /// The permission bits and capabilities, as generic_permission() in Linux. Errors: EACCES.
  public final func checkModes(_ access: UInt32, _ credentials: Credentials) throws(Errno) {
    if !allows(access, credentials) { throw .access }
  }
  final func allows(_ access: UInt32, _ credentials: Credentials) -> Bool {
    let granted =
      credentials.fsuid == uid ? mode >> 6 & 7 : credentials.isIn(group: gid) ? mode >> 3 & 7 : mode & 7
    if access & ~granted == 0 { return true }
    if isDirectory {
      if credentials.has(CAP_DAC_OVERRIDE) { return true }
      if access & 2 == 0 && credentials.has(CAP_DAC_READ_SEARCH) { return true }
    } else {
      if access == 4 && credentials.has(CAP_DAC_READ_SEARCH) { return true }
      if access & 1 == 0 || mode & 0o111 != 0, credentials.has(CAP_DAC_OVERRIDE) { return true }
    }
    return false
  }
  /// Whether `credentials` own it, or may act as if.
  public final func isOwned(by credentials: Credentials) -> Bool {
    credentials.fsuid == uid || credentials.has(CAP_FOWNER)
  }
  /// Someone opens it for writing; `endWriting` follows. Errors: ETXTBSY where it is being run.
  public final func beginWriting() throws(Errno) {
    var old = writers.load(ordering: .relaxed)
    while true {
      if old < 0 { throw .textBusy }
      let (done, now) = writers.compareExchange(expected: old, desired: old + 1, ordering: .acquiringAndReleasing)
      if done { break }
      old = now
    }
    fileSystem.writers.add(1, ordering: .relaxed)
  }
  public final func endWriting() {
    writers.subtract(1, ordering: .releasing)
    fileSystem.writers.subtract(1, ordering: .relaxed)
  }
  /// Someone runs it; `endRunning` follows. Errors: ETXTBSY where it is open for writing.
  public final func beginRunning() throws(Errno) {
    var old = writers.load(ordering: .relaxed)
    while true {
      if old > 0 { throw .textBusy }
      let (done, now) = writers.compareExchange(expected: old, desired: old - 1, ordering: .acquiringAndReleasing)
      if done { return }
      old = now
    }
  }
  public final func endRunning() { writers.add(1, ordering: .releasing) }
  /// A directory's names changed.
  public final func namesChanged() {
    let now = FileTime.now()
    modified = now
    changed = now
  }
  /// A read happened: st_atime, as relatime does.
  @inline(__always) public final func noteAccess() {
    if accessed <= modified || accessed <= changed { accessed = FileTime.now() }
  }
}
