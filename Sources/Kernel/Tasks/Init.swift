import CBoot
import CLinux
import Machine
import Synchronization

/// Process 1: a kernel thread that starts the command as process 2, reaps whatever is orphaned, and ends the machine with
/// the command's status once that ends.
public final class Init {
  /// Process 1 itself.
  public let process: Process
  /// Process 2. Under `processTree` it may already be a zombie.
  public let command: Process
  private let isTerminating = Atomic<Bool>(false)

  fileprivate init(process: Process, command: Process) {
    self.process = process
    self.command = command
  }

  /// The machine is to end in order: SIGTERM to all, ten seconds, SIGKILL. Callable from any kernel thread.
  public func terminate() {
    isTerminating.store(true, ordering: .sequentiallyConsistent)
    process.childQueue.wakeAll()
  }

  /// Passes a signal that Martlet got on to the command.
  public func forward(_ signal: Int32) { sendKernelSignal(signal, to: command) }

  // MARK: boot

  /// What every process needs to be made. Called once, before anything else of this folder.
  public static func prepare() {
    processTree.set(ProcessTree())
    pids.set(Pids())
    userTasks.set(UserTasks())
    systemNames.set(SystemNames(host: bootBlock.string(bootBlock.header.hostname)))
    logReader.set(LogReader())
  }

  /// Makes processes 1 and 2 and lets them run. Errors: ENOMEM.
  public static func start(root: Path) throws(Errno) {
    let first = try makeLeader(name: "init")
    let initTask = try Task(
      id: first.id, process: first, space: HostSpace.root, isGuest: false, signals: TaskSignals(),
      credentials: Credentials(), files: nil, fileSystem: FileSystemContext(root: root, directory: root),
      addressSpace: nil)
    initTask.name = first.name
    let commandTask = try Arena.boot { () throws(Errno) in
      let second = try makeLeader(name: "martlet")
      second.exitSignal = SIGCHLD
      return try Task(
        id: second.id, process: second, space: HostSpace.root, isGuest: true, signals: TaskSignals(),
        credentials: Credentials(), files: FileTable(), fileSystem: FileSystemContext(root: root, directory: root),
        addressSpace: nil)
    }
    Arena.endBoot()
    let second = commandTask.process
    commandTask.name = second.name
    initProcess.set(first)
    let state = Init(process: first, command: second)
    initState.set(state)
    initTask.work = InitWork(state)
    commandTask.work = Command()
    enter(first, initTask, parent: nil)
    enter(second, commandTask, parent: first)
    initTask.prepareToStart()
    commandTask.prepareToStart()
    Scheduler.start(initTask)
    Scheduler.start(commandTask)
  }

  /// A process that leads a session and a group of its own.
  private static func makeLeader(name: StaticString) throws(Errno) -> Process {
    let id = try pids.with { (pids) throws(Errno) in try pids.allocate() }
    let session = Session(id: id)
    let process = Process(
      id: id, group: ProcessGroup(id: id, session: session), signals: ProcessSignals(), limits: ResourceLimits(),
      exitSignal: 0)
    process.name = name.bytes
    session.leader = Borrowed(process)
    process.hook = .ofMachine
    return process
  }

  private static func enter(_ process: Process, _ task: Task, parent: Process?) {
    process.lock.withLock { threads in
      threads.tasks.append(task)
      threads.living = 1
    }
    withProcessTree {
      Borrowed(process).retain()  // the tree's
      process.parent = parent.map { Borrowed($0) }
      process.creator = parent?.id ?? 0
      parent?.children.append(process)
      let group = process.membership.borrowed.object
      process.enter(group)
      pids.with {
        $0.set(process: process, process.id)
        $0.countTask(1)
      }
    }
  }
}

/// Set when the first processes are made.
public let initState = KernelGlobal<Init>()

extension Init {
  /// Process 1's life.
  fileprivate func run(_ task: Task) {
    let anyone = WaitRequest(children: .any, options: UInt32(WEXITED) | UInt32(WNOHANG) | 0x4000_0000)
    var status: Int32?
    while status == nil && !isTerminating.load(ordering: .acquiring) {
      _ = try? process.childQueue.wait(.uninterruptible) {
        if isTerminating.load(ordering: .acquiring) { return true }
        guard let reaped = try? task.waitForChild(anyone) else { return false }
        if reaped.pid == command.id { status = reaped.status }
        return true
      }
    }
    if status == nil { status = endAll(task, anyone, with: SIGTERM, patience: 10_000_000_000) }
    if let last = endAll(task, anyone, with: SIGKILL, patience: 5_000_000_000) { status = last }
    powerOff(WaitStatus.asExitStatus(status ?? WaitStatus.killed(SIGKILL)))
  }

  /// Sends `signal` to every other process and reaps until none is left, or patience is. Returns the command's status,
  /// where it was among them.
  private func endAll(_ task: Task, _ anyone: WaitRequest, with signal: Int32, patience: UInt64) -> Int32? {
    var at = Processes.next(from: 2)
    while let other = at {
      sendKernelSignal(signal, to: other)
      if signal == SIGTERM { sendKernelSignal(SIGCONT, to: other) }
      at = Processes.next(from: other.id + 1)
    }
    var status: Int32?
    let deadline = Deadline.after(nanoseconds: patience)
    do throws(Errno) {
      try process.childQueue.wait(.uninterruptible, until: deadline) {
        while let reaped = try? task.waitForChild(anyone) {
          if reaped.pid == command.id { status = reaped.status }
        }
        return withProcessTree { process.children.isEmpty }
      }
    } catch {
      if signal == SIGKILL { Log.warning("init: some processes did not end") }
    }
    return status
  }
}

private final class InitWork: TaskWork {
  let state: Init
  init(_ state: Init) { self.state = state }
  override func run(_ task: Task) { state.run(task) }
}
