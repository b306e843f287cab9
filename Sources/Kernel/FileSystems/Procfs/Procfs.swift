import CLinux
import Machine

/// procfs: proc(5). One instance, which every mount shows.
final class Procfs: FileSystem {
  init() {
    super.init(type: "proc", magic: Int(PROC_SUPER_MAGIC))
    source = ("proc" as StaticString).bytes
  }
  override var revalidates: Bool { true }
  override var cachesAbsence: Bool { false }
  override var refusesNewNames: Bool { true }

  /// The root with all that does not come and go.
  func makeRoot() -> ProcRoot {
    let root = ProcRoot(self)
    let top = root.fixed
    top.file("cmdline") { (text) throws(Errno) in ProcSystem.commandLineText(&text) }
    top.file("cpuinfo") { (text) throws(Errno) in ProcSystem.processorsText(&text) }
    top.file("devices") { (text) throws(Errno) in ProcSystem.devicesText(&text) }
    top.file("filesystems") { (text) throws(Errno) in ProcSystem.fileSystemsText(&text) }
    top.file("loadavg") { (text) throws(Errno) in ProcSystem.loadText(&text) }
    top.file("meminfo") { (text) throws(Errno) in ProcSystem.memoryText(&text) }
    top.file("partitions") { (text) throws(Errno) in text.add("major minor  #blocks  name\n\n") }
    top.file("stat") { (text) throws(Errno) in ProcSystem.statText(&text) }
    top.file("swaps") { (text) throws(Errno) in text.add("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n") }
    top.file("uptime") { (text) throws(Errno) in ProcSystem.uptimeText(&text) }
    top.file("version") { (text) throws(Errno) in ProcSystem.versionText(&text) }
    top.file("vmstat") { (text) throws(Errno) in ProcSystem.vmstatText(&text) }
    top.file("diskstats") { (text) throws(Errno) in }
    top.file("interrupts") { (text) throws(Errno) in text.add("           CPU0       \n") }
    top.file("modules") { (text) throws(Errno) in }
    top.link("mounts", to: "self/mounts")
    top.directory("martlet").file("rewrite") { (text) throws(Errno) in ProcRewrite.text(&text) }
    ProcSysctl.fill(top.directory("sys"))
    top.add(
      "self",
      SyntheticLink(self, number: newInodeNumber()) { () throws(Errno) -> [UInt8] in
        Task.withCurrentTask { (task: Task) in Array("\(task.process.id)".utf8) }
      })
    top.add(
      "thread-self",
      SyntheticLink(self, number: newInodeNumber()) { () throws(Errno) -> [UInt8] in
        Task.withCurrentTask { (task: Task) in Array("\(task.process.id)/task/\(task.id)".utf8) }
      })
    return root
  }
}

/// /proc itself: what is fixed, then the processes.
final class ProcRoot: SyntheticDirectory {
  let fixed: FixedDirectory
  /// Cookies from here on are a process's number more.
  private static var processes: Int { 256 }

  init(_ fileSystem: Procfs) {
    let number = fileSystem.newInodeNumber()
    fixed = FixedDirectory(fileSystem, parent: number)
    super.init(fileSystem, number: number)
  }

  private func subject(_ pid: Int) -> (ProcSubject, ProcView)? {
    guard pid > 0, let process = Processes.find(pid) else { return nil }
    let subject = ProcSubject(pid: pid, tid: 0, started: process.startTime)
    return (subject, ProcView(process: process, task: process.anyTask, isThread: false))
  }
  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? {
    guard let number = parseNumber(name) else { return try fixed.lookup(name) }
    if let (subject, view) = subject(number) { return ProcDirectory(fileSystem, subject, view) }
    // As on Linux a thread's number works too, though no listing shows it.
    guard let task = Processes.findTask(number) else { return nil }
    let subject = ProcSubject(pid: task.process.id, tid: number, started: task.process.startTime)
    return ProcDirectory(fileSystem, subject, ProcView(process: task.process, task: task, isThread: true))
  }
  override func entry(at cookie: Int) throws(Errno) -> SyntheticEntry? {
    if cookie < Self.processes, let entry = try fixed.entry(at: cookie) { return entry }
    let from = max(cookie - Self.processes, 1)
    guard let process = Processes.next(from: from), let (subject, view) = subject(process.id) else { return nil }
    return SyntheticEntry(
      name: Array("\(process.id)".utf8), number: ProcDirectory(fileSystem, subject, view).number,
      type: FileType.directory, next: Self.processes + process.id + 1)
  }
}

final class ProcfsType: FileSystemType {
  private let root: Dentry
  init() {
    root = Dentry(root: Procfs().makeRoot())
    super.init(name: "proc")
  }
  override func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry { root }
}

/// At boot, before the first task: procfs and sysfs and what they need.
public func prepareProcfs() {
  procEntries.set(ProcEntries())
  loadAverage.set(LoadAverage())
  nowhere.set(mounts.with { $0.make(Dentry(root: AnonymousInode.shared), flags: 0) })
  FileSystemTypes.register(ProcfsType())
  FileSystemTypes.register(SysfsType())
}
