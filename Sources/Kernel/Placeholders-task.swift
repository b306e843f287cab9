import Machine

// Bare shapes of what belongs to others, until theirs land.
open class Terminal {
  public init() {}
}
extension AddressSpace {
  var space: HostSpace { Thread.current.with { $0.space } }
  var userCount: Int { 1 }
  func join() {}
  func leave() {}
  func fork() throws(Errno) -> AddressSpace { throw .noMemory }
}
extension FileTable {
  func share() {}
  func leave(_ task: Task) {}
  func copy() -> FileTable { self }
}
extension FileSystemContext {
  func copy() -> FileSystemContext { self }
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
