import CLinux
import Machine

// execve(2). Everything that can be refused is looked at first: the file and its interpreter are opened and read, the
// arguments copied, a host process is at hand where one is needed. Then comes the point of no return: the other threads
// end, the task gets a new address space, and whatever fails from there on kills it.

/// What is to be run.
struct ExecRequest {
  /// As the program is named: AT_EXECFN, and a script's interpreter gets it as its argument.
  var path: [UInt8]
  var file: RunningFile
  var arguments: ExecArguments
  /// A script could not be opened again by `path`: its descriptor is closed by then.
  var isUnreachable = false
}

/// What was found of it: the file that is an ELF program, and its dynamic loader.
struct ExecPlan {
  var path: [UInt8]  // of the file that was named: comm, AT_EXECFN
  var program: ProgramFile
  var interpreter: ProgramFile?
  var arguments: ExecArguments
  var credentials: ExecCredentials
}

extension Task {
  /// Implements execve(2) and execveat(2) for a guest: its strings are copied, then as `execute(_:)`.
  func execute(
    _ directory: Int32, _ path: [UInt8], _ flags: Int32, arguments: UserPointer<UInt>, environment: UserPointer<UInt>
  ) throws(Errno) {
    let file = try openExecutable(directory, path, flags)
    var strings = ExecArguments(stackLimit: memoryLimits.stack)
    try withArena { () throws(Errno) in try strings.copyIn(arguments: arguments, environment: environment) }
    var request = ExecRequest(path: path, file: file, arguments: strings)
    if directory != AT_FDCWD && path.first != 47 {
      request.path = Array("/dev/fd/\(directory)".utf8)
      if !path.isEmpty { request.path += [47] + path }
      request.isUnreachable = (try? table.with { (t) throws(Errno) in try t.closesOnExec(Int(directory)) }) ?? false
    }
    try execute(request)
  }

  /// Implements execve(2) once the file is open. When it returns, the registers are the new program's. What it throws
  /// before the point of no return leaves the old program as it was; after it, the process is on its way to die.
  func execute(_ request: ExecRequest) throws(Errno) {
    let plan = try withArena { () throws(Errno) in try planExec(request) }
    if !hasAddressSpaces && !plan.program.image.isMovable {
      Log.warning(
        "\(String(decoding: plan.path, as: UTF8.self)): not position-independent: it cannot run with mmu=none")
      throw .notExecutable
    }
    let wasAlone = process.threadCount == 1 && isLeader
    try process.killOtherThreads(self)  // where this throws, the task dies on its way out
    let home: NewHome
    do throws(Errno) { home = try newHome(plan) } catch {
      if !wasAlone { failExec() }
      throw error
    }
    do throws(Errno) {
      try replaceProgram(plan, home)
    } catch {
      failExec()
      throw error
    }
  }

  /// Follows scripts to an ELF file, and reads it. Errors: ENOEXEC, ELOOP, EACCES, ENOENT, E2BIG…
  private func planExec(_ request: ExecRequest) throws(Errno) -> ExecPlan {
    var arguments = request.arguments
    var file = request.file
    var path = request.path
    for _ in 0..<6 {
      let head = try file.file.bytes(at: 0, count: ProgramFile.headSize)
      guard let script = try Script(head) else {
        let program = try ProgramFile(file, head: head)
        let ignoresModes = file.file.path.map { $0.mount.has(MS_NOSUID) } ?? true
        let inode = file.file.inode
        return ExecPlan(
          path: request.path, program: program, interpreter: try openInterpreter(program), arguments: arguments,
          credentials: credentials.borrowed.with { ExecCredentials($0, file: inode, ignoresModes: ignoresModes) })
      }
      if request.isUnreachable { throw .noEntry }
      try arguments.prepend(script: script, path: path)
      path = script.interpreter
      file = try openExecutable(AT_FDCWD, path)
    }
    throw .loop
  }

  private func openInterpreter(_ program: ProgramFile) throws(Errno) -> ProgramFile? {
    guard let path = try program.interpreterPath() else { return nil }
    let file = try openExecutable(AT_FDCWD, path)
    let head = try file.file.bytes(at: 0, count: ProgramFile.headSize)
    do throws(Errno) { return try ProgramFile(file, head: head) } catch {
      throw error == .notExecutable ? Errno(ELIBBAD) : error
    }
  }

  /// Where the new program will be.
  private struct NewHome {
    let space: HostSpace
    let stackRoom: UInt
    let isRandom: Bool
    /// For its next run; nil: that will be placed anew.
    let key: ProgramLayout.Key?
    /// What is mapped there from an earlier run.
    let kept: KeptText?
  }

  /// The host process for the new program: one in which it ran before, else the one that it is in where nobody else is, else
  /// a fresh one. Errors: EAGAIN, `.restart` where the task is killed meanwhile.
  private func newHome(_ plan: ExecPlan) throws(Errno) -> NewHome {
    let stackRoom = min(max(memoryLimits.stack, 256 << 10), 1 << 40)
    let isRandom = Placement.isRandom(personality: process.personality)
    let key = plan.layoutKey(
      stackRoom: hasAddressSpaces
        ? stackRoom : AddressSpace.stackSize(room: stackRoom, size: InitialStack.size(plan)),
      isRandom: isRandom, hook: process.hook)
    if let key, let (space, text) = keptTexts.with({ $0.take(key) }) {
      return NewHome(space: space, stackRoom: stackRoom, isRandom: isRandom, key: key, kept: text)
    }
    return NewHome(space: try newSpace(), stackRoom: stackRoom, isRandom: isRandom, key: key, kept: nil)
  }
  private func newSpace() throws(Errno) -> HostSpace {
    if !hasAddressSpaces {
      // The first program makes the one for all.
      if !guestHost.isSet {
        sharedLayout.set(SharedLayout())
        guestHost.set(try HostSpace.fresh())
      }
      return guestHost.borrowed.object
    }
    if let space = addressSpace.borrowed, space.with({ $0.claim() }) { return space.with { $0.host } }
    return try HostSpace.fresh()
  }

  /// Past the point of no return.
  private func replaceProgram(_ plan: ExecPlan, _ home: NewHome) throws(Errno) {
    leaveAddressSpace()
    let old = addressSpace.borrowed?.object
    if let old, hasAddressSpaces, old.host === home.space {
      old.tearDown(unmap: false)
      setAddressSpace(nil)
      try HostMemory.wipe()
    } else {
      Scheduler.move(to: home.space)
      setAddressSpace(nil)
      old?.leave()
      if hasAddressSpaces { try home.space.unmapKept() }
    }
    let new = withArena { AddressSpace(host: home.space, hook: process.hook) }
    setAddressSpace(new)
    resetForExec(plan)
    new.kept = home.kept
    try withArena { () throws(Errno) in try load(plan, new, home) }
    new.kept = nil
  }

  /// What does not outlive execve(2).
  private func resetForExec(_ plan: ExecPlan) {
    withArena { process.signals.resetForExec() }
    signals.resetForExec()
    process.noteExec(self, changedIdentity: plan.credentials.isSecure)
    setCredentials(plan.credentials.credentials)
    if let files = files.borrowed {
      // A table shared with another process is left to it.
      if files.with({ $0.users > 1 }) {
        let shared = files.object
        setFiles(shared.copy())
        shared.leave(self)
      }
      table.with { $0.closeOnExec(self) }
    }
    name = withArena { Self.commandName(plan.path) }  // fork(2) shares it
    process.name = name
  }

  private func load(_ plan: ExecPlan, _ space: AddressSpace, _ home: NewHome) throws(Errno) {
    let limits = memoryLimits
    let earlier = home.kept?.layout
    if let earlier, !hasAddressSpaces { try space.takeOver(earlier) }
    let placement = earlier?.placement.again() ?? Placement(isRandom: home.isRandom)
    let stackRange = try space.makeStack(
      placement, room: home.stackRoom, size: InitialStack.size(plan),
      isExecutable: plan.program.image.hasExecutableStack,
      limits: limits)
    let hasLoader = plan.interpreter != nil
    // A static position-independent program goes to the mapping area, so that a loader run as a program leaves the
    // program's place free.
    let place = hasLoader && hasAddressSpaces ? ImagePlace.at(placement.programBase) : .anywhere
    let program = try space.load(plan.program, earlier.map { .movedBy($0.programBias) } ?? place, limits: limits)
    var entry = program.entry
    var base: UInt = 0
    if let interpreter = plan.interpreter {
      let loaded = try space.load(
        interpreter, earlier.map { .movedBy($0.interpreterBias) } ?? .anywhere, limits: limits)
      entry = loaded.entry
      base = loaded.bias
    }
    let isAlone = plan.program.image.isMovable && !hasLoader
    let breakStart = placement.breakStart(isAlone && hasAddressSpaces ? AddressLayout.programBase : program.end)
    space.withoutChange { state in
      state.breakStart = breakStart
      state.breakEnd = breakStart
    }
    if let key = home.key {
      space.layout = ProgramLayout(
        key: key, placement: placement, programBias: program.bias, interpreterBias: base, stack: stackRange,
        uses: (earlier?.uses ?? 0) + 1)
    }
    space.codeRange = program.code
    space.dataRange = program.data
    space.setProgram(plan.program.running)
    let stack = InitialStack(
      arguments: plan.arguments, fileName: plan.path, program: program, headerCount: plan.program.image.headerCount,
      interpreterBase: base, credentials: plan.credentials.credentials, isSecure: plan.credentials.isSecure)
    let pointer = try stack.write(to: space, below: stackRange.upperBound, placement)
    resetContext()
    enterProgram(at: entry, stack: pointer)
  }

  /// comm: the last part of the path, 15 bytes of it.
  private static func commandName(_ path: [UInt8]) -> [UInt8] {
    let start = path.lastIndex(of: 47).map { $0 + 1 } ?? 0
    return Array(path[start...].prefix(15))
  }
}

/// In `mmu=none`: the host process of all programs.
let guestHost = KernelGlobal<HostSpace>()

/// Runs a program for the kernel, in `task`, the caller: the machine's first. It runs once the caller's way leads out of the
/// kernel. Errors: those of execve(2).
func execute(_ task: Task, path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) throws(Errno) {
  let file = try task.openExecutable(AT_FDCWD, path)
  var strings = ExecArguments(stackLimit: task.memoryLimits.stack)
  for argument in arguments { try strings.addArgument(argument) }
  for variable in environment { try strings.addEnvironment(variable) }
  try task.execute(ExecRequest(path: path, file: file, arguments: strings))
}
