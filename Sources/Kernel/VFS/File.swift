import CLinux
import Machine

/// An open file description: what descriptors refer to. Subclasses are what can be open: a regular file, a directory, a
/// pipe's end, a terminal, an eventfd. What must happen at the last close happens in their `deinit`, which runs without
/// any lock held.
open class File {
  public final let inode: Inode
  /// Where it was opened; nil for what has no name (pipes, eventfds).
  public final let path: Path?
  /// O_* : access mode and status flags. F_SETFL changes it under `inode`'s lock.
  public final var flags: Int32
  /// Whether `poll` always says that it can be read and written, and nothing else: most regular files.
  public final let isAlwaysReady: Bool
  /// For `isSeekable` ones; `positionLock` serialises those that share the description.
  public final var position = 0
  public final let positionLock = Mutex<Void>((), rank: .position)

  /// F_SETOWN and F_SETSIG: a process, or a negated group, and what it is sent (0: SIGIO).
  public final var owner: Int32 = 0, ownerSignal: Int32 = 0
  /// The epolls that watch it, once one does.
  public final let watches = OnceReference<FileWatches>()

  public init(inode: Inode, path: Path? = nil, flags: Int32, isAlwaysReady: Bool = false) {
    self.inode = inode
    self.isAlwaysReady = isAlwaysReady
    self.path = path
    self.flags = flags
  }
  // Runs after the subclass's deinit and before anything that it owns is dropped: the queues are still there.
  deinit {
    watches.borrowed?.with { $0.fileClosed() }
    if flags & O_PATH == 0 { Notify.file(self, isWritable ? NotifyMask.closeWrite : NotifyMask.closeNoWrite) }
    if inode.locks != nil { inode.releaseLocks(ofOwner: Borrowed(self).identity) }
  }

  // Linux's OPEN_FMODE: the fourth access mode, 3, is neither.
  @inline(__always) public final var isReadable: Bool { (flags &+ 1) & 1 != 0 && flags & O_PATH == 0 }
  @inline(__always) public final var isWritable: Bool { (flags &+ 1) & 2 != 0 && flags & O_PATH == 0 }
  public final var isNonBlocking: Bool { flags & O_NONBLOCK != 0 }
  /// Whether read and write heed `IOBuffers.mustNotWait` (Linux's FMODE_NOWAIT), or never wait.
  open var canRefuseToWait: Bool { inode.isRegular }

  /// Whether it has a position: read(2) and write(2) then use and move it, pread(2) and pwrite(2) work.
  open var isSeekable: Bool { false }
  /// Whether pread(2) and pwrite(2) work. A host stream has offsets but its position is the host's own: it is not
  /// seekable here, and `position` stays -1, which as an offset means where the host's stands.
  open var hasOffsets: Bool { isSeekable }

  /// Implements read(2), pread(2), readv(2): at `offset`, which streams ignore. Returns the bytes moved; 0 is the end.
  open func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { throw .invalid }
  /// Implements write(2) and its like. With O_APPEND, or where `buffers` appends, a file writes at its end, whatever `offset` says, and returns through
  /// `offset` where it wrote.
  open func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int { throw .invalid }
  /// Implements lseek(2); returns the new position, which it has set.
  open func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { throw .illegalSeek }
  /// Implements fstat(2): sets every field of `s`.
  open func getStatus(_ s: inout FileStatus) throws(Errno) { try inode.getStatus(&s) }
  /// Whether epoll(7) can watch it: false for what is always ready, as regular files and directories are.
  open var canPoll: Bool { !inode.isRegular && !inode.isDirectory }
  /// What is ready now; where `table` is given, registers the queues that tell of a change (poll(2)).
  open func poll(_ table: PollTable?) -> PollEvents { [.in, .out, .readNormal, .writeNormal] }
  /// Implements ioctl(2) for `request`; `argument` is what the guest passed.
  open func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int { throw .notTerminal }
  /// Implements getdents64(2): see `DirectoryEntries`.
  open func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) { throw .notDirectory }
  /// Called for each close(2) of a descriptor that refers to it, before the reference is dropped.
  open func flush(_ task: Task) throws(Errno) {}
  /// Implements fsync(2) and fdatasync(2).
  open func sync(dataOnly: Bool) throws(Errno) { throw .invalid }
  /// Implements fallocate(2).
  open func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) { throw .notSupported }
  /// F_SETFL changed `flags` (O_ASYNC, O_DIRECT…); may refuse.
  open func statusFlagsChanged(_ old: Int32) throws(Errno) {}
  /// What /proc/PID/fd shows where it has no path.
  open var label: [UInt8] { inode.label }
  /// F_GETPIPE_SZ and F_SETPIPE_SZ (`size` then). Errors: EBADF for what is no pipe.
  open func pipeSize(_ task: Task, change size: Int?) throws(Errno) -> Int { throw .badDescriptor }
  /// What mmap(2) maps: see `MappedObject`. Errors: ENODEV.
  open func mappedObject() throws(Errno) -> MappedObject { throw .noDevice }
}

/// What mmap(2) can map of a file.
public enum MappedObject {
  /// Pages of the page cache: tmpfs, shared anonymous memory.
  case cached(CachedFile)
  /// A host file: hostfs.
  case host(HostFileReference)
  /// Fresh private or shared zero pages: /dev/zero.
  case zero
  /// Room for an exec image's stubs, or those.
  case stubs
}
