import Machine

/// What tasks take of each other (procfs, signals, limits): owned references, taken under the process's lock, since the
/// task itself may replace or drop its own at any time.
extension Task {
  public func takeCredentials() -> Credentials { process.lock.withLock { _ in credentials.borrowed.object } }
  public func takeFiles() -> FileTable? {
    process.lock.withLock { _ -> FileTable? in
      guard let files = files.borrowed else { return nil }
      return files.object
    }
  }
  public func takeFileSystem() -> FileSystemContext? {
    process.lock.withLock { _ -> FileSystemContext? in
      guard let fileSystem = fileSystem.borrowed else { return nil }
      return fileSystem.object
    }
  }
  public func takeAddressSpace() -> AddressSpace? {
    process.lock.withLock { _ -> AddressSpace? in
      guard let addressSpace = addressSpace.borrowed else { return nil }
      return addressSpace.object
    }
  }

  // The task's own changes: the old object is dropped after the lock.

  public func setCredentials(_ new: Credentials) {
    let old = credentials.borrowed.object
    process.lock.withLock { _ in credentials.replace(new) }
    withExtendedLifetime(old) {}
  }
  public func setFiles(_ new: FileTable?) {
    let old = files.borrowed?.object
    process.lock.withLock { _ in files.replace(new) }
    withExtendedLifetime(old) {}
  }
  public func setFileSystem(_ new: FileSystemContext?) {
    let old = fileSystem.borrowed?.object
    process.lock.withLock { _ in fileSystem.replace(new) }
    withExtendedLifetime(old) {}
  }
  public func setAddressSpace(_ new: AddressSpace?) {
    let old = addressSpace.borrowed?.object
    process.lock.withLock { _ in addressSpace.replace(new) }
    withExtendedLifetime(old) {}
  }
}

extension Process {
  /// A thread of it: the leader while it lives, else the oldest. Nil for zombies.
  public var anyTask: Task? { lock.withLock { threads -> Task? in threads.tasks.first?.object } }
}

extension Process {
  /// All its threads, for those who look at each.
  public var allTasks: [Task] {
    lock.withLock { threads in
      var all: [Task] = []
      threads.tasks.forEach { all.append($0) }
      return all
    }
  }
}
extension ProcessGroup {
  /// All its processes. Takes `processTree`.
  public var processes: [Process] {
    withProcessTree {
      var all: [Process] = []
      members.forEach { all.append($0) }
      return all
    }
  }
}
