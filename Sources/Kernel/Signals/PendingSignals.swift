import CLinux
import Machine

/// A queued signal: a realtime one, or that of a POSIX timer, which brings its own.
public class SignalEntry: Listed {
  public final var link = Link<SignalEntry>()  // under the lock of the signals that it is among
  final var info = SignalInfo(signal: 0, code: 0)
  final var isQueued = false
  /// The task among whose signals it is; nil: the process's. Under the lock, while it is queued.
  final var target: Borrowed<TaskSignals>?
  /// The user whose RLIMIT_SIGPENDING counts it; nil: nobody's.
  final var owner: UInt32?
  public init() {}

  /// Called when it is taken off and before its signal is delivered, under the lock: the last word on `info`.
  func taken() {}
}

/// The latest of each pending standard signal. Made with the first signal that is sent, then kept: sending allocates
/// nothing from then on.
private final class StandardInfos {
  var infos: InlineArray<31, SignalInfo> = InlineArray(repeating: SignalInfo(signal: 0, code: 0))
}

/// Pending signals of a task or of a process: sigpending(2). Standard signals coalesce, realtime ones queue in order. The
/// lock of the process's signals guards all of it.
public struct PendingSignals: ~Copyable {
  public private(set) var set = SignalSet()
  private var standard: StandardInfos?
  private var standardSet = SignalSet()  // of which `standard` has the info
  private var queue = IntrusiveList<SignalEntry>()

  public init() {}

  /// Adds a standard signal, unless one like it is pending. Returns whether it did.
  public mutating func insert(_ info: SignalInfo) -> Bool {
    let signal = info.signal
    guard Signal.isValid(signal), !set.contains(signal) else { return false }
    set.insert(signal)
    if signal < Signal.firstRealtime {
      if standard == nil { standard = StandardInfos() }
      standard?.infos[Int(signal) - 1] = info
      standardSet.insert(signal)
    }
    return true
  }

  /// Queues `entry`, whose info is set; the queue keeps it until it is taken or dropped.
  public mutating func append(_ entry: SignalEntry) {
    Borrowed(entry).retain()
    entry.isQueued = true
    set.insert(entry.info.signal)
    queue.append(entry)
  }

  /// Takes the first of `signal`, which is pending. A signal without an entry, for which there was no room, has no sender.
  public mutating func take(_ signal: Int32) -> SignalInfo {
    var info: SignalInfo?
    if standardSet.contains(signal), let standard {
      info = standard.infos[Int(signal) - 1]
      standardSet.remove(signal)
    }
    var isMore = false
    var at = queue.first
    while let here = at {
      at = here.with { queue.after($0) }
      guard here.with({ $0.info.signal == signal }) else { continue }
      if info != nil {
        isMore = true
        break
      }
      info = here.with { entry in
        entry.taken()
        return entry.info
      }
      remove(here)
    }
    if !isMore { set.remove(signal) }
    return info ?? .user(signal, pid: 0, uid: 0)
  }

  /// Drops all that are in `signals`.
  public mutating func drop(_ signals: SignalSet) {
    if SignalSet(bits: set.bits & signals.bits).isEmpty { return }
    set = set.subtracting(signals)
    standardSet = standardSet.subtracting(signals)
    var at = queue.first
    while let here = at {
      at = here.with { queue.after($0) }
      if here.with({ signals.contains($0.info.signal) }) { remove(here) }
    }
  }

  /// Takes `entry` off where it is still queued: its owner goes.
  public mutating func withdraw(_ entry: SignalEntry) {
    guard entry.isQueued else { return }
    let signal = entry.info.signal
    remove(Borrowed(entry))
    var isMore = standardSet.contains(signal)
    queue.forEach { if $0.info.signal == signal { isMore = true } }
    if !isMore { set.remove(signal) }
  }

  private mutating func remove(_ entry: Borrowed<SignalEntry>) {
    entry.with { entry in
      queue.remove(entry)
      entry.isQueued = false
      if let owner = entry.owner { signalQuota.with { $0.uncharge(owner) } }
    }
    entry.release()
  }

  /// The next of the unblocked ones: faults first, then the lowest number. 0: none.
  @inline(__always) public func next(blocked: SignalSet) -> Int32 {
    let ready = set.bits & ~blocked.bits
    if ready == 0 { return 0 }
    let faults = ready & Signal.synchronous
    return SignalSet(bits: faults != 0 ? faults : ready).first
  }
}

/// Queued signals of each user, for RLIMIT_SIGPENDING.
public final class SignalQuota {
  private struct Entry {
    var user: UInt32
    var count: Int
  }
  private let entries = SpinLock([Entry](), rank: .leaf)
  public init() {}

  /// Counts one more, unless the user has `limit`. Returns whether it did.
  func charge(_ user: UInt32, limit: UInt64) -> Bool {
    entries.withLock { entries in
      for i in entries.indices where entries[i].user == user {
        guard UInt64(entries[i].count) < limit else { return false }
        entries[i].count &+= 1
        return true
      }
      guard limit > 0 else { return false }
      entries.append(Entry(user: user, count: 1))
      return true
    }
  }
  func uncharge(_ user: UInt32) {
    entries.withLock { entries in
      for i in entries.indices where entries[i].user == user {
        entries[i].count &-= 1
        if entries[i].count <= 0 { entries.remove(at: i) }
        return
      }
    }
  }
  func count(_ user: UInt32) -> Int {
    entries.withLock { entries in
      for i in entries.indices where entries[i].user == user { return entries[i].count }
      return 0
    }
  }
}
public let signalQuota = KernelGlobal<SignalQuota>()
