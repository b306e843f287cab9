import CLinux
import Machine
import Synchronization

/// Whom a timer's expiration tells, and how: sigevent(3type).
struct TimerNotice {
  /// 0: nobody (SIGEV_NONE).
  var signal: Int32
  var value: UInt64
  /// One thread (SIGEV_THREAD_ID), or the process: 0.
  var thread: Int = 0
}

/// The signal of a timer: queued once, however often the timer expires meanwhile.
private final class TimerEntry: SignalEntry {
  var timer: Borrowed<PosixTimer>!  // whose it is; the timer takes it off its queue before it dies
  override func taken() { timer.with { info.overrun = $0.countOverrun() } }
}

/// timer_create(2).
final class PosixTimer: ClockTimer {
  let id: Int32
  private let notice: TimerNotice
  private let process: Borrowed<Process>  // it deletes its timers before it dies
  private let entry = TimerEntry()
  /// The user whose RLIMIT_SIGPENDING counts it.
  private let user: UInt32
  /// Expirations that no signal has told of yet, the first included.
  private let unseen = Atomic<UInt64>(0)
  private let lastOverrun = Atomic<Int32>(0)

  init(_ source: TimerSource, id: Int32, notice: TimerNotice, process: Process, user: UInt32) {
    self.id = id
    self.notice = notice
    self.process = Borrowed(process)
    self.user = user
    super.init(source)
    entry.timer = Borrowed(self)
    entry.info = .timer(notice.signal, timer: id, overrun: 0, value: notice.value)
  }
  deinit {
    stop()
    process.with { $0.signals.withdraw(entry) }
    signalQuota.with { $0.uncharge(user) }
  }

  override func expired(_ count: UInt64) {
    if notice.signal == 0 { return }
    unseen.add(count, ordering: .relaxed)
    if notice.thread == 0 {
      process.with { _ = $0.post(entry.info, entry: entry, isForced: true) }
    } else if let task = Processes.findTask(notice.thread), process == task.process {
      process.with { _ = $0.post(entry.info, to: task, entry: entry, isForced: true) }
    }
  }

  /// A signal is about to be delivered: the expirations beyond the one that it tells of.
  fileprivate func countOverrun() -> Int32 {
    let count = unseen.exchange(0, ordering: .relaxed)
    let overrun = Int32(truncatingIfNeeded: min(count == 0 ? 0 : count &- 1, UInt64(Int32.max)))
    lastOverrun.store(overrun, ordering: .relaxed)
    return overrun
  }
  var overrun: Int32 { lastOverrun.load(ordering: .relaxed) }

  /// A new setting begins with no overrun.
  func forget() {
    unseen.store(0, ordering: .relaxed)
    lastOverrun.store(0, ordering: .relaxed)
  }
}

extension ProcessSignals {
  /// Takes a timer's entry off whatever queue it is on.
  func withdraw(_ entry: SignalEntry) {
    state.withLock { state in
      guard entry.isQueued else { return }
      if let target = entry.target {
        target.with { target in
          target.pending.withdraw(entry)
          recalculate(&state, target)
        }
      } else {
        state.pending.withdraw(entry)
      }
    }
  }
}
