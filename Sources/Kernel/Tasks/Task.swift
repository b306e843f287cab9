import CLinux
import Machine

/// A guest thread: what Linux calls a task. Its thread group is `process`.
///
/// Fields that others than the task itself read are changed under `process.lock`; others take what they point to by the
/// functions of Task+Others.swift.
public final class Task: Thread {
  /// The thread id; the thread group's leader has the process's. execve(2) in another thread takes the leader's over.
  public internal(set) var id: Int
  public let process: Process
  public let signals: TaskSignals
  let futexWaiter = FutexWaiter()
  // The four are changed by the task itself (execve, unshare, setuid…), or by whoever made it before it starts.
  public var credentials: Owned<Credentials>
  public var files: OwnedOptional<FileTable>  // nil once it exits
  public var fileSystem: OwnedOptional<FileSystemContext>
  public var addressSpace: OwnedOptional<AddressSpace>  // nil for kernel threads and once it exits
  /// What it sleeps in poll(2) with, once it has.
  let poller = OnceReference<Poller>()
  /// comm: at most 15 bytes.
  public var name: [UInt8] = []
  /// The last page fault and how often in a row it was the same: a fault that changes nothing must not repeat for ever.
  var faultAddress: UInt = 0, faultCount = 0
  /// The other address space that it works in just now: `AddressSpace.visit` keeps it alive.
  var visited: Borrowed<AddressSpace>?
  var threadNeighbours = Neighbours<Task>()  // of `process`'s threads, under its lock

  // MARK: set at birth, used by the task itself

  /// CLONE_CHILD_SETTID: where its id goes in its own address space when it begins; 0 none.
  var setChildTid: UInt = 0
  /// CLONE_CHILD_CLEARTID, set_tid_address(2): zeroed and woken when it leaves its address space; 0 none.
  public var clearChildTid: UInt = 0
  /// set_robust_list(2).
  public var robustList: UInt = 0
  /// Whom it tells when it leaves its parent's address space: vfork(2).
  var vfork: Completion?
  /// What a kernel thread runs, or a task that does not come from the guest: its first work.
  var work: TaskWork?
  /// PR_SET_PDEATHSIG. Under `processTree`.
  public internal(set) var parentDeathSignal: Int32 = 0
  /// How far its exit got.
  var exitStage = ExitStage.none
  /// No other thread of its process is left that has not begun to exit.
  var isLastThread = false
  /// No signal ended it.
  var endsOrderly = false
  /// It is on its way out.
  public var isExiting: Bool { exitStage != .none }
  /// sched_setscheduler(2): SCHED_OTHER, SCHED_BATCH or SCHED_IDLE, and SCHED_RESET_ON_FORK.
  public internal(set) var policy: Int32 = 0
  public internal(set) var resetsOnFork = false
  /// PR_SET_TIMERSLACK, in nanoseconds; the second is what 0 sets it to.
  public internal(set) var timerSlack: UInt64 = 50_000, defaultTimerSlack: UInt64 = 50_000
  /// ioprio_set(2).
  public internal(set) var ioPriority: Int32 = 0

  public init(
    id: Int, process: Process, space: HostSpace, isGuest: Bool, signals: TaskSignals, credentials: Credentials,
    files: FileTable?, fileSystem: FileSystemContext?, addressSpace: AddressSpace?
  ) throws(Errno) {
    self.id = id
    self.process = process
    self.signals = signals
    self.credentials = Owned(credentials)
    self.files = OwnedOptional(files)
    self.fileSystem = OwnedOptional(fileSystem)
    self.addressSpace = OwnedOptional(addressSpace)
    try super.init(space: space, isGuest: isGuest)
    futexWaiter.task = Borrowed(self)
    process.signals.add(self)
  }
  deinit { process.signals.remove(signals) }

  public override func begin() { beginTask() }
  public override func dieOfOops() { dieOfKernelFault() }
  public override func systemCallTrapped(at site: UInt) { patchCall(at: site) }
  public override func isPageZeroCall(returningTo next: UInt) -> Bool { isPatchedCall(returningTo: next) }
  public override func resolveFault(at address: UInt, isWrite: Bool, isExecute: Bool) -> Bool {
    resolvePageFault(at: address, isWrite: isWrite, isExecute: isExecute)
  }
  public override func handlePending() { deliverSignals() }
  public override func sampleMemory() { lookAtMemory() }
  public override func guestFault() { if !isPatchFault() { signalFault() } }

  /// Whether it is the thread group's leader, whose id is the process's.
  @inline(__always) public var isLeader: Bool { id == process.id }
}

/// What a task does that no guest program asked for: init's work, the steps before the first program.
open class TaskWork {
  public init() {}
  open func run(_ task: Task) {}
}

extension Task {
  /// Runs `body` on the task that runs this.
  @inline(__always)
  public static func withCurrentTask<R: ~Copyable, E: Error>(_ body: (Task) throws(E) -> R) throws(E) -> R {
    try Thread.withCurrentSubclass(of: Task.self, body)
  }
}

extension Task {
  /// The id of the process that runs this; 0 for a kernel thread.
  static var currentProcessID: Int { Thread.withCurrent { ($0 as? Task)?.process.id ?? 0 } }
}
