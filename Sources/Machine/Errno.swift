import CLinux

/// An error of the guest's ABI: errno(3). Its number reaches the guest only in the dispatcher.
///
/// The numbers from 512 on never leave the kernel: they say how an interrupted call goes on (Linux's ERESTART*), and
/// the way out of the kernel turns each into EINTR or into the call once more, see signal(7).
public struct Errno: Error, Equatable, Sendable {
  public let number: Int32
  @inline(__always) public init(_ number: Int32) { self.number = number }
  @inline(__always) public static func == (a: Errno, b: Errno) -> Bool { a.number == b.number }
}

extension Errno {
  public static var notPermitted: Errno { Errno(EPERM) }
  public static var noEntry: Errno { Errno(ENOENT) }
  public static var noProcess: Errno { Errno(ESRCH) }
  public static var interrupted: Errno { Errno(EINTR) }
  public static var inputOutput: Errno { Errno(EIO) }
  public static var noDeviceOrAddress: Errno { Errno(ENXIO) }
  public static var tooBig: Errno { Errno(E2BIG) }
  public static var notExecutable: Errno { Errno(ENOEXEC) }
  public static var badDescriptor: Errno { Errno(EBADF) }
  public static var noChild: Errno { Errno(ECHILD) }
  public static var wouldBlock: Errno { Errno(EAGAIN) }
  public static var noMemory: Errno { Errno(ENOMEM) }
  public static var access: Errno { Errno(EACCES) }
  public static var fault: Errno { Errno(EFAULT) }
  public static var busy: Errno { Errno(EBUSY) }
  public static var exists: Errno { Errno(EEXIST) }
  public static var crossDevice: Errno { Errno(EXDEV) }
  public static var noDevice: Errno { Errno(ENODEV) }
  public static var notDirectory: Errno { Errno(ENOTDIR) }
  public static var isDirectory: Errno { Errno(EISDIR) }
  public static var invalid: Errno { Errno(EINVAL) }
  public static var tooManyFilesInSystem: Errno { Errno(ENFILE) }
  public static var tooManyFiles: Errno { Errno(EMFILE) }
  public static var notTerminal: Errno { Errno(ENOTTY) }
  public static var textBusy: Errno { Errno(ETXTBSY) }
  public static var fileTooBig: Errno { Errno(EFBIG) }
  public static var noSpace: Errno { Errno(ENOSPC) }
  public static var illegalSeek: Errno { Errno(ESPIPE) }
  public static var readOnlyFileSystem: Errno { Errno(EROFS) }
  public static var tooManyLinks: Errno { Errno(EMLINK) }
  public static var brokenPipe: Errno { Errno(EPIPE) }
  public static var range: Errno { Errno(ERANGE) }
  public static var deadlock: Errno { Errno(EDEADLK) }
  public static var nameTooLong: Errno { Errno(ENAMETOOLONG) }
  public static var noCall: Errno { Errno(ENOSYS) }
  public static var notEmpty: Errno { Errno(ENOTEMPTY) }
  public static var loop: Errno { Errno(ELOOP) }
  public static var overflow: Errno { Errno(EOVERFLOW) }
  public static var notSupported: Errno { Errno(EOPNOTSUPP) }
  public static var timedOut: Errno { Errno(ETIMEDOUT) }
  public static var noData: Errno { Errno(ENODATA) }

  /// ERESTARTSYS: the call again where the handler has SA_RESTART or there is none, else EINTR.
  public static var restart: Errno { Errno(512) }
  /// ERESTARTNOINTR: always the call again.
  public static var restartAlways: Errno { Errno(513) }
  /// ERESTARTNOHAND: the call again only where no handler runs.
  public static var restartUnlessHandled: Errno { Errno(514) }
  /// ERESTART_RESTARTBLOCK: restart_syscall(2) goes on with what the task remembers.
  public static var restartBlock: Errno { Errno(516) }
}
