import CLinux
import Machine

/// An end of a pipe or FIFO; one opened with O_RDWR is both.
public final class PipeFile: File {
  let pipe: Pipe
  private let reads: Bool, writes: Bool  // the access mode cannot change
  private let seenWriters: Int  // see Pipe.poll
  private let isNamed: Bool  // a FIFO

  /// The end counts from now on.
  init(_ pipe: Pipe, inode: PipeInode, path: Path? = nil, flags: Int32) {
    self.pipe = pipe
    reads = flags & O_ACCMODE != O_WRONLY
    writes = flags & O_ACCMODE != O_RDONLY
    seenWriters = -1
    isNamed = false
    super.init(inode: inode, path: path, flags: flags)
    pipe.addEnd(reads: reads, writes: writes)
  }
  /// An end of a FIFO, which `pipe` counts already.
  init(fifo pipe: Pipe, inode: Inode, path: Path?, flags: Int32, seenWriters: Int = -1) {
    self.pipe = pipe
    reads = flags & O_ACCMODE != O_WRONLY
    writes = flags & O_ACCMODE != O_RDONLY
    self.seenWriters = seenWriters
    isNamed = true
    super.init(inode: inode, path: path, flags: flags)
  }
  deinit {
    pipe.removeEnd(reads: reads, writes: writes)
    if isNamed { FIFO.closed(pipe, inode) }
  }

  public override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try pipe.read(&buffers, isNonBlocking: isNonBlocking || buffers.mustNotWait)
  }
  public override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try Task.withCurrentTask { (task) throws(Errno) -> Int in
      try pipe.write(
        &buffers, task, isNonBlocking: isNonBlocking || buffers.mustNotWait, asPackets: flags & O_DIRECT != 0)
    }
  }
  public override var canRefuseToWait: Bool { true }
  public override func poll(_ table: PollTable?) -> PollEvents {
    pipe.poll(table, reads: reads, writes: writes, seenWriters: seenWriters)
  }
  public override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    guard request == UInt32(FIONREAD) else { throw .notTerminal }
    try UserPointer<Int32>(argument).copyOut(Int32(truncatingIfNeeded: pipe.byteCount))
    return 0
  }
  public override func allocate(_ mode: Int32, _ offset: Int, _ count: Int) throws(Errno) { throw .illegalSeek }
  /// F_GETPIPE_SZ and F_SETPIPE_SZ: see `Pipe.resize`.
  public override func pipeSize(_ task: Task, change size: Int?) throws(Errno) -> Int {
    guard let size else { return pipe.size }
    return try task.credentials.borrowed.with { (credentials) throws(Errno) -> Int in
      try pipe.resize(UInt32(truncatingIfNeeded: size), credentials)
    }
  }
}
