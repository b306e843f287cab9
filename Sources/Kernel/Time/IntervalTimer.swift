import CLinux
import Machine

/// setitimer(2): a signal to the process.
final class IntervalTimer: ClockTimer {
  private let process: Borrowed<Process>  // it stops its timers before it dies
  private let signal: Int32

  init(_ source: TimerSource, process: Process, signal: Int32) {
    self.process = Borrowed(process)
    self.signal = signal
    super.init(source)
  }
  deinit { stop() }
  override func expired(_ count: UInt64) { process.with { _ = $0.post(.kernel(signal), isForced: true) } }
}
