import CLinux
import Machine

typealias SyscallHandler = @convention(thin) (Task, SyscallArguments) throws(Errno) -> SyscallOutcome

/// A row of the system-call table. The signature is for strace and the documents: a word for each argument, of the kinds
/// that Syscalls/Signature.swift knows (`fd`, `path`, `buf:out`, …).
struct SyscallEntry: Sendable {
  let name: StaticString
  let signature: StaticString
  let isImplemented: Bool
  let handler: SyscallHandler

  init(_ name: StaticString, _ signature: StaticString, _ handler: @escaping SyscallHandler) {
    self.name = name
    self.signature = signature
    isImplemented = true
    self.handler = handler
  }
  /// A call that Linux has and Martlet does not (yet): ENOSYS and a line in the log.
  init(_ name: StaticString) {
    self.name = name
    signature = ""
    isImplemented = false
    handler = { (task: Task, arguments: SyscallArguments) throws(Errno) -> SyscallOutcome in throw .noCall }
  }
}

/// Where the entries' assembly calls: docs/entry-paths.md.
@c(machine_syscall) func machineSyscall(_ frame: UInt) -> UInt32 {
  SyscallArguments.enter(frame, of: Task.self) { (task, arguments) in
    if Trace.isOn { return Trace.call(task, arguments) }
    return perform(task, arguments)
  }
}

/// A system call of `task`: the table, the result, and the one place where an `Errno` becomes a number.
@inline(__always) func perform(_ task: Task, _ arguments: SyscallArguments) -> CallEnd {
  do throws(Errno) {
    let number = arguments.number
    guard UInt(bitPattern: number) < UInt(syscallTable.count) else { throw .noCall }
    switch try syscallTable[number].handler(task, arguments) {
    case .value(let value):
      arguments.setResult(value)
      return .done
    case .registersSet: return .registersSet
    case .wantsRegisters: return .wantsRegisters
    }
  } catch {
    failed(arguments, error)
    return .done
  }
}

@inline(never) private func failed(_ arguments: SyscallArguments, _ error: Errno) {
  if error == .noCall { Task.withCurrentTask { noteMissing($0, arguments.number) } }
  arguments.setResult(-Int(error.number))
  // How an interrupted call goes on is decided on the way out, with the signal that interrupted it.
  if error.number >= 512 { Task.withCurrentTask { $0.interrupt(Interruption.work) } }
}

private func noteMissing(_ task: Task, _ number: Int) {
  if number == Int(__NR_rseq) { return }  // every C library asks, and goes on without it
  let program = String(decoding: task.name, as: UTF8.self)
  if UInt(bitPattern: number) < UInt(syscallTable.count), !syscallTable[number].isImplemented {
    Log.info("\(program)[\(task.id)]: system call \(number) (\(syscallTable[number].name)) is not implemented")
  } else {
    Log.info("\(program)[\(task.id)]: no system call \(number)")
  }
}
