import CBoot
import CLinux
import Machine
import Synchronization

/// The socket to the tool (boot.h): what the tool's signals mean for the machine. The I/O thread reads it and handles what
/// must work while every vCPU stands; the rest it leaves in a ring for a kernel thread.
final class ControlSocket: IOWatcher {
  private let socket: HostDescriptor
  private let message: KernelBuffer
  private let queue = WaitQueue()
  /// One writer, the I/O thread, and one reader. A message that finds it full is dropped.
  private let ring: KernelBuffer
  private let written = Atomic<Int>(0)
  private let taken = Atomic<Int>(0)
  private static var capacity: Int { 64 }
  private static var size: Int { MemoryLayout<martlet_message>.size }

  /// Errors: EBADF, ENOMEM.
  private init(_ number: Int32) throws(Errno) {
    guard let socket = HostDescriptor.inherited(number) else { throw .badDescriptor }
    self.socket = socket
    message = try KernelBuffer(count: ControlSocket.size)
    ring = try KernelBuffer(count: ControlSocket.size * ControlSocket.capacity)
    super.init(descriptor: number)
  }

  /// Serves the boot block's socket, if there is one, once the first processes are made. Errors: ENOMEM.
  static func start() throws(Errno) {
    let number = bootBlock.header.controlDescriptor
    if number < 0 { return }
    let socket = try ControlSocket(number)
    try KernelThread.start { socket.run() }
    try socket.arm(LINUX_EPOLLIN)
  }

  // MARK: on the I/O thread: it allocates nothing

  override func ready(_ events: UInt32) {
    while socket.readiness(LINUX_EPOLLIN) != 0 {
      let count: Int
      do throws(Errno) { count = try socket.read(message.bytes) } catch { return }
      if count != ControlSocket.size { return }  // the tool is gone, and takes the machine with it
      let kind = Int(message.bytes.load(0, as: martlet_message.self).kind)
      if kind == MARTLET_STOP {
        StopBarrier.close()
      } else if kind == MARTLET_CONTINUE {
        StopBarrier.open()
      } else {
        post()
      }
    }
    do throws(Errno) { try arm(LINUX_EPOLLIN) } catch {}
  }

  private func post() {
    let end = written.load(ordering: .relaxed)
    if end &- taken.load(ordering: .acquiring) == ControlSocket.capacity { return }
    ring.bytes.copy(message.bytes, at: end % ControlSocket.capacity * ControlSocket.size)
    written.store(end &+ 1, ordering: .releasing)
    queue.wakeAll()
  }

  // MARK: the thread

  private func run() {
    while true {
      do throws(Errno) {
        try queue.wait(.uninterruptible) { written.load(ordering: .acquiring) != taken.load(ordering: .relaxed) }
      } catch {}
      let start = taken.load(ordering: .relaxed)
      let next = ring.bytes.load(start % ControlSocket.capacity * ControlSocket.size, as: martlet_message.self)
      taken.store(start &+ 1, ordering: .releasing)
      handle(next)
    }
  }

  private func handle(_ message: martlet_message) {
    switch Int(message.kind) {
    case MARTLET_WINDOW_SIZE:
      if console.isSet { console.with { $0.resize(rows: message.a, columns: message.b) } }
    case MARTLET_SIGNAL: pass(Int32(message.a))
    case MARTLET_TERMINATE: initState.with { $0.terminate() }
    case MARTLET_BREAK: if console.isSet { console.with { $0.endIfDeaf() } }
    default: Log.warning("the control socket: a message of kind \(message.kind)")
    }
  }

  /// What a terminal would send goes to the command's whole group, as it would from there; the rest to the command.
  private func pass(_ signal: Int32) {
    guard Signal.isValid(signal) else { return }
    switch signal {
    case SIGHUP where console.isSet: console.with { $0.hangUp(tellsGroup: true) }
    case SIGINT, SIGQUIT, SIGHUP: sendKernelSignal(signal, to: initState.with { $0.command.group })
    default: initState.with { $0.forward(signal) }
    }
  }
}
