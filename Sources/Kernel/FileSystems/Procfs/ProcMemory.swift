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

  /// The bytes of `range`, as far as they are mapped; nothing where the process is gone. Errors: ENOMEM.
  private static func read(_ space: AddressSpace, _ range: Range<UInt>) throws(Errno) -> [UInt8] {
    let count = min(Int(range.count), maximum)
    if count <= 0 { return [] }
    let buffer = try KernelBuffer(count: count)
    do throws(Errno) {
      let moved = try Task.withCurrentTask { (task) throws(Errno) -> Int in
        try space.read(task, at: range.lowerBound, to: buffer.bytes)
      }
      return buffer.bytes.slice(0, moved).array
    } catch {
      return []
    }
  }
}
