import CLinux
import Machine
import Synchronization

/// Where a process is in its life.
public enum ProcessState: Sendable {
  case running
  case zombie  // all its threads are gone; its parent has not waited for it
  case dead  // reaped: nobody finds it any more
}

/// A thread group: what Linux shares among the threads of a process.
///
/// It is kept by its tasks, and from birth to reaping by the tree. Three locks guard it: `processTree` the links to other
/// processes, `lock` its threads, `signals` has its own.
public final class Process {
  /// The process id.
  public let id: Int
  public let signals: ProcessSignals
  public let limits: ResourceLimits
  /// CLOCK_MONOTONIC when it was made; exec does not change it.
  public let startTime: UInt64
  /// Waiters in wait4(2) and waitid(2), woken when a child changes state.
  public let childQueue = WaitQueue()

  // MARK: under `processTree`

  public internal(set) var state = ProcessState.running
  /// Never nil but for init and for the reaped. It is alive: it hands its children on before it is reaped.
  public internal(set) var parent: Borrowed<Process>? {
    didSet { parentNumber.store(parent?.with { $0.id } ?? 0, ordering: .relaxed) }
  }
  private let parentNumber = Atomic<Int>(0)
  var children = MemberList<ChildMembership>()
  var childNeighbours = Neighbours<Process>()
  /// The thread of the parent that made it, for __WNOTHREAD and PR_SET_PDEATHSIG.
  var creator = 0
  var membership: Owned<ProcessGroup>
  var groupNeighbours = Neighbours<Process>()
  /// What its parent is sent at its end: 0 none, SIGCHLD the rule.
  public internal(set) var exitSignal: Int32
  /// As wait4(2) reports it, once it is a zombie.
  public internal(set) var waitStatus: Int32 = 0
  /// PR_SET_CHILD_SUBREAPER; the second says that an ancestor has it, so that others need not look.
  public internal(set) var isSubreaper = false, hasSubreaper = false
  /// Whether it has called execve(2) since it was forked: setpgid(2) by its parent is then EACCES.
  public internal(set) var hasExecuted = false
  /// Its owner when it ended, for wait4(2).
  var exitUser: UInt32 = 0
  /// What its threads used, once it is a zombie.
  var usage = ResourceUsage()
  /// A thread of it has asked for PR_SET_PDEATHSIG; a child's thread has.
  var usesDeathSignals = false, mayHaveDeathSignals = false
  /// Used by the reaped children: getrusage(2) with RUSAGE_CHILDREN.
  var childUsage = ResourceUsage()

  // MARK: under `lock`

  public let lock: SpinLock<ProcessThreads>
  /// Woken when a thread left, for execve(2) in another, and when the process ended or was reaped, for pidfds.
  let threadQueue = WaitQueue()

  // MARK: words, changed by the process's own threads

  /// /proc/PID/oom_score_adj: who dies first when memory is short, -1000…1000.
  public var killPriority: Int32 = 0
  /// PR_SET_DUMPABLE.
  public var dumpable: Int32 = 1
  /// PR_SET_THP_DISABLE: a hint, which the host does not get.
  public var disablesHugePages = false
  /// How the system calls of its next program are caught.
  public var hook = Hook.rewrite
  /// personality(2).
  public var personality: UInt32 = 0
  /// comm of the leader as /proc shows it; the tasks have their own.
  public var name: [UInt8] = []

  init(
    id: Int, group: ProcessGroup, signals: ProcessSignals, limits: ResourceLimits, exitSignal: Int32
  ) {
    self.id = id
    membership = Owned(group)
    self.signals = signals
    self.limits = limits
    self.exitSignal = exitSignal
    startTime = Clock.monotonic()
    lock = SpinLock(ProcessThreads(), rank: .process)
  }

  /// Its process group. Takes `processTree`.
  public var group: ProcessGroup { withProcessTree { membership.borrowed.object } }
  /// Its session. Takes `processTree`.
  public var session: Session { withProcessTree { membership.borrowed.with { $0.session } } }
  /// What getppid(2) says: 0 for init.
  public var parentID: Int { parentNumber.load(ordering: .relaxed) }
  /// Its leader, unless that has exited. Takes `lock`.
  var leader: Task? {
    lock.withLock { $0.tasks.first?.with { $0.isLeader ? Borrowed($0) : nil }?.object }  // what execve(2) left is first
  }
  /// Process 1, which no signal kills and whose end ends the machine.
  public var isInit: Bool { id == 1 }
}

/// The threads of a process, under its lock.
public struct ProcessThreads: ~Copyable {
  /// The living ones, in the order of their making; the leader is missing once it has exited before others.
  public internal(set) var tasks = MemberList<ThreadMembership>()
  /// Those that have not begun to exit.
  public internal(set) var living = 0
  /// exit_group(2), a fatal signal: everyone exits with `groupStatus`.
  public internal(set) var isExiting = false
  public internal(set) var groupStatus: Int32 = 0
  /// The process's status where neither decided it: the leader's own.
  var leaderStatus: Int32 = 0
  /// The thread that waits in execve(2) for all others to go.
  var executing: Borrowed<Task>?  // it clears this itself
  /// Used by threads that are gone.
  var usage = ResourceUsage()
  init() {}
}

public enum ChildMembership: Membership {
  @inline(__always) public static func neighbours(_ p: Process) -> Neighbours<Process> { p.childNeighbours }
  @inline(__always) public static func setNeighbours(_ p: Process, _ n: Neighbours<Process>) { p.childNeighbours = n }
}
public enum ThreadMembership: Membership {
  @inline(__always) public static func neighbours(_ t: Task) -> Neighbours<Task> { t.threadNeighbours }
  @inline(__always) public static func setNeighbours(_ t: Task, _ n: Neighbours<Task>) { t.threadNeighbours = n }
}
