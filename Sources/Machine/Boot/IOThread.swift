import CBoot
import CLinux
import CMachine

/// Who wants to know of the readiness of a host descriptor: the console, the control socket, pipes on 0, 1, 2.
/// `ready` runs on the I/O thread: it allocates nothing, takes only wait queues' and the scheduler's locks.
open class IOWatcher {
  public let descriptor: Int32
  public init(descriptor: Int32) { self.descriptor = descriptor }
  open func ready(_ events: UInt32) {}

  /// Watches for `events` (epoll(7)'s), once; it must be armed again. Errors: EPERM where epoll refuses the descriptor
  /// (a regular file, which is always ready).
  public final func arm(_ events: UInt32) throws(Errno) {
    var event = linux_epoll_event()
    event.events = events | LINUX_EPOLLONESHOT
    unsafe event.data = UInt64(UInt(bitPattern: Borrowed(self).bits))
    var result = unsafe hostCall(
      __NR_epoll_ctl, Int(ioDescriptor), Int(EPOLL_CTL_MOD), Int(descriptor), address(&event))
    if result == -Int(ENOENT) {
      result = unsafe hostCall(__NR_epoll_ctl, Int(ioDescriptor), Int(EPOLL_CTL_ADD), Int(descriptor), address(&event))
      if result >= 0 { Borrowed(self).retain() }  // watched for the machine's life
    }
    if let error = HostError(result) { throw error.guest }
  }
}

/// Root's service thread that waits for the host: the timers of busy vCPUs, the console, the control socket.
enum IOThread {
  static func prepare() {
    let epoll = hostCall(__NR_epoll_create1, Int(EPOLL_CLOEXEC))
    check(epoll, "epoll_create1")
    let timer = hostCall(__NR_timerfd_create, Int(CLOCK_MONOTONIC), Int(O_CLOEXEC | O_NONBLOCK))
    check(timer, "timerfd_create")
    unsafe ioDescriptor = Int32(truncatingIfNeeded: epoll)
    unsafe hostTimerDescriptor = Int32(truncatingIfNeeded: timer)
    var event = linux_epoll_event()
    event.events = LINUX_EPOLLIN
    event.data = 0
    check(unsafe hostCall(__NR_epoll_ctl, epoll, Int(EPOLL_CTL_ADD), timer, address(&event)), "epoll_ctl")
    if bootBlock.header.kickMicroseconds != 0 { startKicks(epoll) }
  }

  /// For tests: every vCPU is kicked as often as the boot block says.
  private static func startKicks(_ epoll: Int) {
    let timer = hostCall(__NR_timerfd_create, Int(CLOCK_MONOTONIC), Int(O_CLOEXEC | O_NONBLOCK))
    check(timer, "timerfd_create")
    var event = linux_epoll_event()
    event.events = LINUX_EPOLLIN
    event.data = 1
    check(unsafe hostCall(__NR_epoll_ctl, epoll, Int(EPOLL_CTL_ADD), timer, address(&event)), "epoll_ctl")
    var time = linux_itimerspec()
    time.it_interval.tv_sec = Int(bootBlock.header.kickMicroseconds / 1_000_000)
    time.it_interval.tv_nsec = Int(bootBlock.header.kickMicroseconds % 1_000_000) * 1000
    time.it_value = time.it_interval
    check(unsafe hostCall(__NR_timerfd_settime, timer, 0, address(&time), 0), "timerfd_settime")
    unsafe kickDescriptor = Int32(truncatingIfNeeded: timer)
  }

  static func run() -> Never {
    _ = hostCall(__NR_prctl, Int(PR_SET_TIMERSLACK), 1)
    var event = linux_epoll_event()
    while true {
      let count = unsafe hostCall(__NR_epoll_wait, Int(ioDescriptor), address(&event), 1, -1)
      guard count == 1 else { continue }
      if event.data == 0 {
        var expirations: UInt64 = 0
        unsafe _ = hostCall(__NR_read, Int(hostTimerDescriptor), address(&expirations), 8)
        Timers.hostTimerFired()
      } else if event.data == 1 {
        var expirations: UInt64 = 0
        unsafe _ = hostCall(__NR_read, Int(kickDescriptor), address(&expirations), 8)
        for id in 0..<Processor.count where unsafe machine_vcpu_at(UInt32(id)).pointee.idle == 0 {
          unsafe kick(machine_vcpu_at(UInt32(id)))
        }
      } else if let pointer = unsafe UnsafeMutableRawPointer(bitPattern: UInt(event.data)) {
        let events = event.events
        // SAFETY: `arm` counted the watcher for the machine's life.
        unsafe Borrowed<IOWatcher>(bits: pointer).with { $0.ready(events) }
      }
    }
  }
}
nonisolated(unsafe) private var kickDescriptor: Int32 = -1
nonisolated(unsafe) private var ioDescriptor: Int32 = -1  // SAFETY: written at boot
