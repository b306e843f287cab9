import CBoot
import CLinux
import Machine

/// Opens descriptors 0, 1, 2 of the first process: those of the host that are open there; two that are one description on
/// the host are one here. In console mode 0 and 1, and 2 where it is the same terminal, are the console.
/// Errors: what the host says of a descriptor that it has open.
func openStandardStreams(_ task: Task) throws(Errno) {
  guard let table = task.files.borrowed else { return }
  if !hostStreams.isSet { hostStreams.set(HostStreams()) }
  task.takeConsole()
  var made = InlineArray<3, File?>(repeating: nil)
  for number in 0..<3 {
    var first = Int(StandardStreams.first(sharedWith: Int32(number)))
    if isConsole(number) { first = 0 }
    if first < number {
      made[number] = made[first]
    } else {
      do throws(Errno) {
        made[number] = isConsole(number) ? try openConsole(task) : try HostStream(Int32(number))
      } catch {
        if error != .badDescriptor { throw error }
      }
    }
    guard let file = made[number] else { continue }
    _ = try table.with { (table) throws(Errno) -> File? in try table.exchange(number, file, closeOnExec: false) }
  }
}

/// Whether the descriptor is the terminal that the console is on: 0, 1, and 2 where it is the same.
private func isConsole(_ number: Int) -> Bool {
  guard console.isSet else { return false }
  if number < 2 { return true }
  guard let terminal = HostDescriptor.inherited(0), let other = HostDescriptor.inherited(2) else { return false }
  do throws(Errno) {
    let (a, b) = (try terminal.status(), try other.status())
    return b.st_mode & FileType.mask == FileType.characterDevice && a.st_rdev == b.st_rdev
  } catch {
    return false
  }
}

private func openConsole(_ task: Task) throws(Errno) -> File {
  try console.with { (console) throws(Errno) -> File in
    do throws(Errno) {
      let path = try task.resolve(Array("/dev/console".utf8))
      return try console.open(path.dentry.inode, path, O_RDWR | O_NOCTTY)
    } catch {
      // A root without the node.
      return try console.open(try HostStreamInode(0, isWatched: false), nil, O_RDWR | O_NOCTTY)
    }
  }
}
