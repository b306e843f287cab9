import CLinux
import Machine

/// What a pidfd refers to: a process, whatever becomes of its number. pidfd_open(2).
public final class PidFile: File {
  public let process: Process

  init(_ process: Process, isNonBlocking: Bool = false) {
    self.process = process
    super.init(inode: AnonymousInode.shared, flags: O_RDWR | (isNonBlocking ? O_NONBLOCK : 0))
  }

  /// Readable once the process has ended; hung up once it was waited for.
  public override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(process.threadQueue)
    return switch withProcessTree({ process.state }) {
    case .running: []
    case .zombie: [.in, .readNormal]
    case .dead: [.in, .readNormal, .hangUp]
    }
  }
  public override var label: [UInt8] { Array("anon_inode:[pidfd]".utf8) }
}

extension Task {
  /// Runs `body` on the process of a pidfd. Errors: EBADF where it is none.
  func withPidFile<R: ~Copyable>(_ descriptor: Int32, _ body: (PidFile) throws(Errno) -> R) throws(Errno) -> R {
    try table.with { (table) throws(Errno) -> R in
      try table.withFile(Int(descriptor)) { (file) throws(Errno) -> R in
        guard let file = file as? PidFile else { throw .badDescriptor }
        return try body(file)
      }
    }
  }

  /// CLONE_PIDFD: opens a descriptor for `child` and writes its number to `address`. Errors: EMFILE, EFAULT.
  func openPidFile(_ child: Process, at address: UInt) throws(Errno) -> Int {
    let descriptor = try install(self, PidFile(child), closeOnExec: true)
    do throws(Errno) {
      try UserPointer<Int32>(address).copyOut(Int32(truncatingIfNeeded: descriptor))
    } catch {
      closePidFile(descriptor)
      throw error
    }
    return descriptor
  }
  func closePidFile(_ descriptor: Int) {
    try? table.with { (table) throws(Errno) in try table.close(descriptor, self) }
  }
}
