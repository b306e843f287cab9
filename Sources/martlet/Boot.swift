import CBoot
import CTool
import Glibc
import Logging

/// Everything that a machine is started with: the boot block, and the descriptors it names.
struct Boot {
  let installation: Installation
  var block = BootBlock()
  private var descriptors = ChildDescriptors()
  private let kernel: String
  private let log: Logger

  init(_ options: MachineOptions, started: UInt64) throws(Failure) {
    log = ToolLog.make(verbose: options.verbose)
    if let problem = HostCheck.problem(of: HostCheck.current()) { throw Failure(problem) }
    installation = try Installation()
    kernel = installation.kernel(override: HostText.environment("MARTLET_KERNEL"))
    block.header.started = started
    block.header.memory = options.mem?.bytes ?? 0
    block.header.cpus = UInt32(options.cpus ?? 0)
    block.header.hostUid = geteuid()
    block.header.hostGid = getegid()
    block.header.logLevel = options.loglevel
    block.header.tickMicroseconds = options.tick?.microseconds ?? 0
    block.header.kickMicroseconds = options.kick ?? 0
    if options.mmu == .none { block.set(MARTLET_MMU_NONE) }
    if options.loseVectors { block.set(MARTLET_LOSE_VECTORS) }
    if let path = options.log {
      block.header.logDescriptor = descriptors.add(try Boot.output(path, for: "--log"))
    }
    block.header.symbolsDescriptor = descriptors.add(installation.symbols(of: kernel))
    block.header.rootDescriptor = -1
  }

  mutating func setRoot(_ root: Root, readOnly: Bool) throws(Failure) {
    log.debug("root", metadata: ["kind": "\(root.kind)", "source": "\(root.source)"])
    block.header.rootKind = UInt32(root.kind == .archive ? MARTLET_ROOT_ARCHIVE : MARTLET_ROOT_DIRECTORY)
    block.header.rootDescriptor = descriptors.add(root.descriptor)
    block.header.rootSource = block.string(root.source)
    if readOnly { block.set(MARTLET_ROOT_READ_ONLY) }
  }

  mutating func setMounts(_ mounts: [Mount]) {
    var numbers = mounts.map { descriptors.add($0.descriptor) }[...]
    block.mounts(mounts) { mount in
      log.debug("mount", metadata: ["path": "\(mount.path)", "source": "\(mount.source)"])
      return numbers.removeFirst()
    }
  }

  mutating func setTrace(_ target: TraceTarget) throws(Failure) {
    block.set(MARTLET_STRACE)
    switch target {
    case .standardError: block.header.straceDescriptor = STDERR_FILENO
    case .file(let path): block.header.straceDescriptor = descriptors.add(try Boot.output(path, for: "--strace"))
    }
  }

  /// Starts the kernel's first process and stays with it to its end. Returns the machine's exit status.
  mutating func start(console: Terminal?) throws(Failure) -> Int32 {
    var control: [Int32] = [-1, -1]
    guard tool_socketpair(&control) == 0 else { throw Failure("the host refuses a socket: \(Failure.reason)") }
    let channel = Descriptor(control[0])
    block.header.controlDescriptor = descriptors.add(Descriptor(control[1]))
    if let console {
      block.set(MARTLET_CONSOLE)
      (block.header.rows, block.header.columns) = console.windowSize() ?? (0, 0)
    }
    let memory = try Descriptor.memory("martlet-boot")
    try memory.write(block.bytes())
    guard tool_seal(memory.number) == 0 else { throw Failure("the host refuses seals: \(Failure.reason)") }
    lseek(memory.number, 0, SEEK_SET)
    descriptors.setBootBlock(memory)

    // Signals are taken from here on, so none can end the tool between raw mode and the supervisor.
    let signals = Descriptor(tool_signal_descriptor())
    guard signals.number >= 0 else { throw Failure("the host refuses a signalfd: \(Failure.reason)") }
    console?.makeRaw()
    guard
      let child = Child.start(
        kernel, ["martlet-kernel"], descriptors: descriptors.numbers, first: ChildDescriptors.first)
    else {
      let advice =
        switch errno {
        case ENOENT: ": 'make build' puts it in place"
        case EAGAIN: ": there is a limit on processes, see 'ulimit -u'"
        default: ""
        }
      let failure = Failure("cannot start the kernel \(kernel) (\(Failure.reason))\(advice)")
      console?.restore()
      throw failure
    }
    if console == nil { log.debug("kernel", metadata: ["path": "\(kernel)", "process": "\(child.process)"]) }
    descriptors = ChildDescriptors()
    var supervisor = Supervisor(child: child, channel: channel, signals: signals, console: console)
    let end = supervisor.wait()
    console?.restore()
    return supervisor.exitStatus(of: end)
  }

  private static func output(_ path: String, for option: String) throws(Failure) -> Descriptor {
    guard let file = Descriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND) else {
      throw Failure("cannot write the file of \(option), \(path): \(Failure.reason)")
    }
    return file
  }
}
