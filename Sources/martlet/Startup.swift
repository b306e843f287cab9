import CTool
import Glibc

/// What has to happen before anything else opens a descriptor or writes.
struct Startup {
  /// When the tool started, by the host's monotonic clock, in nanoseconds.
  let started: UInt64

  init() {
    started = tool_monotonic()
    _ = tool_fill_standard_descriptors()
    // A reader of our messages that went away must not keep us from restoring the terminal.
    signal(SIGPIPE, SIG_IGN)
  }
}
