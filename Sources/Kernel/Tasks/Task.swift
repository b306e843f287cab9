import CLinux
import Machine

/// A guest thread: what Linux calls a task. Its thread group is `process`.
public final class Task: Thread {
  /// The thread id; the thread group's leader has the process's.
  public let id: Int
  public let process: Process
  // The four are changed by the task itself (execve, unshare, setuid…), or by whoever made it before it starts.
  public var credentials: Owned<Credentials>
  public var files: OwnedOptional<FileTable>            // nil once it exits
  public var fileSystem: OwnedOptional<FileSystemContext>
  public var addressSpace: OwnedOptional<AddressSpace>  // nil for kernel threads and once it exits
  /// The call that it is in, for strace and for what an interrupted call goes on with.
  public var call = 0
  /// comm: 15 bytes and a NUL.
  public var name: [UInt8] = []
  /// The last page fault and how often in a row it was the same: a fault that changes nothing must not repeat for ever.
  var faultAddress: UInt = 0, faultCount = 0

  public init(
    id: Int, process: Process, space: HostSpace, isGuest: Bool, credentials: Credentials, files: FileTable?,
    fileSystem: FileSystemContext?, addressSpace: AddressSpace?
  ) throws(Errno) {
    self.id = id
    self.process = process
    self.credentials = Owned(credentials)
    self.files = OwnedOptional(files)
    self.fileSystem = OwnedOptional(fileSystem)
    self.addressSpace = OwnedOptional(addressSpace)
    try super.init(space: space, isGuest: isGuest)
  }

  public override func systemCall(_ arguments: SyscallArguments) { dispatch(self, arguments) }
  public override func resolveFault(at address: UInt, isWrite: Bool, isExecute: Bool) -> Bool {
    resolvePageFault(at: address, isWrite: isWrite, isExecute: isExecute)
  }
}

extension Task {
  /// Runs `body` on the task that runs this.
  @inline(__always)
  public static func withCurrentTask<R: ~Copyable, E: Error>(_ body: (Task) throws(E) -> R) throws(E) -> R {
    try Thread.withCurrentSubclass(of: Task.self, body)
  }
}
