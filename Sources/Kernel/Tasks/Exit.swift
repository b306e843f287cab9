import CLinux
import Machine

/// A wait status as wait4(2) has it.
public enum WaitStatus {
  @inline(__always) public static func exited(_ code: Int32) -> Int32 { (code & 0xff) << 8 }
  @inline(__always) public static func killed(_ signal: Int32, dumped: Bool = false) -> Int32 {
    signal & 0x7f | (dumped ? 0x80 : 0)
  }
  @inline(__always) public static func stopped(_ signal: Int32) -> Int32 { signal << 8 | 0x7f }
  public static var continued: Int32 { 0xffff }
  /// The exit status of a machine whose command ended so: 128+n where signal n killed it.
  public static func asExitStatus(_ status: Int32) -> Int {
    status & 0x7f != 0 ? 128 + Int(status & 0x7f) : Int(status >> 8 & 0xff)
  }
}

/// How far a task's exit got. Each step is taken once, also where an oops or the loss of its host process makes it begin
/// anew in between.
enum ExitStage: UInt8 {
  case none = 0, begun, memory, files, threads, done
}

extension Process {
  /// exit_group(2), and the end by a signal: every thread is told to go, each of which exits itself. The first call's
  /// status counts; it is returned. The caller, where it is one of the threads, exits with it.
  @discardableResult
  public func beginGroupExit(_ status: Int32) -> Int32 {
    lock.withLock { threads in
      if threads.isExiting { return threads.groupStatus }
      threads.isExiting = true
      threads.groupStatus = status
      threads.tasks.forEach { $0.interrupt(Interruption.kill) }
      return status
    }
  }

  /// Tells the threads that wait for others to go, and those who watch a pidfd.
  func threadsChanged() { threadQueue.wakeAll() }

  /// For execve(2): ends all other threads and waits until they are gone; `task` becomes the leader, whose id it takes
  /// over where it is another. Errors: EAGAIN where another thread execs or the process ends already (the caller then
  /// dies on its way out); `.restart` where it is killed meanwhile.
  public func killOtherThreads(_ task: Task) throws(Errno) {
    let isAlone = try lock.withLock { (threads) throws(Errno) -> Bool in
      if threads.isExiting || threads.executing != nil { throw .wouldBlock }
      if threads.tasks.count == 1 { return true }
      threads.executing = Borrowed(task)
      threads.tasks.forEach { if $0 !== task { $0.interrupt(Interruption.kill) } }
      return false
    }
    if !isAlone {
      defer { lock.withLock { $0.executing = nil } }
      try threadQueue.wait(.killable) { lock.withLock { $0.tasks.count == 1 } }
    }
    if task.isLeader { return }
    pids.with { $0.set(thread: nil, task.id) }
    lock.withLock { _ in task.id = id }
  }
}

extension Task {
  /// exit_group(2), and the end by a signal: the first status that is decided is everyone's.
  public func exitGroup(_ status: Int32) -> Never { exit(process.beginGroupExit(status)) }

  /// The way out found `Interruption.kill`: the whole process ends, or another thread execs.
  public func exitKilled() -> Never {
    let status = process.lock.withLock { threads -> Int32? in
      if threads.isExiting { return threads.groupStatus }
      if let executing = threads.executing, !(executing == self) { return 0 }
      return nil
    }
    if let status { exit(status) }
    exitGroup(WaitStatus.killed(SIGKILL))
  }

  /// exit(2): this thread ends; the process does with its last one.
  public func exit(_ status: Int32) -> Never {
    if exitStage == .none {
      exitStage = .begun
      endsOrderly = status & 0x7f == 0
      let isLast = process.lock.withLock { threads -> Bool in
        if isLeader { threads.leaderStatus = status }
        threads.living &-= 1
        return threads.living == 0
      }
      signals.exit(self)
      isLastThread = isLast
      if isLast { process.signals.timers.stopAll() }
    }
    continueExit()
  }

  private func continueExit() -> Never {
    var isLastUser = false
    var kept: KeptText?
    if exitStage == .begun {
      exitStage = .memory
      notePeak()
      leaveAddressSpace()
      if let space = addressSpace.borrowed?.object {
        setAddressSpace(nil)
        isLastUser = space.leave(keepsText: endsOrderly)
        kept = space.kept
      }
    }
    if exitStage == .memory {
      exitStage = .files
      if let files = files.borrowed?.object {
        setFiles(nil)
        files.leave(self)
      }
      setFileSystem(nil)
      if isLastThread { releaseControllingTerminal(exits: true) }
    }
    if exitStage == .files {
      exitStage = .threads
      leaveThreads()
    }
    exitStage = .done
    // The parent knows: the rest happens behind its back.
    if isLastUser && hasAddressSpaces && !isInterrupted(Interruption.lostSpace) { recycle(kept) }
    kept = nil
    Scheduler.exit()
  }

  /// Its host process, in which nobody else is, serves another program.
  private func recycle(_ kept: KeptText?) {
    if let kept, space.wipeForReuse(keeping: kept.ranges, label: kept.label) {
      keptTexts.with { $0.add(kept) }
    } else {
      space.wipeForReuse()
    }
  }

  /// What a task owes those who wait on its memory, before it leaves it by exec or exit: robust futexes, the word of
  /// CLONE_CHILD_CLEARTID, vfork's parent. Called while it is still in its address space.
  public func leaveAddressSpace() {
    if !isInterrupted(Interruption.lostSpace) && addressSpace.borrowed != nil {
      if robustList != 0 { exitRobustList() }
      if clearChildTid != 0, addressSpace.borrowed.map({ $0.with { $0.userCount > 1 } }) == true {
        try? UserPointer<UInt32>(clearChildTid).copyOut(0)
        wakeClearedTid(clearChildTid)
      }
    }
    robustList = 0
    clearChildTid = 0
    if let completion = vfork {
      vfork = nil
      completion.complete()
    }
  }

  /// Leaves the process; the last thread makes it a zombie and tells its parent.
  private func leaveThreads() {
    let usage = ownUsage()
    let id = id
    let isLast = process.lock.withLock { threads in
      if isLeader { process.name = name }
      threads.tasks.remove(self)
      threads.usage.add(usage)
      return threads.tasks.isEmpty
    }
    pids.with {
      if !isLeader { $0.set(thread: nil, id) }
      $0.countTask(-1)
    }
    userTasks.with { $0.remove(countedUser) }
    if isLast {
      process.becomeZombie(credentials.borrowed.with { $0.uid })
    } else {
      process.threadLeft(id)
      process.threadsChanged()
    }
  }

  // MARK: the machine's side

  /// `begin` of a task: the first steps of a new thread; also of one whose host process was killed, which dies here.
  func beginTask() {
    if isInterrupted(Interruption.lostSpace) {
      if exitStage != .none { continueExit() }
      exitGroup(WaitStatus.killed(SIGKILL))
    }
    if setChildTid != 0 { try? UserPointer<Int32>(setChildTid).copyOut(Int32(truncatingIfNeeded: id)) }
    if let work {
      self.work = nil
      work.run(self)
    }
  }

  func dieOfKernelFault() {
    Log.error(
      "\(String(decoding: name, as: UTF8.self))[\(id)]: killed after a kernel oops in system call \(callNumber)")
    if process.isInit { powerOff(125) }
    if exitStage != .none { continueExit() }
    exitGroup(WaitStatus.killed(SIGKILL))
  }
}
