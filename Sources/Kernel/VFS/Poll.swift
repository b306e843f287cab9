import CLinux
import Machine

/// Events of poll(2) and epoll(7), which share their numbers.
public struct PollEvents: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static var `in`: PollEvents { PollEvents(rawValue: 0x1) }
  public static var priority: PollEvents { PollEvents(rawValue: 0x2) }
  public static var out: PollEvents { PollEvents(rawValue: 0x4) }
  public static var error: PollEvents { PollEvents(rawValue: 0x8) }
  public static var hangUp: PollEvents { PollEvents(rawValue: 0x10) }
  public static var invalid: PollEvents { PollEvents(rawValue: 0x20) }
  public static var readNormal: PollEvents { PollEvents(rawValue: 0x40) }
  public static var readBand: PollEvents { PollEvents(rawValue: 0x80) }
  public static var writeNormal: PollEvents { PollEvents(rawValue: 0x100) }
  public static var writeBand: PollEvents { PollEvents(rawValue: 0x200) }
  public static var readHangUp: PollEvents { PollEvents(rawValue: 0x2000) }
}

/// Whom a file's `poll` tells where to wait: poll(2) and select(2) sleep on all queues, epoll(7) stays on them.
open class PollTable {
  public init() {}
  /// Called by a file's `poll` for each queue that is woken when what it reports may have changed. The queue lives as
  /// long as the file.
  open func register(_ queue: WaitQueue) {}
}
