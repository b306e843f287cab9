import CLinux
import Machine

/// Whom a directory /proc/PID or /proc/PID/task/TID is about. It holds no reference, for it may lie in the cache long after
/// the process is gone: it finds it anew at each use.
struct ProcSubject: Equatable {
  var pid: Int
  /// 0: the process as a whole.
  var tid: Int
  /// When the process was made, so that another with its number is not taken for it.
  var started: UInt64

  /// Errors: ESRCH.
  func view() throws(Errno) -> ProcView {
    guard let process = Processes.find(pid), process.startTime == started else { throw .noProcess }
    if tid == 0 { return ProcView(process: process, task: process.anyTask, isThread: false) }
    if let task = Processes.findTask(tid), task.process === process {
      return ProcView(process: process, task: task, isThread: true)
    }
    // A leader that has exited is there as a zombie until its process is reaped.
    guard tid == pid else { throw .noProcess }
    return ProcView(process: process, task: nil, isThread: true)
  }
  var exists: Bool { (try? view()) != nil }
}

/// A subject found: its process and a thread of it, which a zombie has no more.
struct ProcView {
  let process: Process
  let task: Task?
  let isThread: Bool

  /// Whether the reader may look into it. Errors: EACCES, and ESRCH for a zombie.
  func checkInspect() throws(Errno) {
    guard let task else { throw .noProcess }
    if !mayInspect(task) { throw .access }
  }
  private func mayInspect(_ task: Task) -> Bool { Task.withCurrentTask { (reader: Task) in reader.mayInspect(task) } }
  /// The same as a question.
  var isOpenToReader: Bool { task.map { mayInspect($0) } ?? false }
  /// Errors: ESRCH where it has none any more.
  func addressSpace() throws(Errno) -> AddressSpace {
    guard let space = task?.takeAddressSpace() else { throw .noProcess }
    return space
  }
  /// comm: a zombie's is what the process was.
  var name: [UInt8] { task.map { $0.name } ?? process.name }
  /// The owner of its files in /proc: root's where it is not dumpable.
  var owner: (uid: UInt32, gid: UInt32) {
    guard let task, process.dumpable == 1 else { return (0, 0) }
    let c = task.takeCredentials()
    return (c.euid, c.egid)
  }
  var usage: ResourceUsage {
    if isThread { return task.map { $0.ownUsage() } ?? ResourceUsage() }
    return task == nil ? process.usage : process.livingUsage()
  }
  var threadCount: Int { process.lock.withLock { $0.tasks.count } }

  /// The letter of its state and its name, as proc(5) has them.
  var state: (letter: UInt8, name: StaticString) {
    guard let task else { return (90, "zombie") }
    switch task.state {
    case .running: return (82, "running")
    case .interruptible: return (83, "sleeping")
    case .uninterruptible where process.id == 1: return (83, "sleeping")  // until a child ends
    case .killable, .uninterruptible: return (68, "disk sleep")
    case .stopped: return (84, "stopped")
    case .dead: return (88, "dead")
    }
  }
}

/// The root that the reader sees: paths are told from there.
func readersRoot() -> Path { Task.withCurrentTask { (task: Task) in task.context.with { $0.root } } }
