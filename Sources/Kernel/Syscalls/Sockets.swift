import CLinux
import Machine

/// The type and the flags in a `type` argument. Errors: EINVAL, EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT.
private func checkSocket(_ family: Int32, _ type: Int32, _ proto: Int32) throws(Errno) -> Int32 {
  if type & ~(SocketType.mask | SocketType.closeOnExec | SocketType.nonBlocking) != 0 { throw .invalid }
  guard family >= 0, family < AddressFamily.maximum else { throw .familyNotSupported }
  let kind = type & SocketType.mask
  guard kind < SocketType.maximum else { throw .invalid }
  guard family == Int32(AddressFamily.unix) else { throw .familyNotSupported }
  guard proto == 0 || proto == Int32(AddressFamily.unix) else { throw .protocolNotSupported }
  switch kind {
  case SocketType.stream, SocketType.datagram, SocketType.sequenced: return kind
  case SocketType.raw: return SocketType.datagram
  default: throw .socketTypeNotSupported
  }
}
private func makeFile(_ task: Task, _ socket: UnixSocket, _ type: Int32) -> SocketFile {
  task.credentials.borrowed.with { SocketFile(socket, $0, flags: type & SocketType.nonBlocking) }
}

/// Implements Linux syscall socket(2). Only AF_UNIX is there.
func sysSocket(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let kind = try checkSocket(arguments.i0, arguments.i1, arguments.i2)
  let file = makeFile(task, UnixSocket(type: kind), arguments.i1)
  return .value(try install(task, file, closeOnExec: arguments.i1 & SocketType.closeOnExec != 0))
}

/// Implements Linux syscall socketpair(2).
func sysSocketpair(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let kind = try checkSocket(arguments.i0, arguments.i1, arguments.i2)
  let (a, b) = UnixSocket.pair(type: kind, SocketIdentity(effectiveOf: task))
  let first = makeFile(task, a, arguments.i1), second = makeFile(task, b, arguments.i1)
  try installPair(
    task, first, second, closeOnExec: arguments.i1 & SocketType.closeOnExec != 0, arguments.pointer3())
  return .value(0)
}

/// Implements Linux syscall bind(2).
func sysBind(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    let address = try SocketAddress.unixAddress(try SocketAddress.copyIn(arguments.pointer1(), arguments.i2))
    try file.socket.bind(task, address)
  }
  return .value(0)
}

/// Implements Linux syscall listen(2).
func sysListen(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    try file.socket.listen(arguments.i1, SocketIdentity(effectiveOf: task))
  }
  return .value(0)
}

/// Implements Linux syscall accept(2).
func sysAccept(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try accept(task, arguments, 0)
}
/// Implements Linux syscall accept4: accept(2).
func sysAccept4(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try accept(task, arguments, arguments.i3)
}
private func accept(_ task: Task, _ arguments: SyscallArguments, _ flags: Int32) throws(Errno) -> SyscallOutcome {
  if flags & ~(SocketType.closeOnExec | SocketType.nonBlocking) != 0 { throw .invalid }
  return try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    let new = try file.socket.accept(isNonBlocking: file.isNonBlocking)
    let newFile = makeFile(task, new, flags)
    let limit = task.process.limits.soft(RLIMIT_NOFILE)
    let descriptor = try task.table.with { (table) throws(Errno) -> Int in
      try table.reserve(closeOnExec: flags & SocketType.closeOnExec != 0, limit: limit)
    }
    do throws(Errno) {
      if arguments.a1 != 0 {
        try copyOutAddress(try? new.peerAddress(), arguments.pointer1(), arguments.pointer2())
      }
    } catch {
      task.table.with { $0.unreserve(descriptor) }
      throw error
    }
    task.table.with { $0.publish(descriptor, newFile) }
    return .value(descriptor)
  }
}

/// Implements Linux syscall connect(2).
func sysConnect(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    let raw = try SocketAddress.copyIn(arguments.pointer1(), arguments.i2)
    let socket = file.socket
    if !socket.isConnectionOriented && raw.family == AddressFamily.unspecified {
      try socket.setPeer(task, nil)
      return
    }
    guard let address = try SocketAddress.unixAddress(raw) else { throw .invalid }
    if socket.isConnectionOriented {
      try socket.connect(task, address, isNonBlocking: file.isNonBlocking)
    } else {
      try socket.setPeer(task, address)
    }
  }
  return .value(0)
}

/// Implements Linux syscall getsockname(2).
func sysGetsockname(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    try copyOutAddress(file.socket.address, arguments.pointer1(), arguments.pointer2())
  }
  return .value(0)
}
/// Implements Linux syscall getpeername(2).
func sysGetpeername(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    try copyOutAddress(try file.socket.peerAddress(), arguments.pointer1(), arguments.pointer2())
  }
  return .value(0)
}

/// Writes a name and its whole length, cut at the length that the guest offers. Errors: EINVAL, EFAULT.
func copyOutAddress(
  _ address: UnixAddress?, _ pointer: UserPointer<UInt8>, _ length: UserPointer<Int32>
) throws(Errno) {
  let room = try length.copyIn()
  guard room >= 0 else { throw .invalid }
  let bytes = UnixAddress.encoded(address)
  try pointer.copyOut(Array(bytes.prefix(Int(room))))
  try length.copyOut(Int32(truncatingIfNeeded: bytes.count))
}

/// Implements Linux syscall shutdown(2).
func sysShutdown(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let how = arguments.i1
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    guard how >= 0, how <= 2 else { throw .invalid }
    file.socket.shutDown(reads: how != 1, writes: how != 0)
  }
  return .value(0)
}

/// Implements Linux syscall setsockopt(2).
func sysSetsockopt(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    guard arguments.i4 >= 0 else { throw .invalid }
    guard arguments.i1 == SOL_SOCKET else { throw .notSupported }
    try file.socket.setOption(task, arguments.i2, arguments.pointer3(), arguments.i4)
  }
  return .value(0)
}

/// Implements Linux syscall getsockopt(2).
func sysGetsockopt(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) in
    let length: UserPointer<Int32> = arguments.pointer4()
    let room = try length.copyIn()
    guard room >= 0 else { throw .invalid }
    guard arguments.i1 == SOL_SOCKET else { throw .notSupported }
    let value = try file.socket.option(arguments.i2).prefix(Int(room))
    try arguments.pointer3().copyOut(Array(value))
    try length.copyOut(Int32(value.count))
  }
  return .value(0)
}
