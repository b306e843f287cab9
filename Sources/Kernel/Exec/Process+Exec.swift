import CLinux
import Machine

extension Process {
  /// Its living threads.
  var threadCount: Int { lock.withLock { $0.tasks.count } }

  /// execve(2) happened: setpgid(2) by the parent is refused from now on, SIGCHLD tells it of the end.
  func noteExec(_ task: Task, changedIdentity: Bool) {
    dumpable = changedIdentity ? 0 : 1
    personality &= ~UInt32(READ_IMPLIES_EXEC)
    if changedIdentity { personality &= ~UInt32(ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO) }
    withProcessTree {
      hasExecuted = true
      exitSignal = SIGCHLD
      if changedIdentity { task.parentDeathSignal = 0 }
    }
  }
}
extension Task {
  /// exec failed after its point of no return: the process dies on its way out, as on Linux.
  func failExec() { process.beginGroupExit(WaitStatus.killed(SIGKILL)) }
}
