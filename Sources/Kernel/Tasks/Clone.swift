import CLinux
import Machine
import Synchronization

/// What clone(2) and clone3(2) were asked for.
struct CloneRequest {
  var flags: UInt64 = 0
  /// What the parent is sent at the child's end.
  var exitSignal: Int32 = 0
  /// The child's stack pointer; 0: the parent's.
  var stack: UInt = 0
  var parentTid: UInt = 0
  var childTid: UInt = 0
  var threadPointer: UInt64 = 0
  /// Where CLONE_PIDFD puts the descriptor.
  var pidDescriptor: UInt = 0

  @inline(__always) func has(_ flag: Int32) -> Bool { flags & UInt64(flag) != 0 }
  @inline(__always) func has(_ flag: UInt32) -> Bool { flags & UInt64(flag) != 0 }
  @inline(__always) func has(_ flag: UInt64) -> Bool { flags & flag != 0 }

  private static var namespaces: UInt64 {
    UInt64(CLONE_NEWNS) | UInt64(CLONE_NEWCGROUP) | UInt64(CLONE_NEWUTS) | UInt64(CLONE_NEWIPC) | UInt64(CLONE_NEWUSER)
      | UInt64(CLONE_NEWPID) | UInt64(CLONE_NEWNET)
  }

  /// Linux's rules for flags that go together. Errors: EINVAL; EPERM, as Linux without the privilege, for namespaces.
  func check(_ task: Task) throws(Errno) {
    if has(CLONE_THREAD) && !has(CLONE_SIGHAND) { throw .invalid }
    if has(CLONE_SIGHAND) && !has(CLONE_VM) { throw .invalid }
    if has(CLONE_FS) && (has(CLONE_NEWNS) || has(CLONE_NEWUSER)) { throw .invalid }
    if has(CLONE_PARENT) && task.process.isInit { throw .invalid }
    if has(UInt64(CLONE_CLEAR_SIGHAND)) && has(CLONE_SIGHAND) { throw .invalid }
    if has(CLONE_PIDFD) && has(CLONE_THREAD) { throw .invalid }
    if flags & Self.namespaces != 0 {
      Log.info("clone: namespaces are not implemented (flags \(String(flags, radix: 16)))")
      throw .invalid
    }
    if has(CLONE_SETTLS) && !Thread.isThreadPointer(threadPointer) { throw .notPermitted }
    if !has(CLONE_VM) && !hasAddressSpaces { throw .invalid }
  }
}

extension Task {
  /// Makes a child, a thread or a process, and lets it run. Returns its id.
  ///
  /// The child is linked where others find it before the address space is copied: whoever signals the parent's group
  /// from then on reaches both. Nothing but the copy fails after that, and then the child is taken out again.
  /// Errors: EINVAL, EAGAIN (limits, the host), ENOMEM, `.restartAlways` where a signal is pending.
  func clone(_ request: CloneRequest) throws(Errno) -> Int {
    try request.check(self)
    if isInterrupted(Interruption.signal | Interruption.kill) { throw .restartAlways }
    try checkProcessLimit()
    if !request.has(CLONE_VM) { try HostSpace.waitForRoom() }
    let id = try pids.with { (pids) throws(Errno) in try pids.allocate() }
    let child: Task
    do throws(Errno) {
      if request.has(CLONE_THREAD) {
        child = try makeChild(id, request)
      } else {
        child = try Arena.new { () throws(Errno) in try makeChild(id, request) }
      }
    } catch {
      pids.with { $0.free(id) }
      throw error
    }
    do throws(Errno) {
      try link(child, request)
    } catch {
      pids.with { $0.free(id) }
      child.files.borrowed?.object.leave(self)
      throw error
    }
    var descriptor = -1
    do throws(Errno) {
      if request.has(CLONE_PIDFD) { descriptor = try openPidFile(child.process, at: request.pidDescriptor) }
      try giveAddressSpace(to: child, request)
    } catch {
      if descriptor >= 0 { closePidFile(descriptor) }
      unlink(child)
      throw error
    }
    if request.has(CLONE_PARENT_SETTID) {
      try? UserPointer<Int32>(request.parentTid).copyOut(Int32(truncatingIfNeeded: id))
    }
    let completion = request.has(CLONE_VFORK) ? child.withArena { Completion() } : nil
    child.vfork = completion
    processTree.with { _ = $0.forks.add(1, ordering: .relaxed) }
    Scheduler.start(child)
    // Killed meanwhile: the child goes on by itself.
    if let completion { try? completion.wait(.killable) }
    return id
  }

  /// The child with all that it needs but its address space, known to nobody.
  private func makeChild(_ id: Int, _ r: CloneRequest) throws(Errno) -> Task {
    let isThread = r.has(CLONE_THREAD)
    let childProcess: Process
    if isThread {
      childProcess = process
    } else {
      childProcess = Process(
        id: id, group: process.group,
        signals: process.signals.forked(
          sharingHandlers: r.has(CLONE_SIGHAND), clearing: r.has(UInt64(CLONE_CLEAR_SIGHAND))),
        limits: ResourceLimits(copying: process.limits), exitSignal: r.exitSignal)
      if childProcess.limits[RLIMIT_CPU].soft != .max { childProcess.signals.timers.followLimit(childProcess) }
      childProcess.dumpable = process.dumpable
      childProcess.killPriority = process.killPriority
      childProcess.hook = process.hook
      childProcess.personality = process.personality
    }
    var childFiles: FileTable?
    if let files = files.borrowed {
      childFiles = files.with { files -> FileTable in
        guard r.has(CLONE_FILES) else { return files.copy() }
        files.share()
        return files
      }
    }
    var context: FileSystemContext?
    if let fileSystem = fileSystem.borrowed {
      context = fileSystem.with { r.has(CLONE_FS) ? $0 : FileSystemContext(copying: $0) }
    }
    let child: Task
    do throws(Errno) {
      child = try Task(
        id: id, process: childProcess, space: space, isGuest: true,
        signals: signals.forked(isThread: r.has(CLONE_VM) && !r.has(CLONE_VFORK)),
        credentials: credentials.borrowed.object, files: childFiles, fileSystem: context, addressSpace: nil)
    } catch {
      childFiles?.leave(self)
      throw error
    }
    child.name = name
    child.nice = nice
    child.affinity = affinity
    child.policy = policy
    child.timerSlack = timerSlack
    child.defaultTimerSlack = timerSlack
    child.ioPriority = ioPriority
    if resetsOnFork {
      child.policy = SCHED_NORMAL
      if nice < 0 { child.nice = 0 }
    }
    if r.has(CLONE_CHILD_SETTID) { child.setChildTid = r.childTid }
    if r.has(CLONE_CHILD_CLEARTID) { child.clearChildTid = r.childTid }
    child.registers = registers
    child.setResult(0)
    if r.stack != 0 { child.setStackPointer(r.stack) }
    child.inheritContext(from: self)
    if r.has(CLONE_SETTLS) { child.threadPointer = r.threadPointer }
    return child
  }

  private func giveAddressSpace(to child: Task, _ r: CloneRequest) throws(Errno) {
    guard let addressSpace = addressSpace.borrowed else { throw .invalid }
    try addressSpace.with { (mine) throws(Errno) in
      if r.has(CLONE_VM) {
        mine.join()
        child.setAddressSpace(mine)
        child.prepareToStart(in: space)
      } else {
        let copy = try mine.fork(for: child)
        child.setAddressSpace(copy)
        child.prepareToStart(in: copy.space)
      }
    }
  }

  /// Makes the child one that others find. Errors: `.restartAlways` where this process is about to end or to exec.
  private func link(_ child: Task, _ r: CloneRequest) throws(Errno) {
    if r.has(CLONE_THREAD) {
      try process.lock.withLock { (threads) throws(Errno) in
        if threads.isExiting || threads.executing != nil { throw .restartAlways }
        threads.tasks.append(child)
        threads.living &+= 1
      }
      pids.with {
        $0.set(thread: child, child.id)
        $0.countTask(1)
      }
      userTasks.with { $0.add(child.countedUser) }
      return
    }
    let new = child.process
    new.lock.withLock { threads in
      threads.tasks.append(child)
      threads.living = 1
    }
    userTasks.with { $0.add(child.countedUser) }
    let old = new.membership.borrowed.object
    withProcessTree {
      var parent = Borrowed(process)
      new.creator = id
      if r.has(CLONE_PARENT), let grandparent = process.parent {
        parent = grandparent
        new.creator = process.creator
        new.exitSignal = process.exitSignal
      }
      new.hasSubreaper = parent.with { $0.hasSubreaper || $0.isSubreaper }
      process.membership.borrowed.with { group in
        new.membership.replace(group)
        group.members.append(new)
      }
      new.parent = parent
      parent.with { $0.children.append(new) }
      Borrowed(new).retain()  // the tree's, until it is reaped
      pids.with {
        $0.set(process: new, new.id)
        $0.countTask(1)
      }
    }
    withExtendedLifetime(old) {}
  }

  /// The child, which never ran, goes again.
  private func unlink(_ child: Task) {
    let its = child.process
    child.signals.exit(child)
    its.lock.withLock { threads in
      threads.tasks.remove(child)
      threads.living &-= 1
    }
    pids.with {
      if its === process { $0.set(thread: nil, child.id) }
      $0.countTask(-1)
    }
    userTasks.with { $0.remove(child.countedUser) }
    child.files.borrowed?.object.leave(self)
    if its === process {
      process.threadsChanged()
      return
    }
    withProcessTree { its.leaveTree() }
    its.releaseFromTree()
  }
}
