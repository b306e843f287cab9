import CLinux
import Machine

// execve(2). Everything that can be refused is looked at first: the file and its interpreter are opened and read, the
// arguments copied, a host process is at hand where one is needed. Then comes the point of no return: the other threads
// end, the task gets a new address space, and whatever fails from there on kills it.

/// What is to be run.
struct ExecRequest {
  /// As the program is named: AT_EXECFN, and a script's interpreter gets it as its argument.
  var path: [UInt8]
  var file: File
  var arguments: ExecArguments
}

/// What was found of it: the file that is an ELF program, and its dynamic loader.
struct ExecPlan {
  var path: [UInt8]                      // of the file that was named: comm
  var program: ProgramFile
  var interpreter: ProgramFile?
  var arguments: ExecArguments
  var credentials: Credentials
  var isSecure = false
}

extension Task {
  /// Implements execve(2) once the file is open. When it returns, the registers are the new program's. What it throws
  /// before the point of no return leaves the old program as it was; after it, the process is on its way to die.
  func execute(_ request: ExecRequest) throws(Errno) {
    let plan = try planExec(request)
    if !hasAddressSpaces && !plan.program.image.isMovable {
      Log.warning("\(String(decoding: plan.path, as: UTF8.self)): not position-independent: it cannot run with mmu=none")
      throw .notExecutable
    }
    let home = try newHome()
    do throws(Errno) {
      try process.killOtherThreads(self)
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
      let head = try file.bytes(at: 0, count: Script.lineLimit)
      guard let script = try Script(head) else {
        let program = try ProgramFile(file, head: head)
        var interpreter: ProgramFile?
        if let loader = try program.interpreterPath() {
          let loaderFile = try openExecutable(loader)
          let loaderHead = try loaderFile.bytes(at: 0, count: Script.lineLimit)
          do throws(Errno) { interpreter = try ProgramFile(loaderFile, head: loaderHead) } catch {
            throw error == .notExecutable ? Errno(ELIBBAD) : error
          }
        }
        return ExecPlan(
          path: request.path, program: program, interpreter: interpreter, arguments: arguments,
          credentials: credentials.borrowed.object)
      }
      try arguments.prepend(script: script, path: path)
      path = script.interpreter
      file = try openExecutable(path)
    }
    throw .loop
  }

  /// The host process for the new program: the one that it is in where nobody else is, else a fresh one. Errors: EAGAIN,
  /// `.restart` where the task is killed meanwhile.
  private func newHome() throws(Errno) -> HostSpace {
    if !hasAddressSpaces { return try sharedHost() }
    if let space = addressSpace.borrowed, space.with({ $0.isPrivate || $0.userCount == threadCount }) {
      return space.with { $0.host }
    }
    return try HostSpace.fresh()
  }

  /// In `mmu=none` the one for all; the first program makes it.
  private func sharedHost() throws(Errno) -> HostSpace {
    if guestHost.isSet { return guestHost.borrowed.object }
    let host = try HostSpace.fresh()
    guestHost.set(host)
    return host
  }

  /// Past the point of no return.
  private func replaceProgram(_ plan: ExecPlan, _ home: HostSpace) throws(Errno) {
    leaveOldSpace()
    let new = AddressSpace(host: home)
    let old = addressSpace.borrowed?.object
    let isInPlace = hasAddressSpaces && old != nil && old?.host === home
    if isInPlace, let old {
      old.tearDown(unmap: false)
      try HostMemory.wipe()
    } else {
      Scheduler.move(to: home)
    }
    setAddressSpace(new)
    if !isInPlace, let old { old.leave() }
    try load(plan, new)
  }

  private func load(_ plan: ExecPlan, _ space: AddressSpace) throws(Errno) {
    let limits = memoryLimits
    let placement = Placement(personality: process.personality)
    let stackRoom = min(max(limits.stack, 256 << 10), 1 << 40)
    let top = try space.makeStack(
      placement, room: stackRoom, size: InitialStack.size(plan), isExecutable: plan.program.image.hasExecutableStack,
      limits: limits)
    let hasLoader = plan.interpreter != nil
    // A static position-independent program goes to the mapping area, so that a loader run as a program leaves the
    // program's place free.
    let program = try space.load(
      plan.program, hasLoader && hasAddressSpaces ? .at(placement.programBase) : .anywhere, limits: limits)
    var entry = program.entry
    var base: UInt = 0
    if let interpreter = plan.interpreter {
      let loaded = try space.load(interpreter, .anywhere, limits: limits)
      entry = loaded.entry
      base = loaded.bias
    }
    let isAlone = plan.program.image.isMovable && !hasLoader
    let breakStart = placement.breakStart(isAlone && hasAddressSpaces ? AddressLayout.programBase : program.end)
    space.withoutChange { state in
      state.breakStart = breakStart
      state.breakEnd = breakStart
    }
    space.codeRange = program.code
    space.dataRange = program.data
    space.executable.replace(plan.program.file)
    let stack = InitialStack(
      arguments: plan.arguments, fileName: plan.path, program: program, headerCount: plan.program.image.headerCount,
      interpreterBase: base, credentials: plan.credentials, isSecure: plan.isSecure)
    let pointer = try stack.write(to: space, below: top, shift: placement.stackShift)
    name = Self.commandName(plan.path)
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
