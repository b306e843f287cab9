import CLinux
import Machine

/// A thread group: what Linux shares among the threads of a process.
public final class Process {
  /// The process id.
  public let id: Int
  public init(id: Int) { self.id = id }
}
