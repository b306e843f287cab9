import CBoot
import CLinux
import Machine

/// Opens descriptors 0, 1, 2 of the first process: those of the host that are open there; two that are one description on
/// the host are one here. In console mode 0 and 1, and 2 where it is the same terminal, are the console.
/// Errors: what the host says of a descriptor that it has open.
func openStandardStreams(_ task: Task) throws(Errno) {
  guard let table = task.files.borrowed else { return }
  if !hostStreams.isSet { hostStreams.set(HostStreams()) }
  var made = InlineArray<3, File?>(repeating: nil)
  for number in 0..<3 {
    let first = Int(StandardStreams.first(sharedWith: Int32(number)))
    if first < number {
      made[number] = made[first]
    } else {
      do throws(Errno) {
        made[number] = try HostStream(Int32(number))
      } catch {
        if error != .badDescriptor { throw error }
      }
    }
    guard let file = made[number] else { continue }
    _ = try table.with { (table) throws(Errno) -> File? in try table.exchange(number, file, closeOnExec: false) }
  }
}
