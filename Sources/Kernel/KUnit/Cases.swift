/// Every case, by name. A subsystem's cases are in a file of their own beside this one.
let kunitCases: [KUnitCase] = [
  KUnitCase("machine/slab") { (k: KUnit) in machineSlab(k) },
  KUnitCase("machine/wait-queue-ping-pong") { (k: KUnit) in machinePingPong(k) },
  KUnitCase("machine/mutex") { (k: KUnit) in machineMutex(k) },
  KUnitCase("machine/timers") { (k: KUnit) in machineTimers(k) },
  KUnitCase("machine/threads") { (k: KUnit) in machineThreads(k) },
  KUnitCase("machine/spaces") { (k: KUnit) in machineSpaces(k) },
  KUnitCase("memory/anonymous") { (k: KUnit) in memoryAnonymous(k) },
  KUnitCase("memory/cached-files") { (k: KUnit) in memoryCached(k) },
  KUnitCase("memory/freed") { (k: KUnit) in memoryFreed(k) },
  KUnitCase("ipc/pipe-ring") { (k: KUnit) in ipcPipeRing(k) },
  KUnitCase("ipc/pipe-readers") { (k: KUnit) in ipcPipeReaders(k) },
  KUnitCase("ipc/socket-messages") { (k: KUnit) in ipcSocketMessages(k) },
]
