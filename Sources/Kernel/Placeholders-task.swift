import Machine

// Bare shapes of what belongs to others, until theirs land.
extension AddressSpace {
  func fork() throws(Errno) -> AddressSpace { throw .noMemory }
}
func wakeClearedTid(_ address: UInt) {}
extension Task {
  func exitRobustList() {}
}
extension HostSpace {
  static func waitForRoom() throws(Errno) {}
}
extension Process {
  func lastThreadLeaves() {}
}
func execute(_ task: Task, path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) throws(Errno) { throw .noEntry }
extension Task {
  func changeDirectory(_ path: [UInt8]) throws(Errno) {}
  func readSmallFile(_ path: [UInt8]) -> [UInt8]? { nil }
}
extension File {
  func writeAll(_ bytes: [UInt8]) {}
}
