import CLinux
import Machine

/// A process group: setpgid(2). It lives while it has members, and its number is taken for as long. Whoever remembers one
/// without being its member (a terminal's foreground group) keeps a strong reference; it may then be empty.
public final class ProcessGroup {
  public let id: Int
  public let session: Session
  /// Under `processTree`.
  public internal(set) var members = MemberList<GroupMembership>()

  init(id: Int, session: Session) {
    self.id = id
    self.session = session
  }
}

/// A session: setsid(2), credentials(7). It lives while it has groups.
public final class Session {
  /// The leader's process id; the number is taken while a process is in the session.
  public let id: Int
  // All under `processTree`:
  var groups = 0
  /// The leader while it lives.
  var leader: Borrowed<Process>?  // cleared when it exits
  private var controllingTerminal = OwnedOptional<Terminal>()

  init(id: Int) { self.id = id }

  /// The controlling terminal. Takes `processTree`.
  public var terminal: Terminal? {
    withProcessTree { () -> Terminal? in
      guard let terminal = controllingTerminal.borrowed else { return nil }
      return terminal.object
    }
  }
  /// Takes `processTree`; the old one is dropped after it.
  public func setTerminal(_ terminal: Terminal?) {
    let old = self.terminal
    withProcessTree { controllingTerminal.replace(terminal) }
    withExtendedLifetime(old) {}
  }
}

public enum GroupMembership: Membership {
  @inline(__always) public static func neighbours(_ p: Process) -> Neighbours<Process> { p.groupNeighbours }
  @inline(__always) public static func setNeighbours(_ p: Process, _ n: Neighbours<Process>) { p.groupNeighbours = n }
}
