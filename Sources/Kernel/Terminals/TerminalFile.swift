import CLinux
import Machine

/// An open file description of a terminal: the console or the slave of a pseudo-terminal.
final class TerminalFile: File {
  let terminal: Terminal
  /// A hang-up since then has ended it.
  private let generation: UInt32

  init(_ terminal: Terminal, inode: Inode, path: Path?, flags: Int32) {
    self.terminal = terminal
    generation = terminal.generation
    super.init(inode: inode, path: path, flags: flags)
  }
  deinit { terminal.closed() }

  /// What open(2) does on top. Errors: EBUSY.
  func checkOpen() throws(Errno) {
    try Task.withCurrentTask { (task: Task) throws(Errno) in
      if terminal.state.withLock({ $0.isExclusive }), !task.credentials.borrowed.with({ $0.has(CAP_SYS_ADMIN) }) {
        throw .busy
      }
      if flags & O_NOCTTY == 0 && isReadable { terminal.becomeControlling(task) }
    }
  }
  /// What ttyname(3) finds where it has no path.
  override var label: [UInt8] { terminal.name }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    try terminal.read(&buffers, generation: generation, isNonBlocking: isNonBlocking)
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    try terminal.write(&buffers, generation: generation, isNonBlocking: isNonBlocking)
  }
  override func poll(_ table: PollTable?) -> PollEvents { terminal.poll(table, generation: generation) }
  override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    if generation != terminal.generation {
      throw Int32(bitPattern: request) == TIOCSPGRP ? .notTerminal : .inputOutput
    }
    return try terminal.control(task, request, argument, isReadable: isReadable)
  }
}
