import CLinux
import Machine

/// What /proc/PID reads of a process's memory: its command line, its environment, its auxiliary vector.
enum ProcMemory {
  /// As much as one file shows: Linux has no bound but memory; the strings of execve(2) fit well.
  private static var maximum: Int { 2 << 20 }

  static func commandLine(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let space = view.task?.takeAddressSpace() else { return }
    text.add(try read(space, space.commandLine))
  }
  static func environment(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let space = view.task?.takeAddressSpace() else { return }
    text.add(try read(space, space.environment))
  }
  static func auxiliary(_ view: ProcView, _ text: inout TextBuilder) throws(Errno) {
    guard let space = view.task?.takeAddressSpace() else { return }
    for word in space.auxiliary {
      for shift in stride(from: UInt(0), to: 64, by: 8) { text.add(byte: UInt8(truncatingIfNeeded: word >> shift)) }
    }
  }

  /// The bytes of `range`, where it is private memory of the process; nothing otherwise. Errors: ENOMEM.
  private static func read(_ space: AddressSpace, _ range: Range<UInt>) throws(Errno) -> [UInt8] {
    let count = min(Int(range.count), maximum)
    if count <= 0 { return [] }
    let buffer = try KernelBuffer(count: count)
    let from = UserPointer<UInt8>(range.lowerBound)
    do throws(Errno) {
      if Task.withCurrentTask({ (task: Task) in task.addressSpace.borrowed.map { $0 == space } ?? false }) {
        try from.copyIn(to: buffer.bytes)
      } else {
        // The lock keeps the range mapped, so the copy faults nowhere; the fault path would take it for the reader's own.
        try space.withState { (state) throws(Errno) in
          if state.isGone || !isPrivate(state.areas, range.lowerBound, range.lowerBound + UInt(count)) { throw .fault }
          try space.host.run { () throws(Errno) in try from.copyIn(to: buffer.bytes) }
        }
      }
    } catch {
      return []
    }
    return buffer.bytes.array
  }
  private static func isPrivate(_ areas: borrowing AreaMap, _ start: UInt, _ end: UInt) -> Bool {
    var at = start
    while at < end {
      guard let area = areas.tree.area(at: at), area.mapping == nil, area.flags.contains(.read) else { return false }
      at = area.end
    }
    return true
  }
}
