import CLinux
import Machine
import Synchronization

/// Implements Linux syscall sendto: send(2).
func sysSendto(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    var buffers = IOBuffers(arguments.pointer1(), count: arguments.a2)
    var address: UnixAddress?
    if arguments.a4 != 0 {
      address = try SocketAddress.unixAddress(try SocketAddress.copyIn(arguments.pointer4(), arguments.i5))
    }
    let flags = UInt32(bitPattern: arguments.i3)
    return .value(
      try file.send(task, &buffers, flags, to: address, hasAddress: arguments.a4 != 0, SentControl()))
  }
}

/// Implements Linux syscall recvfrom: recv(2).
func sysRecvfrom(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    var buffers = IOBuffers(arguments.pointer1(), count: arguments.a2)
    let received = try file.socket.receive(
      &buffers, UInt32(bitPattern: arguments.i3), isNonBlocking: file.isNonBlocking)
    if arguments.a4 != 0 { try copyOutSender(received.name, arguments.pointer4(), arguments.pointer5()) }
    return .value(received.count)
  }
}

/// The sender's name; a stream, or a sender without one, has the length 0.
private func copyOutSender(
  _ name: UnixAddress?, _ pointer: UserPointer<UInt8>, _ length: UserPointer<Int32>
) throws(Errno) {
  if let name { return try copyOutAddress(name, pointer, length) }
  guard try length.copyIn() >= 0 else { throw .invalid }
  try length.copyOut(0)
}

/// Implements Linux syscall sendmsg: send(2).
func sysSendmsg(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    .value(try send(task, file, arguments.pointer1(), UInt32(bitPattern: arguments.i2)))
  }
}

/// Implements Linux syscall sendmmsg(2).
func sysSendmmsg(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let messages: UserPointer<linux_mmsghdr> = arguments.pointer1()
  let count = min(Int(UInt32(bitPattern: arguments.i2)), 1024)
  let flags = UInt32(bitPattern: arguments.i3)
  return try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    var done = 0
    while done < count {
      let message = messages.advanced(by: done)
      do throws(Errno) {
        let sent = try send(task, file, message.cast(to: linux_msghdr.self), flags)
        try message.offset(bytes: 56).cast(to: UInt32.self).copyOut(UInt32(truncatingIfNeeded: sent))
      } catch {
        if done == 0 { throw error }
        break
      }
      done += 1
      if task.isInterrupted(Interruption.signal | Interruption.kill) { break }
    }
    return .value(done)
  }
}

/// Errors: EMSGSIZE for too many segments, those of `IOBuffers`, `ControlMessages.parse` and `SocketFile.send`.
private func send(
  _ task: Task, _ file: SocketFile, _ pointer: UserPointer<linux_msghdr>, _ flags: UInt32
) throws(Errno) -> Int {
  let header = try pointer.copyIn()
  var buffers = try buffers(of: header)
  let control = try ControlMessages.parse(task, header)
  var address: UnixAddress?
  let hasAddress = header.name != 0 && header.namelen != 0
  if hasAddress {
    let length = Int32(bitPattern: header.namelen)
    address = try SocketAddress.unixAddress(
      try SocketAddress.copyIn(UserPointer(UInt(header.name)), min(length, 128)))
  }
  return try file.send(task, &buffers, flags, to: address, hasAddress: hasAddress, control)
}
private func buffers(of header: linux_msghdr) throws(Errno) -> IOBuffers {
  guard header.iovlen <= 1024 else { throw .messageSize }
  return try IOBuffers(vectorAt: UInt(header.iov), count: Int(header.iovlen))
}

/// Implements Linux syscall recvmsg: recv(2).
func sysRecvmsg(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  try task.withSocket(arguments.i0) { (file) throws(Errno) -> SyscallOutcome in
    .value(try receive(task, file, arguments.pointer1(), UInt32(bitPattern: arguments.i2)))
  }
}

/// Implements Linux syscall recvmmsg(2).
func sysRecvmmsg(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let messages: UserPointer<linux_mmsghdr> = arguments.pointer1()
  let count = min(Int(UInt32(bitPattern: arguments.i2)), 1024)
  var flags = UInt32(bitPattern: arguments.i3)
  let time: UserPointer<linux_timespec> = arguments.pointer4()
  let timeout = try copyInTimeout(time)
  let result = try task.withSocket(arguments.i0) { (file) throws(Errno) -> Int in
    var done = 0
    while done < count {
      let message = messages.advanced(by: done)
      do throws(Errno) {
        let received = try receive(task, file, message.cast(to: linux_msghdr.self), flags & ~MessageFlags.waitForOne)
        try message.offset(bytes: 56).cast(to: UInt32.self).copyOut(UInt32(truncatingIfNeeded: received))
      } catch {
        if done == 0 { throw error }
        break
      }
      done += 1
      if flags & MessageFlags.waitForOne != 0 { flags |= MessageFlags.dontWait }
      // As on Linux the time is looked at only between messages.
      if timeout.isImmediate || timeout.deadline.hasPassed { break }
    }
    return done
  }
  if !time.isNull && result > 0 {
    var left = linux_timespec()
    left.tv_sec = .init(truncatingIfNeeded: timeout.remaining / 1_000_000_000)
    left.tv_nsec = .init(truncatingIfNeeded: timeout.remaining % 1_000_000_000)
    try time.copyOut(left)
  }
  return .value(result)
}

private func receive(
  _ task: Task, _ file: SocketFile, _ pointer: UserPointer<linux_msghdr>, _ flags: UInt32
) throws(Errno) -> Int {
  let header = try pointer.copyIn()
  var buffers = try buffers(of: header)
  var received = try file.socket.receive(&buffers, flags, isNonBlocking: file.isNonBlocking)
  let used = ControlMessages.write(
    task, header, &received, passesCredentials: file.socket.passesCredentials.load(ordering: .relaxed),
    closeOnExec: flags & MessageFlags.closeOnExec != 0)
  if header.name != 0 {
    let bytes = received.name.map { UnixAddress.encoded($0) } ?? []
    try UserPointer<UInt8>(UInt(header.name)).copyOut(
      Array(bytes.prefix(max(0, Int(Int32(bitPattern: header.namelen))))))
    try pointer.offset(bytes: 8).cast(to: UInt32.self).copyOut(UInt32(bytes.count))
  }
  try pointer.offset(bytes: 40).cast(to: UInt64.self).copyOut(used)
  try pointer.offset(bytes: 48).cast(to: UInt32.self).copyOut(received.flags | flags & MessageFlags.closeOnExec)
  return received.count
}
