import CLinux
import CMachine

/// A thread that never sees the guest: it runs `body` on root's carriers and ends.
public final class KernelThread: Thread {
  private var body: (() -> Void)?

  private init(_ body: @escaping () -> Void) throws(Errno) {
    self.body = body
    try super.init(space: HostSpace.root, isGuest: false)
  }
  public override func begin() {
    if let body {
      self.body = nil
      body()
    }
  }

  /// Errors: ENOMEM.
  public static func start(_ body: @escaping () -> Void) throws(Errno) {
    let thread = try KernelThread(body)
    thread.prepareToStart()
    Scheduler.start(thread)
  }
}

extension Thread {
  /// Before `Scheduler.start`: the first switch to it goes to `begin`.
  public final func prepareToStart() { startOver() }
}

extension HostSpace {
  /// Root's own, where kernel threads run: no guest memory.
  public static var root: HostSpace { unsafe rootSpace.unsafelyUnwrapped }
}

/// Bytes to the host's standard output and error, for what the kernel says of itself: the unit tests, messages at the end.
public enum HostOutput {
  public static func standardOutput(_ text: String) { write(1, text) }
  public static func standardError(_ text: String) { write(2, text) }

  public static func write(_ descriptor: Int32, _ text: String) {
    let bytes = [UInt8](text.utf8)
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { b in
        unsafe hostCall(__NR_write, Int(descriptor), Int(bitPattern: b.baseAddress) + done, bytes.count - done)
      }
      if count == -Int(EINTR) { continue }
      if count <= 0 { return }
      done += count
    }
  }
}
