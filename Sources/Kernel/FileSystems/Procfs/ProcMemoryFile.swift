import CLinux
import Machine

/// /proc/PID/mem: the memory of a process, by address.
final class ProcMemoryNode: Inode {
  private let subject: ProcSubject

  init(_ fileSystem: FileSystem, _ subject: ProcSubject, number: UInt64, mode: UInt32, uid: UInt32, gid: UInt32) {
    self.subject = subject
    super.init(fileSystem: fileSystem, number: number, mode: FileType.regular | mode, uid: uid, gid: gid)
  }
  /// Only for those who may look into the process; the memory is then what it has now, whatever it runs later.
  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    let view = try subject.view()
    try view.checkInspect()
    return ProcMemoryFile(self, try view.addressSpace(), path: path, flags: flags)
  }
  override func setAttributes(_ change: AttributeChange) throws(Errno) {
    if change.mode != nil || change.uid != nil || change.gid != nil { throw .notPermitted }
  }
}

/// Such a file, open. As a debugger would have it: what the process itself may not read or write is no obstacle, but for
/// writing to what others share.
final class ProcMemoryFile: File {
  private let space: AddressSpace
  private static var chunk: Int { 65536 }

  init(_ node: ProcMemoryNode, _ space: AddressSpace, path: Path, flags: Int32) {
    self.space = space
    super.init(inode: node, path: path, flags: flags)
  }
  override var isSeekable: Bool { true }
  override var canPoll: Bool { false }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try move(&buffers, offset) { (task, address, bytes, buffers) throws(Errno) -> Int in
      let count = try there { () throws(Errno) in try space.read(task, at: address, to: bytes, isForced: true) }
      return try buffers.copyOut(bytes.slice(0, count))
    }
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try move(&buffers, offset) { (task, address, bytes, buffers) throws(Errno) -> Int in
      let own = bytes.slice(0, try buffers.copyIn(bytes))
      return try there { () throws(Errno) in try space.write(task, at: address, from: own, isForced: true) }
    }
  }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    guard whence == 0 || whence == 1 else { throw .invalid }
    position = whence == 1 ? position &+ offset : offset
    return position
  }

  /// EFAULT is the caller's own memory; the other's is EIO.
  private func there(_ body: () throws(Errno) -> Int) throws(Errno) -> Int {
    do throws(Errno) { return try body() } catch { throw error == .fault ? .inputOutput : error }
  }
  /// Errors: EIO where nothing is there, EFAULT for the caller's own memory. 0: the process has left that memory.
  private func move(
    _ buffers: inout IOBuffers, _ offset: Int,
    _ step: (Task, UInt, KernelBytes, inout IOBuffers) throws(Errno) -> Int
  ) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    let buffer = try KernelBuffer(count: min(buffers.count, Self.chunk))
    var done = 0
    while buffers.count > 0 {
      let part = min(buffers.count, buffer.count)
      do throws(Errno) {
        let moved = try Task.withCurrentTask { (task) throws(Errno) -> Int in
          try step(task, UInt(bitPattern: offset) &+ UInt(done), buffer.bytes.slice(0, part), &buffers)
        }
        done += moved
        if moved < part { break }
      } catch {
        if done > 0 { break }
        if error == .noProcess { return 0 }
        throw error
      }
    }
    return done
  }
}
