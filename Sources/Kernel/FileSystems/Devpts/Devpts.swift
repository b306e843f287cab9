import CLinux
import Machine

/// devpts: an instance is a set of pseudo-terminals with its own numbers; opening its `ptmx` makes one. /dev/ptmx is the
/// first instance's, which boot mounts on /dev/pts.
final class Devpts: FileSystem {
  let configuration: DevptsOptions
  private let slots = Mutex<[Borrowed<PseudoTerminal>?]>([], rank: .fileSystem)  // each leaves before it dies
  /// Set once, by `make`: the root keeps the instance, not the other way round.
  static var limit: Int { 4096 }

  private init(_ options: DevptsOptions) {
    configuration = options
    super.init(type: "devpts", magic: Int(DEVPTS_SUPER_MAGIC))
    source = Array("devpts".utf8)
  }
  /// A new instance's root.
  static func make(_ options: DevptsOptions) -> Dentry { Dentry(root: DevptsRoot(Devpts(options))) }

  override var revalidates: Bool { true }
  override var cachesAbsence: Bool { false }
  override var options: [UInt8] {
    var text = ",mode=" + String(configuration.mode, radix: 8)
    if let gid = configuration.gid { text = ",gid=\(gid)" + text }
    text += ",ptmxmode=" + String(configuration.ptmxMode, radix: 8)
    return Array(text.utf8)
  }

  /// Makes a pseudo-terminal; what is returned is its master. Errors: ENOSPC.
  func openMaster(_ inode: Inode, _ path: Path?, _ flags: Int32) throws(Errno) -> File {
    let (uid, gid) = Task.withCurrentTask { (task: Task) in task.credentials.borrowed.with { ($0.fsuid, $0.fsgid) } }
    let terminal = try slots.withLock { (slots) throws(Errno) -> PseudoTerminal in
      var number = 0
      while number < slots.count && slots[number] != nil { number += 1 }
      guard number < min(Devpts.limit, configuration.limit) else { throw .noSpace }
      let node = DevptsNode(self, number, uid: configuration.uid ?? uid, gid: configuration.gid ?? gid)
      let terminal = PseudoTerminal(self, number: number, node: node)
      if number == slots.count { slots.append(nil) }
      slots[number] = Borrowed(terminal)
      return terminal
    }
    return PseudoTerminalMaster(terminal, inode: inode, path: path, flags: flags)
  }
  /// The master of `terminal` is closed.
  func remove(_ terminal: PseudoTerminal) {
    slots.withLock { slots in
      if terminal.number < slots.count, let slot = slots[terminal.number], slot == terminal {
        slots[terminal.number] = nil
      }
    }
  }
  func terminal(_ number: Int) -> PseudoTerminal? {
    slots.withLock { slots in number >= 0 && number < slots.count ? slots[number]?.object : nil }
  }
  /// The first number from `number` on that is taken.
  func next(from number: Int) -> PseudoTerminal? {
    slots.withLock { slots in
      var at = max(number, 0)
      while at < slots.count {
        if let found = slots[at] { return found.object }
        at += 1
      }
      return nil
    }
  }
}

/// A slave's node: `/dev/pts/3`.
final class DevptsNode: Inode {
  let terminalNumber: Int
  private let devpts: Borrowed<Devpts>  // `fileSystem`, which is kept

  init(_ fileSystem: Devpts, _ number: Int, uid: UInt32, gid: UInt32) {
    terminalNumber = number
    devpts = Borrowed(fileSystem)
    let device = deviceNumber(136 + UInt32(number >> 8), UInt32(number & 255))
    super.init(
      fileSystem: fileSystem, number: UInt64(number) + 3,
      mode: FileType.characterDevice | fileSystem.configuration.mode,
      uid: uid, gid: gid, rdev: device)
  }
  /// Errors: EIO where the pseudo-terminal is gone.
  func openSlave(_ path: Path?, _ flags: Int32) throws(Errno) -> File {
    guard let terminal = devpts.with({ $0.terminal(terminalNumber) }), terminal.node === self else {
      throw .inputOutput
    }
    return try terminal.open(self, path, flags)
  }
}

/// The master's node, in the root of each instance.
final class DevptsMasterNode: Inode {
  private let devpts: Borrowed<Devpts>  // `fileSystem`, which is kept

  init(_ fileSystem: Devpts) {
    devpts = Borrowed(fileSystem)
    super.init(
      fileSystem: fileSystem, number: 2, mode: FileType.characterDevice | fileSystem.configuration.ptmxMode,
      rdev: deviceNumber(5, 2))
  }
  func openMaster(_ path: Path?, _ flags: Int32) throws(Errno) -> File {
    try devpts.with { (fs) throws(Errno) -> File in try fs.openMaster(self, path, flags) }
  }
}

/// The root, which is the only directory.
final class DevptsRoot: Inode {
  private let devpts: Borrowed<Devpts>  // `fileSystem`, which is kept
  private let master: DevptsMasterNode

  init(_ fileSystem: Devpts) {
    devpts = Borrowed(fileSystem)
    master = DevptsMasterNode(fileSystem)
    super.init(fileSystem: fileSystem, number: 1, mode: FileType.directory | 0o755)
    linkCount = 2
  }

  override func lookup(_ name: Span<UInt8>) throws(Errno) -> Inode? { find(name) }
  override func revalidate(_ name: Span<UInt8>, _ inode: Inode?) throws(Errno) -> Bool { find(name) === inode }

  private func find(_ name: Span<UInt8>) -> Inode? {
    if isMaster(name) { return master }
    guard name.count <= 4, name.count == 1 || name[0] != 48 else { return nil }
    var number = 0
    for i in name.indices {
      guard name[i] >= 48 && name[i] <= 57 else { return nil }
      number = number * 10 + Int(name[i] - 48)
    }
    return devpts.with { $0.terminal(number) }?.node
  }
  private func isMaster(_ name: Span<UInt8>) -> Bool {
    name.count == 4 && name[0] == 112 && name[1] == 116 && name[2] == 109 && name[3] == 120
  }

  override func open(_ path: Path, _ flags: Int32) throws(Errno) -> File {
    DevptsListing(inode: self, path: path, flags: flags)
  }

  fileprivate func list(_ file: DevptsListing, _ entries: inout DirectoryEntries) {
    if file.position == 2 {
      let name: [UInt8] = [112, 116, 109, 120]
      guard entries.add(name.span, inode: master.number, type: FileType.characterDevice, next: 3) else { return }
      file.position = 3
    }
    while let terminal = devpts.with({ $0.next(from: file.position - 3) }) {
      let name = Array("\(terminal.number)".utf8)
      let next = terminal.number + 4
      guard entries.add(name.span, inode: terminal.node.number, type: FileType.characterDevice, next: next) else {
        return
      }
      file.position = next
    }
  }
}

/// Its listing: after the dots (cookies 1 and 2) comes `ptmx` (3), then number n with cookie n + 4.
private final class DevptsListing: File {
  override var isSeekable: Bool { true }
  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { throw .isDirectory }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    guard whence == 0, offset >= 0 else { throw .invalid }
    position = offset
    return offset
  }
  override func readDirectory(_ entries: inout DirectoryEntries) throws(Errno) {
    guard let root = inode as? DevptsRoot else { throw .notDirectory }
    while position < 2 {
      let dots: [UInt8] = position == 0 ? [46] : [46, 46]
      guard entries.add(dots.span, inode: 1, type: FileType.directory, next: position + 1) else { return }
      position += 1
    }
    root.list(self, &entries)
  }
}
