import CBoot
import CLinux
import CMachine

/// What the host told the process at its start.
public struct HostAuxiliary: Sendable {
  public var vdso: UInt = 0
  public var capabilities: UInt = 0
  public var capabilities2: UInt = 0
  public var clockTicks: UInt = 100
  public var minimumSignalStack: UInt = 2048
}
nonisolated(unsafe) public internal(set) var hostAuxiliary = HostAuxiliary()  // SAFETY: written at boot
nonisolated(unsafe) private var startKernel: (@convention(thin) () -> Void)? = nil

/// The process's first instructions in Swift: on the host's initial stack, with .data and .bss still private. `start` is
/// what the first kernel thread runs.
public func bootMachine(_ stack: UnsafeRawPointer, start: @escaping @convention(thin) () -> Void) -> Never {
  let auxiliary = unsafe readAuxiliary(stack)
  if auxiliary.capabilities2 & 2 == 0 {
    fail("this host's processor or kernel lacks FSGSBASE; Martlet needs x86-64 Linux 5.11 or later")
  }
  StandardStreams.occupy()
  let size = mapKernelMemory()
  KernelImage.move()
  // From here on globals are shared memory.
  unsafe KernelMemory.size = size
  unsafe hostAuxiliary = auxiliary
  unsafe startKernel = start
  let carrier = unsafe CarrierSlots.take().unsafelyUnwrapped
  unsafe rootProcess = Int32(truncatingIfNeeded: hostCall(__NR_getpid))
  unsafe carrier.pointee.pid = rootProcess
  unsafe carrier.pointee.tid = rootProcess
  unsafe carrier.pointee.vcpu = machine_vcpu_at(0)
  unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
  unsafe arch_set_gs(UInt64(UInt(bitPattern: carrier)))
  unsafe arch_call_on(UInt64(UInt(bitPattern: carrier)) + UInt64(MACHINE_PARK_STACK_TOP), { bootOnStack($0) }, nil)
}

func fail(_ what: StaticString) -> Never {
  unsafe Report.write("martlet: ")
  Report.write(what)
  Report.write("\n")
  hostExit(125)
}

private func readAuxiliary(_ stack: UnsafeRawPointer) -> HostAuxiliary {
  var at = unsafe stack.assumingMemoryBound(to: UInt.self)
  unsafe at += Int(at.pointee) + 2  // argc, argv, NULL
  while unsafe at.pointee != 0 { unsafe at += 1 }  // environment
  unsafe at += 1
  var result = HostAuxiliary()
  while unsafe at[0] != 0 {
    let value = unsafe at[1]
    switch unsafe Int32(truncatingIfNeeded: at[0]) {
    case AT_SYSINFO_EHDR: result.vdso = value
    case AT_HWCAP: result.capabilities = value
    case AT_HWCAP2: result.capabilities2 = value
    case AT_CLKTCK: result.clockTicks = value
    case AT_MINSIGSTKSZ: result.minimumSignalStack = value
    default: break
    }
    unsafe at += 2
  }
  return result
}

/// One sparse memfd, mapped shared: 16 TiB, or less where the address space is limited. Returns its size.
private func mapKernelMemory() -> UInt {
  let name: StaticString = "martlet"
  let descriptor = unsafe hostCall(__NR_memfd_create, Int(bitPattern: name.utf8Start), Int(MFD_CLOEXEC))
  check(descriptor, "memfd_create")
  var size: UInt = 1 << 44
  while true {
    if hostCall(__NR_ftruncate, descriptor, Int(size)) == 0 {
      let flags = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE
      let result = unsafe hostCall(
        __NR_mmap, Int(KernelMemory.base), Int(size), Int(PROT_READ | PROT_WRITE), Int(flags), descriptor, 0)
      if result == Int(KernelMemory.base) { break }
    }
    size >>= 1
    if size < 1 << 37 {
      fail("the limit on address space (ulimit -v) or file size (ulimit -f) is too small: 256 GiB are needed")
    }
  }
  _ = hostCall(__NR_madvise, Int(KernelMemory.base), Int(size), Int(MADV_DONTDUMP))
  unsafe machineDescriptor = Int32(truncatingIfNeeded: descriptor)
  return size
}

/// On the first carrier's park stack: everything up to the second thread.
private func bootOnStack(_ unused: UnsafeMutableRawPointer?) {
  readBootBlock()
  Arena.boot { prepareVectorState() }
  unsafe bootTime = bootBlock.header.started != 0 ? bootBlock.header.started : Clock.monotonic()
  unsafe logRing = slabAllocate(UInt(Log.capacity), 16)
  Symbols.map(bootBlock.header.symbolsDescriptor)
  raiseLimits()
  HostVDSO.prepare()
  leaveInitialStack()
  Arena.boot { makeProcessors() }
  installHostSignals()
  unsafe setSignalStack(arch_carrier())
  IOThread.prepare()
  StandardStreams.compare()
  HostMountFiles.prepare()
  _ = hostCall(__NR_prctl, Int(PR_SET_PDEATHSIG), Int(SIGKILL))
  if bootBlock.header.hook == UInt32(MARTLET_HOOK_ZPOLINE) { mapPageZero() }
  Sandbox.lockIn()
  startThreads()
  SpaceMaker.run()
}

private func readBootBlock() {
  let descriptor = Int(MARTLET_BOOT_DESCRIPTOR)
  let size = hostCall(__NR_lseek, descriptor, 0, 2)
  if size < MemoryLayout<martlet_boot>.size { fail("the kernel is started by the martlet command, not by hand") }
  let result = hostCall(
    __NR_mmap, 0x6a00_0000_0000, size, Int(PROT_READ), Int(MAP_PRIVATE | MAP_FIXED_NOREPLACE), descriptor, 0)
  check(result, "mmap of the boot block")
  guard let block = unsafe BootBlock(mapping: UnsafeRawPointer(bitPattern: result).unsafelyUnwrapped, size: size) else {
    fail("the boot block is damaged: the command and the kernel image are of different versions")
  }
  _ = hostCall(__NR_close, descriptor)
  unsafe bootBlockStorage = block
  unsafe bootFlagsStorage = block.header.flags
  unsafe logDescriptor = block.header.logDescriptor
  unsafe logLevel = block.header.logLevel
  unsafe machineHasAddressSpaces = !block.has(MARTLET_MMU_NONE)
  if block.header.tickMicroseconds != 0 { unsafe tickNanoseconds = UInt64(block.header.tickMicroseconds) * 1000 }
  var information = linux_sysinfo()
  var half = 1 << 30
  if unsafe hostCall(__NR_sysinfo, address(&information)) == 0 {
    half = Int(information.freeram / 2) * Int(max(information.mem_unit, 1))
  }
  unsafe KernelMemory.limit = block.header.memory != 0 ? Int(block.header.memory) : half
}

/// Soft limits go up to the hard ones; no core dumps: one would dump terabytes of holes.
private func raiseLimits() {
  for resource in [RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE] as [Int32] {
    var limit = linux_rlimit64()
    unsafe _ = hostCall(__NR_prlimit64, 0, Int(resource), 0, address(&limit))
    limit.rlim_cur = limit.rlim_max
    unsafe _ = hostCall(__NR_prlimit64, 0, Int(resource), address(&limit), 0)
  }
  var none = linux_rlimit64()
  unsafe _ = hostCall(__NR_prlimit64, 0, Int(RLIMIT_CORE), address(&none), 0)
}

/// The host's stack lies where guests expect theirs: root runs on its carrier's own.
private func leaveInitialStack() {
  HostMaps.forEach { start, end, name in
    if name == HostMaps.stack || name == HostMaps.heap { _ = hostCall(__NR_munmap, Int(start), Int(end - start)) }
  }
}

private func makeProcessors() {
  unsafe _ = withUnsafeMutablePointer(to: &hostAffinity) { p in
    unsafe hostCall(__NR_sched_getaffinity, 0, 128, Int(bitPattern: p))
  }
  var hostCount = 0
  for i in 0..<16 { unsafe hostCount += hostAffinity[i].nonzeroBitCount }
  let wanted = Int(bootBlock.header.cpus)
  let count = min(max(wanted == 0 ? hostCount : wanted, 1), Processor.maximum)
  unsafe isPinning = count <= hostCount
  SwitchClock.calibrate()
  let cycles = SwitchClock.cyclesPerMicrosecond
  unsafe preemptionCycles = cycles * 100
  unsafe idleSpinCycles = count <= hostCount ? cycles * 5 : 0
  unsafe rootSpace = HostSpace(isRoot: true)
  unsafe rootSpace.hostProcess = rootProcess
  unsafe spaceWaiters = WaitQueue()
  RCU.prepare()
  MemorySampling.prepare()
  unsafe cacheState = CacheExtentLock()
  for id in 0..<count {
    let processor = unsafe Processor(id: id, block: machine_vcpu_at(UInt32(id)))
    Borrowed(processor).retain()  // for the machine's life
    unsafe processors[id] = Borrowed(processor)
  }
  unsafe processorCount = count
}

private final class StartThread: Thread {
  override func begin() { unsafe startKernel.unsafelyUnwrapped() }
}

/// Root's carriers, one for each vCPU, then the service threads, then the first kernel thread. The main thread gives up
/// vCPU 0, as which it has run so far.
private func startThreads() {
  queueFirstThread()
  Arena.boot { SpaceMaker.stock() }
  for id in 0..<Processor.count {
    let carrier = unsafe CarrierSlots.take().unsafelyUnwrapped
    let vcpu = unsafe machine_vcpu_at(UInt32(id))
    unsafe rootSpace.adopt(carrier)
    unsafe carrier.pointee.vcpu = vcpu
    unsafe vcpu.pointee.carrier = carrier
    unsafe carrier.pointee.baton = 1
  }
  unsafe arch_carrier().pointee.vcpu = nil
  unsafe startService { _ in Reaper.run() }
  unsafe startService { _ in IOThread.run() }
  for _ in 0..<Workers.count { unsafe startService { _ in Workers.run() } }
  var at = unsafe rootSpace.carriers
  while let carrier = unsafe at {
    check(unsafe spawn(carrier, .thread), "clone of a carrier")
    unsafe at = carrier.pointee.next
  }
}

/// A function of its own, so that the main thread holds no count once it has no vCPU to free on.
@inline(never) private func queueFirstThread() {
  let thread: StartThread
  do throws(Errno) { thread = try StartThread(space: unsafe rootSpace, isGuest: false) } catch { fail("no memory") }
  thread.startOver()
  Borrowed(thread).retain()
  Scheduler.lock()
  unsafe rootSpace.add(thread)
  Processor.with(0) { $0.append(thread) }
  Scheduler.unlock()
}

/// A host thread of root without a vCPU.
func startService(_ entry: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void) {
  let carrier = unsafe CarrierSlots.take().unsafelyUnwrapped
  unsafe carrier.pointee.entry = entry
  unsafe carrier.pointee.state = UInt32(MACHINE_KERNEL)
  check(unsafe spawn(carrier, .thread), "clone of a service thread")
}
