import CBoot
import CLinux
import Machine

/// What the terminals need once: at boot.
enum Terminals {
  /// Registers /dev/tty, /dev/console, /dev/ptmx and the slaves' devices, and devpts; makes the console where the machine
  /// has one. After the registries of devices and file systems are set. Errors: ENOMEM.
  static func prepare() throws(Errno) {
    if !hostStreams.isSet { hostStreams.set(HostStreams()) }
    Devices.register("tty", major: 5, minor: 0) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      let terminal = Task.withCurrentTask { (task: Task) in task.process.session.terminal }
      guard let terminal else { throw .noDeviceOrAddress }
      return try terminal.open(inode, path, flags | O_NOCTTY)
    }
    Devices.register("console", major: 5, minor: 1) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      guard console.isSet else { throw .noDevice }
      return try console.with { (console) throws(Errno) -> File in try console.open(inode, path, flags | O_NOCTTY) }
    }
    Devices.register("ptmx", major: 5, minor: 2) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      if let node = inode as? DevptsMasterNode { return try node.openMaster(path, flags) }
      guard firstDevpts.isSet else { throw .noDevice }
      return try firstDevpts.with { (root) throws(Errno) -> File in
        guard let fileSystem = root.inode.fileSystem as? Devpts else { throw .noDevice }
        return try fileSystem.openMaster(inode, path, flags)
      }
    }
    for major in UInt32(136)..<144 {
      Devices.register("pts", major: major, minor: 0, count: 256) {
        (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
        guard let node = inode as? DevptsNode else { throw .inputOutput }
        return try node.openSlave(path, flags)
      }
    }
    FileSystemTypes.register(DevptsType())
    if bootBlock.has(MARTLET_CONSOLE) {
      console.set(try ConsoleTerminal())
      try console.with { (console) throws(Errno) in try console.start() }
    }
  }

  /// The instance behind /dev/ptmx, to be mounted on /dev/pts.
  static func makeDevpts() -> Dentry {
    var options = DevptsOptions()
    options.gid = 5
    options.mode = 0o620
    options.ptmxMode = 0o666
    let root = Devpts.make(options)
    firstDevpts.set(root)
    return root
  }
}
private let firstDevpts = KernelGlobal<Dentry>()

extension Task {
  /// Makes the console, where the machine has one, the controlling terminal of this task's session, which it leads.
  func takeConsole() {
    if console.isSet { console.with { $0.control(process.session, foreground: process.group) } }
  }
}
