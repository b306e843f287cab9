import CLinux
import Machine
import Synchronization

/// A timerfd_create(2).
final class TimerFile: File {
  private let timer: FileTimer
  private let queue = WaitQueue()
  private let setting = Machine.Mutex((), rank: .file)
  private let clock: Int32
  /// TFD_TIMER_CANCEL_ON_SET: the clock's distance from CLOCK_MONOTONIC at the setting; under `setting`.
  private var cancelOffset: Int64?

  init(clock: Int32, flags: Int32) {
    self.clock = clock
    timer = FileTimer(.host(clock))
    super.init(inode: AnonymousInode.shared, flags: flags)
    timer.file = Borrowed(self)
  }
  deinit { timer.stop() }

  override var label: [UInt8] { Array("anon_inode:[timerfd]".utf8) }

  private func offset() -> Int64 {
    Int64(bitPattern: Clock.read(clock)) &- Int64(bitPattern: Clock.monotonic())
  }
  /// Whether the host's clock was set since. What the host slews in small steps does not count.
  private var wasSet: Bool {
    guard let cancelOffset else { return false }
    return (offset() &- cancelOffset).magnitude > 500_000_000
  }

  /// Implements timerfd_settime(2). Returns the old setting.
  func set(_ value: UInt64, isAbsolute: Bool, interval: UInt64, isCancelled: Bool) -> TimerSetting {
    setting.withLock { _ in
      cancelOffset = isCancelled && clock == CLOCK_REALTIME ? offset() : nil
      timer.isExpired.store(false, ordering: .sequentiallyConsistent)
      return timer.set(value, isAbsolute: isAbsolute, interval: interval)
    }
  }
  /// Implements timerfd_gettime(2).
  var left: TimerSetting { setting.withLock { _ in timer.left } }

  /// Expirations since the last read; 0: none.
  private func take() throws(Errno) -> UInt64 {
    guard timer.isExpired.load(ordering: .sequentiallyConsistent) else { return 0 }
    return try setting.withLock { (_) throws(Errno) -> UInt64 in
      if wasSet {
        cancelOffset = offset()
        throw Errno(ECANCELED)
      }
      timer.isExpired.store(false, ordering: .sequentiallyConsistent)
      return timer.takeLate()
    }
  }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    guard buffers.count >= 8 else { throw .invalid }
    var count = try take()
    if count == 0 {
      if isNonBlocking { throw .wouldBlock }
      try queue.wait { () throws(Errno) -> Bool in
        count = try take()
        return count != 0
      }
    }
    return try buffers.copyOut(value: count)
  }

  override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(queue)
    return timer.isExpired.load(ordering: .sequentiallyConsistent) ? [.in, .readNormal] : []
  }

  fileprivate func wake() { queue.wakeAll(events: PollEvents.in.rawValue) }
}

private final class FileTimer: ClockTimer {
  var file: Borrowed<TimerFile>!  // the file owns it and stops it before it dies
  let isExpired = Atomic<Bool>(false)
  override var isLazy: Bool { true }
  override func expired(_ count: UInt64) {
    isExpired.store(true, ordering: .sequentiallyConsistent)
    file.with { $0.wake() }
  }
}
