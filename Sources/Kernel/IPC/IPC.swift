import CLinux
import Machine

/// What IPC needs once, at boot, before the first task runs.
public func prepareIPC() {
  fifos.set(FIFOTable())
  epollNesting.set(EpollNesting())
  unixNames.set(UnixNames())
  sharedSegments.set(SharedSegments())
}

/// SIGPIPE to a task that writes where nobody reads: as if it had sent it to itself.
func sendBrokenPipe(_ task: Task) {
  let uid = task.credentials.borrowed.with { $0.uid }
  _ = try? sendSignal(.user(SIGPIPE, pid: task.process.id, uid: uid), to: task)
}
