import CLinux
import Machine

/// RLIMIT_CPU: SIGXCPU at the soft limit and for each second past it, SIGKILL at the hard one.
final class CPULimitTimer: ClockTimer {
  private let process: Borrowed<Process>  // it stops its timers before it dies

  init(_ process: Process) {
    self.process = Borrowed(process)
    super.init(.process(Borrowed(process)))
  }
  deinit { stop() }
  override func expired(_ count: UInt64) {
    let seconds = now / 1_000_000_000
    process.with { process in
      let limit = process.limits[RLIMIT_CPU]
      if seconds >= limit.hard {
        sendKernelSignal(SIGKILL, to: process)
      } else if seconds >= limit.soft {
        sendKernelSignal(SIGXCPU, to: process)
      }
    }
  }
}
