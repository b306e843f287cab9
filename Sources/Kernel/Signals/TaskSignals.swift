import CLinux
import Machine

/// A task's own part of signals: mask, pending signals, alternate stack. What others touch is under the lock of its
/// process's signals; the rest is the task's alone.
public final class TaskSignals: Listed {
  public var link = Link<TaskSignals>()  // the process's list; under its signals' lock
  final var task: Borrowed<Task>!  // whose it is: the task owns this

  // Under the lock of the process's signals; the task itself reads its mask without.
  public internal(set) var mask = SignalSet()
  var pending = PendingSignals()
  /// What rt_sigtimedwait(2) waits for: such a signal wakes it although it is blocked.
  var awaited = SignalSet()
  var isListed = false  // among the process's tasks: from birth until it exits
  var mustStop = false  // a group stop that it has not joined
  var isStopped = false
  var tookStop = false  // a stop signal, and no SIGCONT came since
  var mustDie = false  // by a fault, even as process 1

  // The task's own.
  /// The mask to restore once a signal's frame is built, or none came: sigsuspend, ppoll, pselect6, epoll_pwait.
  var savedMask = SignalSet()
  var hasSavedMask = false
  public var alternateStack = AlternateStack()
  /// What restart_syscall(2) goes on with.
  var restartBlock: RestartBlock?

  public init() {}

  /// A child's: its maker's mask, and the alternate stack where the stack is not shared with it. Nothing is pending.
  func forked(isThread: Bool) -> TaskSignals {
    let child = TaskSignals()
    child.mask = mask
    child.alternateStack = isThread ? .disabled : alternateStack
    return child
  }
  /// execve(2): no alternate stack, nothing to restart.
  func resetForExec() {
    alternateStack.base = 0
    alternateStack.size = 0
    restartBlock = nil
    hasSavedMask = false
  }
  /// `task`, whose this is, exits: from here on no signal reaches it.
  func exit(_ task: Task) {
    let shared = task.process.signals
    shared.remove(self)
    shared.tellParent(task.process)
  }
}

/// sigaltstack(2)'s stack_t, as the ABI has it.
public struct AlternateStack: Sendable {
  public var base: UInt = 0
  public var size: UInt = 0
  /// As they were set: none in a program that never did. SS_DISABLE, or 0 with or without SS_AUTODISARM.
  public var flags: Int32 = 0
  public init() {}
  /// What a thread begins with, and what SS_AUTODISARM leaves.
  static var disabled: AlternateStack {
    var stack = AlternateStack()
    stack.flags = Int32(SS_DISABLE)
    return stack
  }

  public var isEnabled: Bool { size != 0 }
  /// Whether `sp` lies on it, as Linux decides it: never while SS_AUTODISARM is set.
  public func contains(_ sp: UInt) -> Bool {
    if UInt32(bitPattern: flags) & AlternateStack.autoDisarm != 0 { return false }
    return sp > base && sp &- base <= size
  }
  static var autoDisarm: UInt32 { 1 << 31 }
}

/// What an interrupted call needs to go on, kept by the task until restart_syscall(2): four words and what to do.
public struct RestartBlock {
  typealias Handler = @convention(thin) (Task, RestartBlock) throws(Errno) -> SyscallOutcome
  let run: Handler
  public var a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0, d: UInt64 = 0

  init(a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0, d: UInt64 = 0, _ run: @escaping Handler) {
    self.run = run
    self.a = a
    self.b = b
    self.c = c
    self.d = d
  }
}

extension Task {
  /// Ends an interrupted call so that, where no handler runs, it goes on as `block` says; else it is EINTR:
  /// `throw task.restart(RestartBlock(a: …) { (task, block) throws(Errno) -> SyscallOutcome in … })`.
  func restart(_ block: RestartBlock) -> Errno {
    signals.restartBlock = block
    return .restartBlock
  }
}
