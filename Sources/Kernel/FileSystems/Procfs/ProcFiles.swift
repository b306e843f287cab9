import CLinux
import Machine

/// What /proc/PID tells of a process's files.
enum ProcFiles {
  private static func context(_ view: ProcView) throws(Errno) -> FileSystemContext {
    guard let context = view.task?.takeFileSystem() else { throw .noEntry }
    return context
  }
  static func directory(_ view: ProcView) throws(Errno) -> Path { try context(view).directory }
  static func root(_ view: ProcView) throws(Errno) -> Path { try context(view).root }
  static func executable(_ view: ProcView) throws(Errno) -> Path {
    guard let space = view.task?.takeAddressSpace(), let file = space.executable, let path = file.path
    else { throw .noEntry }
    return path
  }
  static func mounts(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    text.add(mountsText(below: try context(view).root))
  }
  static func mountInformation(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    text.add(mountInformationText(below: try context(view).root))
  }

  /// Where /proc/PID/fd/N leads: what has no path gets one of its own, in a mount that is nowhere.
  static func place(of file: File) -> Path {
    if let path = file.path { return path }
    return nowhere.with { Path(mount: $0, dentry: Dentry(root: file.inode)) }
  }
  static func name(of file: File) -> [UInt8] {
    if let path = file.path { return path.description(below: readersRoot()) }
    return file.label
  }

  /// /proc/PID/fdinfo/N.
  static func information(_ file: File, _ text: inout TextBuilder) {
    text.add("pos:\t")
    text.add(file.isSeekable ? file.position : 0)
    text.add("\nflags:\t0")
    text.add(octal: UInt32(bitPattern: file.flags))
    text.add("\nmnt_id:\t")
    text.add(file.path?.mount.id ?? 0)
    text.add("\nino:\t")
    text.add(file.inode.number)
    text.newline()
    if let event = file as? EventFile {
      text.add("eventfd-count: ")
      text.add(hex: event.count, width: 16, padding: 32)
      text.newline()
    } else if let epoll = file as? EpollFile {
      epoll.epoll.items.withLock { items in
        items.forEach { item in
          text.add("tfd: ")
          text.add(Int(item.descriptor), width: 8)
          text.add(" events: ")
          text.add(hex: UInt64(item.wanted), width: 8, padding: 32)
          text.add(" data: ")
          text.add(hex: item.data, width: 16, padding: 32)
          text.newline()
        }
      }
    }
  }
}
/// The mount of files that have no path: in no tree.
let nowhere = KernelGlobal<Mount>()
