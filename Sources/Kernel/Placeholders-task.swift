import Machine

// Bare shapes of what belongs to others, until theirs land.
class TerminalPlaceholder {
  public init() {}
}
extension AddressSpace {
  func fork() throws(Errno) -> AddressSpace { throw .noMemory }
}
extension HostSpace {
  static func waitForRoom() throws(Errno) {}
}
extension Process {
  func lastThreadLeaves() {}
}
