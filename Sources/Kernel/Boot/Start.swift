import CBoot
import CLinux
import Machine

/// The first kernel thread: what start_kernel is to Linux.
public func startKernel() {
  Log.info("Martlet 6.12.0-martlet: \(Scheduler.processorCount) vCPUs, \(MemoryUsage.current.total >> 20) MiB")
  Arena.boot { prepareVFS() }
  Arena.boot { Init.prepare() }  // every process touches the tree's lock and the numbers'
  prepareSignals()
  prepareIPC()
  prepareProcfs()
  if bootBlock.has(MARTLET_KUNIT) {
    powerOff(KUnit.run(filter: bootBlock.string(bootBlock.header.filter)) == 0 ? 0 : 1)
    return
  }
  do throws(Errno) {
    try Terminals.prepare()
    let root = try mountRoot()
    try Init.start(root: root)
    try ControlSocket.start()
  } catch {
    HostOutput.standardError("martlet: the root cannot be mounted: errno \(error.number)\n")
    Log.flushToStandardError()
    powerOff(125)
  }
}
