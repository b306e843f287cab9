import CLinux
import Machine

/// A process's timers: setitimer(2), timer_create(2).
public final class ProcessTimers {
  init() {}
  /// execve(2): POSIX timers go, interval timers stay.
  func resetForExec() {}
}
