import CLinux
import Machine
import Synchronization

/// What a program wants done for a signal: the ABI's struct sigaction (a test compares the layouts).
public struct SignalAction: Equatable, Sendable, BitwiseCopyable {
  /// The handler's address; 0 (SIG_DFL) and 1 (SIG_IGN) are not.
  public var handler: UInt = 0
  public var flags: UInt = 0
  public var restorer: UInt = 0
  public var mask = SignalSet()
  public init() {}
  @inline(__always) public var isDefault: Bool { handler == 0 }
  @inline(__always) public var isIgnore: Bool { handler == 1 }
  @inline(__always) public func has(_ flag: Int) -> Bool { flags & UInt(bitPattern: flag) != 0 }
}

/// The 64 actions, shared by all tasks made with CLONE_SIGHAND (Linux's sighand_struct). Senders read the two sets
/// without the lock.
public final class SignalActions {
  private struct Table: ~Copyable {
    // Without SIGKILL's and SIGSTOP's, which stay as they are, the whole object has 2 KiB.
    var actions: InlineArray<62, SignalAction> = InlineArray(repeating: SignalAction())
  }
  /// The place of a signal that can be caught.
  @inline(__always) private static func place(_ signal: Int32) -> Int {
    Int(signal) &- (signal < SIGKILL ? 1 : signal < SIGSTOP ? 2 : 3)
  }
  private let table = SpinLock(Table(), rank: .leaf)
  private let ignored = Atomic<UInt64>(0)  // SIG_IGN
  private let handled = Atomic<UInt64>(0)  // neither SIG_IGN nor SIG_DFL
  private let changed = Atomic<UInt64>(0)  // all others are as at first
  private let silent = Atomic<UInt64>(0)  // flags of SIGCHLD

  public init() {}
  /// For a child without CLONE_SIGHAND.
  public init(copying other: SignalActions) {
    let changed = other.changed.load(ordering: .relaxed)
    for signal in 1...Signal.count where changed & Signal.bit(signal) != 0 { _ = set(signal, other.action(signal)) }
  }

  public func action(_ signal: Int32) -> SignalAction {
    guard Signal.canBeCaught(signal) else { return SignalAction() }
    return table.withLock { $0.actions[Self.place(signal)] }
  }
  /// Returns the old one.
  public func set(_ signal: Int32, _ action: SignalAction) -> SignalAction {
    guard Signal.canBeCaught(signal) else { return SignalAction() }
    return table.withLock { table in
      let old = table.actions[Self.place(signal)]
      table.actions[Self.place(signal)] = action
      note(signal, action)
      return old
    }
  }
  /// For delivery: the action, which SA_RESETHAND resets.
  func take(_ signal: Int32) -> SignalAction {
    guard Signal.canBeCaught(signal) else { return SignalAction() }
    return table.withLock { table in
      let action = table.actions[Self.place(signal)]
      if action.has(Int(SA_RESETHAND)) && action.handler > 1 {
        table.actions[Self.place(signal)].handler = 0
        note(signal, table.actions[Self.place(signal)])
      }
      return action
    }
  }
  /// execve(2): handlers become SIG_DFL, what is ignored stays so.
  public func reset() {
    table.withLock { table in
      let changed = changed.load(ordering: .relaxed)
      for signal in 1...Signal.count where changed & Signal.bit(signal) != 0 {
        var action = SignalAction()
        if table.actions[Self.place(signal)].isIgnore { action.handler = 1 }
        table.actions[Self.place(signal)] = action
        note(signal, action)
      }
    }
  }
  /// CLONE_CLEAR_SIGHAND: handlers become SIG_DFL.
  public func clearHandlers() { reset() }

  private func note(_ signal: Int32, _ action: SignalAction) {
    let bit = Signal.bit(signal)
    assign(changed, bit, true)
    assign(ignored, bit, action.isIgnore)
    assign(handled, bit, action.handler > 1)
    if signal == SIGCHLD { silent.store(UInt64(action.flags), ordering: .relaxed) }
  }

  /// Changes a set: only here, under the table's lock, so without an atomic exchange.
  @inline(__always) private func assign(_ set: borrowing Atomic<UInt64>, _ bit: UInt64, _ isIn: Bool) {
    let old = set.load(ordering: .relaxed)
    let new = isIn ? old | bit : old & ~bit
    if new != old { set.store(new, ordering: .relaxed) }
  }

  @inline(__always) public var ignoredSet: SignalSet { SignalSet(bits: ignored.load(ordering: .relaxed)) }
  @inline(__always) public var handledSet: SignalSet { SignalSet(bits: handled.load(ordering: .relaxed)) }
  /// Whether `signal` has no effect: SIG_IGN, or SIG_DFL and ignored by default.
  @inline(__always) public func isIgnored(_ signal: Int32) -> Bool {
    let bit = Signal.bit(signal)
    if ignored.load(ordering: .relaxed) & bit != 0 { return true }
    return bit & Signal.ignoredByDefault != 0 && handled.load(ordering: .relaxed) & bit == 0
  }
  @inline(__always) public func isDefault(_ signal: Int32) -> Bool {
    (ignored.load(ordering: .relaxed) | handled.load(ordering: .relaxed)) & Signal.bit(signal) == 0
  }
  /// SA_NOCLDSTOP of SIGCHLD: no signal for children that stop or go on.
  public var hidesChildStops: Bool { silent.load(ordering: .relaxed) & UInt64(SA_NOCLDSTOP) != 0 }
  /// SIG_IGN or SA_NOCLDWAIT for SIGCHLD: children leave no zombies.
  public var dropsChildren: Bool {
    silent.load(ordering: .relaxed) & UInt64(SA_NOCLDWAIT) != 0 || ignoredSet.contains(SIGCHLD)
  }
}
