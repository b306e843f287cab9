import CLinux
import Machine

/// A file of /proc/PID.
struct ProcEntry {
  enum Content {
    case text((ProcView, inout TextBuilder) throws(Errno) -> Void)
    /// A link to a place; what readlink(2) says of it.
    case place((ProcView) throws(Errno) -> Path)
    case descriptors
    case descriptorInformation
    case threads
    case memory
  }
  let name: StaticString
  let mode: UInt32
  /// Only for those who may look into the process.
  let isPrivate: Bool
  /// Not in the directories of threads.
  let isForProcess: Bool
  let content: Content
  var write: ((ProcView, [UInt8]) throws(Errno) -> Void)?

  init(
    _ name: StaticString, _ mode: UInt32, isPrivate: Bool = false, isForProcess: Bool = false, _ content: Content,
    write: ((ProcView, [UInt8]) throws(Errno) -> Void)? = nil
  ) {
    self.name = name
    self.mode = mode
    self.isPrivate = isPrivate
    self.isForProcess = isForProcess
    self.content = content
    self.write = write
  }
  var type: UInt32 {
    switch content {
    case .text, .memory: FileType.regular
    case .place: FileType.symbolicLink
    case .descriptors, .descriptorInformation, .threads: FileType.directory
    }
  }
}

/// The files of /proc/PID, made once at boot.
final class ProcEntries {
  private(set) var all: [ProcEntry] = []

  init() {
    add("task", 0o555, isForProcess: true, .threads)
    add("fd", 0o500, .descriptors)
    add("fdinfo", 0o555, .descriptorInformation)
    addMemory()
    addState()
    addPlaces()
    addConstants()
    addOwn()
  }

  // Out of line, so that the frames of these functions stay small.
  @inline(never) private func add(
    _ name: StaticString, _ mode: UInt32, isPrivate: Bool = false, isForProcess: Bool = false,
    _ content: ProcEntry.Content, write: ((ProcView, [UInt8]) throws(Errno) -> Void)? = nil
  ) {
    all.append(
      ProcEntry(name, mode, isPrivate: isPrivate, isForProcess: isForProcess, content, write: write))
  }
  @inline(never) private func constant(_ name: StaticString, _ text: StaticString) {
    add(name, 0o444, .text({ (v, t) throws(Errno) in t.add(text) }))
  }

  @inline(never) private func addMemory() {
    add("environ", 0o400, isPrivate: true, .text({ (v, t) throws(Errno) in try ProcMemory.environment(v, &t) }))
    add("auxv", 0o400, isPrivate: true, .text({ (v, t) throws(Errno) in try ProcMemory.auxiliary(v, &t) }))
    add("cmdline", 0o444, .text({ (v, t) throws(Errno) in try ProcMemory.commandLine(v, &t) }))
    add("mem", 0o600, .memory)
    add("maps", 0o444, isPrivate: true, .text({ (v, t) throws(Errno) in try ProcMaps.maps(v, &t) }))
    add("smaps", 0o444, isPrivate: true, .text({ (v, t) throws(Errno) in try ProcMaps.smaps(v, &t) }))
    add(
      "smaps_rollup", 0o444, isPrivate: true, isForProcess: true,
      .text({ (v, t) throws(Errno) in try ProcMaps.rollup(v, &t) }))
  }
  @inline(never) private func addState() {
    add("status", 0o444, .text({ (v, t) throws(Errno) in ProcStatus.status(v, &t) }))
    add("stat", 0o444, .text({ (v, t) throws(Errno) in ProcStatus.stat(v, &t) }))
    add("statm", 0o444, .text({ (v, t) throws(Errno) in ProcStatus.memory(v, &t) }))
    add("oom_score", 0o444, .text({ (v, t) throws(Errno) in ProcStatus.killScore(v, &t) }))
    add("limits", 0o444, .text({ (v, t) throws(Errno) in ProcStatus.limits(v, &t) }))
    add("io", 0o400, isPrivate: true, .text({ (v, t) throws(Errno) in ProcStatus.inputOutput(v, &t) }))
    add("personality", 0o400, isPrivate: true, .text({ (v, t) throws(Errno) in ProcStatus.personality(v, &t) }))
    add(
      "comm", 0o644, .text({ (v, t) throws(Errno) in ProcStatus.name(v, &t) }),
      write: { (v, bytes) throws(Errno) in try ProcStatus.setName(v, bytes) })
    add(
      "oom_score_adj", 0o644, .text({ (v, t) throws(Errno) in ProcStatus.killPriority(v, &t) }),
      write: { (v, bytes) throws(Errno) in try ProcStatus.setKillPriority(v, bytes) })
  }
  @inline(never) private func addOwn() {
    add(
      "hook", 0o644, isForProcess: true,
      .text({ (v, t) throws(Errno) in
        t.add(v.process.hook.name)
        t.newline()
      }), write: { (v, bytes) throws(Errno) in try Hook.set(v, bytes) })
  }
  @inline(never) private func addPlaces() {
    add("cwd", 0o777, .place({ (v) throws(Errno) in try ProcFiles.directory(v) }))
    add("root", 0o777, .place({ (v) throws(Errno) in try ProcFiles.root(v) }))
    add("exe", 0o777, .place({ (v) throws(Errno) in try ProcFiles.executable(v) }))
    add("mounts", 0o444, .text({ (v, t) throws(Errno) in try ProcFiles.mounts(v, &t) }))
    add("mountinfo", 0o444, .text({ (v, t) throws(Errno) in try ProcFiles.mountInformation(v, &t) }))
  }
  @inline(never) private func addConstants() {
    constant("wchan", "0")
    constant("cpuset", "/\n")
    constant("loginuid", "4294967295")
    constant("sessionid", "4294967295")
  }
}
let procEntries = KernelGlobal<ProcEntries>()

/// Numbers of the inodes below /proc/PID: the thread or process, then what of it.
private func inodeNumber(_ subject: ProcSubject, _ what: Int) -> UInt64 {
  let id = subject.tid == 0 ? UInt64(subject.pid) : UInt64(subject.tid) | 1 << 31
  return 1 << 40 | id << 8 | UInt64(what)
}

/// /proc/PID, and /proc/PID/task/TID.
final class ProcDirectory: SyntheticDirectory {
  let subject: ProcSubject

  init(_ fileSystem: FileSystem, _ subject: ProcSubject, _ view: ProcView) {
    self.subject = subject
    let owner = view.owner
    super.init(fileSystem, number: inodeNumber(subject, 0), uid: owner.uid, gid: owner.gid)
    linkCount = subject.tid == 0 ? 9 : 7
  }
  override var isTransient: Bool { true }
  override var parentNumber: UInt64 {
    subject.tid == 0 ? 1 : inodeNumber(ProcSubject(pid: subject.pid, tid: 0, started: 0), 1)
  }

  private func isHere(_ entry: ProcEntry) -> Bool { subject.tid == 0 || !entry.isForProcess }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    let view = try view()
    return procEntries.with { entries -> Inode? in
      for i in entries.all.indices where isHere(entries.all[i]) && isSame(entries.all[i].name.bytes, name) {
        return make(entries.all[i], i + 1, view)
      }
      return nil
    }
  }
  /// Errors: ENOENT, as names in the directory of a gone process have it.
  private func view() throws(Errno) -> ProcView {
    do throws(Errno) { return try subject.view() } catch { throw .noEntry }
  }

  private func make(_ entry: ProcEntry, _ index: Int, _ view: ProcView) -> Inode {
    let subject = subject
    let number = inodeNumber(subject, index)
    let (uid, gid) = view.owner
    switch entry.content {
    case .text(let generate):
      var check: (() throws(Errno) -> Void)?
      if entry.isPrivate { check = { () throws(Errno) in try subject.view().checkInspect() } }
      var write: SyntheticFile.Writer?
      if let store = entry.write { write = { (bytes) throws(Errno) in try store(try subject.view(), bytes) } }
      return SyntheticFile(fileSystem, number: number, mode: entry.mode, uid: uid, gid: gid, check: check, write: write)
      {
        (text) throws(Errno) in try generate(try subject.view(), &text)
      }
    case .place(let find):
      let place = { () throws(Errno) -> Path in
        let view = try subject.view()
        try view.checkInspect()
        return try find(view)
      }
      return SyntheticLink(fileSystem, number: number, uid: uid, gid: gid, place: place) {
        () throws(Errno) -> [UInt8] in
        try place().description(below: readersRoot())
      }
    case .descriptors:
      return ProcDescriptors(
        fileSystem, subject, number: number, mode: entry.mode, uid: uid, gid: gid, isInformation: false)
    case .descriptorInformation:
      return ProcDescriptors(
        fileSystem, subject, number: number, mode: entry.mode, uid: uid, gid: gid, isInformation: true)
    case .memory:
      return ProcMemoryNode(fileSystem, subject, number: number, mode: entry.mode, uid: uid, gid: gid)
    case .threads:
      return ProcThreads(fileSystem, subject, number: number, uid: uid, gid: gid)
    }
  }

  override func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? {
    procEntries.with { entries -> SyntheticEntry? in
      var i = cookie - 2
      while i >= 0 && i < entries.all.count {
        let entry = entries.all[i]
        if isHere(entry) {
          return SyntheticEntry(
            name: entry.name.bytes, number: inodeNumber(subject, i + 1), type: entry.type, next: i + 3)
        }
        i += 1
      }
      return nil
    }
  }
}

/// /proc/PID/task.
final class ProcThreads: SyntheticDirectory {
  private let subject: ProcSubject

  init(_ fileSystem: FileSystem, _ subject: ProcSubject, number: UInt64, uid: UInt32, gid: UInt32) {
    self.subject = subject
    super.init(fileSystem, number: number, uid: uid, gid: gid)
  }
  private func thread(_ tid: Int) -> ProcSubject { ProcSubject(pid: subject.pid, tid: tid, started: subject.started) }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    guard let tid = parseNumber(name) else { return nil }
    let subject = thread(tid)
    guard tid > 0, let view = try? subject.view() else { return nil }
    return ProcDirectory(fileSystem, subject, view)
  }
  override func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? {
    let from = cookie - 2  // the cookie is 2 more than the lowest number that it may be
    let process: Process
    do throws(Errno) { process = try subject.view().process } catch { throw .noEntry }
    let tid = process.lock.withLock { threads -> Int? in
      // The leader, though it has exited.
      var lowest = process.id >= from ? process.id : nil
      threads.tasks.forEach { task in if task.id >= from && task.id < lowest ?? .max { lowest = task.id } }
      return lowest
    }
    guard let tid else { return nil }
    return SyntheticEntry(
      name: Array("\(tid)".utf8), number: inodeNumber(thread(tid), 0), type: FileType.directory, next: tid + 3)
  }
}

/// /proc/PID/fd and fdinfo.
final class ProcDescriptors: SyntheticDirectory {
  private let subject: ProcSubject
  private let isInformation: Bool

  init(
    _ fileSystem: FileSystem, _ subject: ProcSubject, number: UInt64, mode: UInt32, uid: UInt32, gid: UInt32,
    isInformation: Bool
  ) {
    self.subject = subject
    self.isInformation = isInformation
    super.init(fileSystem, number: number, mode: mode, uid: uid, gid: gid)
  }
  override func checkListing() throws(Errno) { try subject.view().checkInspect() }
  /// A process may always use its own, whoever owns them.
  override func checkPermission(_ access: UInt32, _ credentials: Credentials) throws(Errno) {
    if Task.withCurrentTask({ (task: Task) in task.process.id }) == subject.pid { return }
    try super.checkPermission(access, credentials)
  }

  private func table() throws(Errno) -> FileTable? {
    let view = try subject.view()
    try view.checkInspect()
    return view.task?.takeFiles()
  }
  private func number(_ descriptor: Int) -> UInt64 { number << 20 | UInt64(descriptor) & 0xfffff }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    guard let descriptor = parseNumber(name), let file = try table()?.file(descriptor) else { return nil }
    let subject = subject
    let find = { () throws(Errno) -> File in
      let view = try subject.view()
      try view.checkInspect()
      guard let file = view.task?.takeFiles()?.file(descriptor) else { throw .noEntry }
      return file
    }
    if isInformation {
      return SyntheticFile(fileSystem, number: number(descriptor), mode: 0o400, uid: uid, gid: gid) {
        (text) throws(Errno) in
        ProcFiles.information(try find(), &text)
      }
    }
    var mode: UInt32 = 0
    if file.isReadable { mode |= 0o500 }
    if file.isWritable { mode |= 0o300 }
    return SyntheticLink(
      fileSystem, number: number(descriptor), mode: mode, uid: uid, gid: gid,
      place: { () throws(Errno) in ProcFiles.place(of: try find()) }
    ) { () throws(Errno) -> [UInt8] in ProcFiles.name(of: try find()) }
  }
  override func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? {
    guard let descriptor = try table()?.next(from: cookie - 2) else { return nil }
    return SyntheticEntry(
      name: Array("\(descriptor)".utf8), number: number(descriptor),
      type: isInformation ? FileType.regular : FileType.symbolicLink, next: descriptor + 3)
  }
}
