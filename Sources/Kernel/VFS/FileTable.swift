import CLinux
import Machine

/// The descriptors of a process: what clone(2) shares with CLONE_FILES.
///
/// All changes are made under the lock, and what leaves the table is dropped after it. Only a task that uses the table
/// closes its descriptors, so a table with one user is read without lock and count (Linux's fdget).
public final class FileTable {
  private let lock = SpinLock<Void>((), rank: .descriptors)
  private var slots: ReferenceTable<File>
  private var used: Bitmap  // which descriptors are open or reserved
  private var closing: Bitmap  // FD_CLOEXEC
  private var lowest = 0  // none below it is free
  /// Tasks that share it; a task that looks at another's table uses `file(_:)`, which counts.
  public private(set) var users = 1

  public init(capacity: Int = 64) {
    slots = ReferenceTable(capacity: capacity)
    used = Bitmap(count: capacity)
    closing = Bitmap(count: capacity)
  }

  // MARK: users

  /// Another task shares it.
  public func share() { lock.withLock { _ in users += 1 } }
  /// A task leaves it; the last one closes everything.
  public func leave(_ task: Task) {
    let isLast = lock.withLock { _ -> Bool in
      users -= 1
      return users == 0
    }
    if isLast { closeAll(task) }
  }

  // MARK: looking up

  /// Runs `body` on the open file `descriptor`, which stays open meanwhile. Errors: EBADF.
  @inline(__always)
  public func withFile<R: ~Copyable>(_ descriptor: Int, _ body: (File) throws(Errno) -> R) throws(Errno) -> R {
    if users == 1 {
      guard let file = slots[descriptor] else { throw .badDescriptor }
      return try file.with(body)
    }
    return try withSharedFile(descriptor, body)
  }
  @inline(never)
  private func withSharedFile<R: ~Copyable>(_ descriptor: Int, _ body: (File) throws(Errno) -> R) throws(Errno) -> R {
    guard let file = file(descriptor) else { throw .badDescriptor }
    return try body(file)
  }
  /// Which of `bits`, descriptors from `first` on, are open files that are always ready, as select(2) asks. It may leave out
  /// some, and does where other tasks share the table.
  @inline(__always) func alwaysReady(_ bits: UInt64, from first: Int) -> UInt64 {
    guard users == 1 else { return 0 }
    var left = bits, result: UInt64 = 0
    while left != 0 {
      let rest = left & (left &- 1)
      if let file = slots[first &+ left.trailingZeroBitCount],
        file.with({ $0.isAlwaysReady && $0.flags & O_PATH == 0 })
      {
        result |= left ^ rest
      }
      left = rest
    }
    return result
  }
  /// The open file `descriptor`, counted: for those who keep it, and for other tasks.
  public func file(_ descriptor: Int) -> File? { lock.withLock { _ in slots[descriptor]?.object } }
  /// Slots that it has room for: FDSize of /proc/PID/status.
  public var size: Int { lock.withLock { _ in slots.capacity } }
  /// The first open descriptor from `from` on, for /proc/PID/fd and close_range(2).
  public func next(from: Int) -> Int? {
    lock.withLock { _ in
      var at = from
      while let found = used.firstSet(from: at) {
        if slots[found] != nil { return found }
        at = found + 1
      }
      return nil
    }
  }

  // MARK: opening

  /// Takes the lowest free descriptor from `from` on, below `limit` (RLIMIT_NOFILE); `publish` or `unreserve` follows.
  /// Errors: EMFILE.
  public func reserve(from: Int = 0, closeOnExec: Bool, limit: Int) throws(Errno) -> Int {
    try lock.withLock { (_) throws(Errno) -> Int in
      let found = free(from: from)
      guard found < limit else { throw .tooManyFiles }
      grow(toHold: found)
      set(found, closeOnExec)
      return found
    }
  }
  /// Opens a reserved descriptor.
  public func publish(_ descriptor: Int, _ file: consuming File) {
    var file: File? = consume file
    let old = lock.withLock { _ in slots.exchange(descriptor, file.take()) }
    withExtendedLifetime(old) {}
  }
  public func unreserve(_ descriptor: Int) { lock.withLock { _ in clear(descriptor) } }

  /// Opens the lowest free descriptor from `from` on. Errors: EMFILE.
  public func install(_ file: consuming File, from: Int = 0, closeOnExec: Bool, limit: Int) throws(Errno) -> Int {
    var file: File? = consume file
    return try lock.withLock { (_) throws(Errno) -> Int in
      let found = free(from: from)
      guard found < limit else { throw .tooManyFiles }
      grow(toHold: found)
      set(found, closeOnExec)
      _ = slots.exchange(found, file.take())
      return found
    }
  }
  /// Whether there surely is a descriptor free for the only task that uses the table: one that need not reserve it first.
  @inline(__always) func hasRoom(below limit: Int) -> Bool {
    users == 1 && lowest < slots.capacity && slots.capacity <= limit && !used[lowest]
  }
  /// Opens `descriptor`, which the caller has checked against RLIMIT_NOFILE, in place of what it was (dup2(2)). Returns
  /// what it was. Errors: EBUSY where another task is about to open it.
  public func exchange(_ descriptor: Int, _ file: File, closeOnExec: Bool) throws(Errno) -> File? {
    try lock.withLock { (_) throws(Errno) -> File? in
      grow(toHold: descriptor)
      if used[descriptor] && slots[descriptor] == nil { throw .busy }
      set(descriptor, closeOnExec)
      return slots.exchange(descriptor, file)
    }
  }

  // MARK: flags

  public func closesOnExec(_ descriptor: Int) throws(Errno) -> Bool {
    try lock.withLock { (_) throws(Errno) -> Bool in
      guard slots[descriptor] != nil else { throw .badDescriptor }
      return closing[descriptor]
    }
  }
  public func setClosesOnExec(_ descriptor: Int, _ value: Bool) throws(Errno) {
    try lock.withLock { (_) throws(Errno) in
      guard slots[descriptor] != nil else { throw .badDescriptor }
      set(descriptor, value)
    }
  }

  // MARK: closing

  /// Takes `descriptor` out, for the caller to `flush` and drop. Errors: EBADF.
  public func remove(_ descriptor: Int) throws(Errno) -> File {
    let file = lock.withLock { _ -> File? in
      guard slots[descriptor] != nil else { return nil }
      clear(descriptor)
      return slots.exchange(descriptor, nil)
    }
    guard let file else { throw .badDescriptor }
    return file
  }
  /// close(2). Errors: EBADF, and what `File.flush` throws; the descriptor is closed all the same.
  public func close(_ descriptor: Int, _ task: Task) throws(Errno) {
    let file = try remove(descriptor)
    try release(file, task)
  }
  /// What every close of a descriptor does to its file.
  public func release(_ file: File, _ task: Task) throws(Errno) {
    if file.inode.locks != nil { file.inode.releaseLocks(ofOwner: Borrowed(self).identity) }
    try file.flush(task)
  }
  /// execve(2): closes what is marked so.
  public func closeOnExec(_ task: Task) {
    var at = 0
    while let descriptor = next(from: at) {
      at = descriptor + 1
      if (try? closesOnExec(descriptor)) == true { _ = try? close(descriptor, task) }
    }
  }
  public func closeAll(_ task: Task) {
    var at = 0
    while let descriptor = next(from: at) {
      at = descriptor + 1
      _ = try? close(descriptor, task)
    }
  }

  /// A table of its own for a new process, with the same files: fork(2).
  public func copy() -> FileTable {
    var files: [(Int, File, Bool)] = []
    var capacity = 64
    lock.withLock { _ in
      capacity = max(64, ((used.lastSet ?? 0) + 64) & ~63)
      for i in 0..<slots.capacity {
        if let file = slots[i] { files.append((i, file.object, closing[i])) }
      }
    }
    let result = FileTable(capacity: capacity)
    for (i, file, closes) in files {
      result.set(i, closes)
      _ = result.slots.exchange(i, file)
    }
    return result
  }

  // MARK: the lock is held

  @inline(__always) private func free(from: Int) -> Int {
    let found = used.firstClear(from: max(from, lowest))
    if from <= lowest { lowest = found }
    return found
  }
  private func grow(toHold descriptor: Int) {
    guard descriptor >= slots.capacity else { return }
    let capacity = max(slots.capacity * 2, (descriptor + 64) & ~63)
    slots.grow(to: capacity)
    used.grow(to: capacity)
    closing.grow(to: capacity)
  }
  @inline(__always) private func set(_ i: Int, _ closeOnExec: Bool) {
    used[i] = true
    closing[i] = closeOnExec
    if i == lowest { lowest = i &+ 1 }
  }
  @inline(__always) private func clear(_ i: Int) {
    used[i] = false
    closing[i] = false
    if i < lowest { lowest = i }
  }
}
