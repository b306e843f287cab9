import Machine

// Bare shapes of what belongs to others, until theirs land.
extension Process {
  func lastThreadLeaves() {}
}
extension Task {
  func changeDirectory(_ path: [UInt8]) throws(Errno) {}
  func readSmallFile(_ path: [UInt8]) -> [UInt8]? { nil }
}
extension File {
  func writeAll(_ bytes: [UInt8]) {}
}
