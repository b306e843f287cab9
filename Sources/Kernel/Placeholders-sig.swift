import CLinux
import Machine

// What the owners of tasks provide; deleted when theirs lands.
enum WaitStatus {
  static func killed(_ signal: Int32) -> Int32 { signal }
}
extension Task {
  func exitGroup(_ status: Int32) -> Never { Scheduler.exit() }
  func exitKilled() -> Never { Scheduler.exit() }
}
extension Process {
  @discardableResult func beginGroupExit(_ status: Int32) -> Int32 { 0 }
  func tellParent(code: Int32, status: Int32) {}
  var exitUser: UInt32 { 0 }
  var usage: ResourceUsage { ResourceUsage() }
  func livingUsage() -> ResourceUsage { ResourceUsage() }
}
func isOrphaned(_ group: ProcessGroup, ignoring: Process?) -> Bool { false }
