import CLinux
import Machine

/// An end of a pipe or FIFO; one opened with O_RDWR is both.
public final class PipeFile: File {
  let pipe: Pipe
  private let reads: Bool, writes: Bool    // the access mode cannot change
  private let seenWriters: Int             // see Pipe.poll

  /// The end counts from now on; `isCounted` says that `pipe` counts it already.
  init(_ pipe: Pipe, inode: Inode, path: Path? = nil, flags: Int32, isCounted: Bool = false, seenWriters: Int = -1) {
    self.pipe = pipe
    reads = flags & O_ACCMODE != O_WRONLY
    writes = flags & O_ACCMODE != O_RDONLY
    self.seenWriters = seenWriters
    super.init(inode: inode, path: path, flags: flags)
    if !isCounted { pipe.addEnd(reads: reads, writes: writes) }
  }
  deinit {
    pipe.removeEnd(reads: reads, writes: writes)
    FIFO.closed(pipe, inode)
  }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try pipe.read(&buffers, isNonBlocking: isNonBlocking)
  }
  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try Task.withCurrentTask { (task) throws(Errno) -> Int in
      try pipe.write(&buffers, task, isNonBlocking: isNonBlocking, asPackets: flags & O_DIRECT != 0)
    }
  }
  public override func poll(_ table: PollTable?) -> PollEvents {
    pipe.poll(table, reads: reads, writes: writes, seenWriters: seenWriters)
  }
  public override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    guard request == UInt32(FIONREAD) else { throw .notTerminal }
    try UserPointer<Int32>(argument).copyOut(Int32(truncatingIfNeeded: pipe.byteCount))
    return 0
  }
  public override func sync(dataOnly: Bool) throws(Errno) { throw .invalid }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) { throw .illegalSeek }
  public override func statusFlagsChanged(_ old: Int32) throws(Errno) {}
}

extension File {
  /// F_SETPIPE_SZ and F_GETPIPE_SZ of fcntl(2). Errors: EBADF where it is no pipe; see `Pipe.resize`.
  public final func pipeControl(_ task: Task, _ command: Int32, _ argument: Int) throws(Errno) -> Int {
    guard let file = self as? PipeFile else { throw .badDescriptor }
    if command == F_GETPIPE_SZ { return file.pipe.size }
    let size = UInt32(truncatingIfNeeded: argument)
    return try task.credentials.borrowed.with { (credentials) throws(Errno) -> Int in
      try file.pipe.resize(size, credentials)
    }
  }
}
