import CLinux
import Machine

/// What IPC needs once, at boot, before the first task runs.
public func prepareIPC() {
  fifos.set(FIFOTable())
}
