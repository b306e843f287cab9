import CLinux
import Machine

/// Implements Linux syscall epoll_create(2), whose size only must be positive.
func sysEpollCreate(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard arguments.i0 > 0 else { throw .invalid }
  return try makeEpoll(task, 0)
}

/// Implements Linux syscall epoll_create1: epoll_create(2).
func sysEpollCreate1(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  guard arguments.i0 & ~O_CLOEXEC == 0 else { throw .invalid }
  return try makeEpoll(task, arguments.i0)
}

private func makeEpoll(_ task: Task, _ flags: Int32) throws(Errno) -> SyscallOutcome {
  let file = EpollFile(inode: AnonymousInode.shared, flags: O_RDWR)
  return .value(try install(task, file, closeOnExec: flags & O_CLOEXEC != 0))
}

/// Implements Linux syscall epoll_ctl(2).
func sysEpollCtl(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let operation = arguments.i1, descriptor = arguments.i2
  var event = EpollEvent(events: 0, data: 0)
  if operation != EPOLL_CTL_DEL {
    let pointer: UserPointer<EpollEvent> = arguments.pointer3()
    event = try pointer.copyIn()
  }
  try task.withFile(arguments.i0) { (file) throws(Errno) in
    try task.withFile(descriptor) { (target) throws(Errno) in
      guard target.canPoll else { throw .notPermitted }
      event.events &= ~LINUX_EPOLLWAKEUP  // needs autosleep, which is not there
      guard file !== target, let file = file as? EpollFile else { throw .invalid }
      try control(file, operation, target, descriptor, event)
    }
  }
  return .value(0)
}

/// What EPOLLEXCLUSIVE may come with.
private var exclusiveBits: UInt32 {
  LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLERR | LINUX_EPOLLHUP | LINUX_EPOLLWAKEUP | LINUX_EPOLLET
    | LINUX_EPOLLEXCLUSIVE
}

private func control(
  _ file: EpollFile, _ operation: Int32, _ target: File, _ descriptor: Int32, _ event: EpollEvent
) throws(Errno) {
  let events = event.events | LINUX_EPOLLERR | LINUX_EPOLLHUP
  let nested = target as? EpollFile
  if operation != EPOLL_CTL_DEL && event.events & LINUX_EPOLLEXCLUSIVE != 0 {
    if operation == EPOLL_CTL_MOD { throw .invalid }
    if nested != nil || event.events & ~exclusiveBits != 0 { throw .invalid }
  }
  switch operation {
  case EPOLL_CTL_ADD:
    if let nested {
      try epollNesting.with { (nesting) throws(Errno) in
        try nesting.add(nested, to: file.epoll, descriptor, events, event.data)
      }
    } else {
      try file.epoll.add(target, descriptor, events, event.data)
    }
  case EPOLL_CTL_MOD: try file.epoll.modify(target, descriptor, events, event.data)
  case EPOLL_CTL_DEL: try file.epoll.remove(target, descriptor)
  default: throw .invalid
  }
}

/// Implements Linux syscall epoll_wait(2).
func sysEpollWait(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  .value(try wait(task, arguments, PollTimeout(milliseconds: arguments.i3)))
}

/// Implements Linux syscall epoll_pwait: epoll_wait(2).
func sysEpollPwait(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let timeout = PollTimeout(milliseconds: arguments.i3)
  return .value(try waitMasked(task, arguments, timeout))
}

/// Implements Linux syscall epoll_pwait2: epoll_wait(2).
func sysEpollPwait2(_ task: Task, _ arguments: SyscallArguments) throws(Errno) -> SyscallOutcome {
  let timeout = try copyInTimeout(arguments.pointer3())
  return .value(try waitMasked(task, arguments, timeout))
}

private func waitMasked(_ task: Task, _ arguments: SyscallArguments, _ timeout: PollTimeout) throws(Errno) -> Int {
  let result = withTemporaryMask(task, arguments.pointer4(), arguments.a5) { () throws(Errno) -> Int in
    try wait(task, arguments, timeout)
  }
  return try result.get()
}

/// Errors: EBADF, EINVAL, EFAULT, EINTR.
private func wait(_ task: Task, _ arguments: SyscallArguments, _ timeout: PollTimeout) throws(Errno) -> Int {
  let limit = Int(arguments.i2)
  guard limit > 0, limit <= Int(Int32.max) / 12 else { throw .invalid }
  let events: UserPointer<EpollEvent> = arguments.pointer1()
  guard isGuestRange(events.address, UInt(limit) &* 12) else { throw .fault }
  return try task.withFile(arguments.i0) { (file) throws(Errno) -> Int in
    guard let file = file as? EpollFile else { throw .invalid }
    return try task.withPoller { (poller) throws(Errno) -> Int in
      try file.epoll.wait(events, limit, timeout, poller)
    }
  }
}
