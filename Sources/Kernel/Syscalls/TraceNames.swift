import CLinux
import Machine

/// A bit, or some bits, and what the headers call them.
struct TraceFlag: Sendable {
  let bits: Int
  let name: StaticString
  init(_ bits: Int32, _ name: StaticString) {
    self.bits = Int(bits)
    self.name = name
  }
  init(_ bits: UInt32, _ name: StaticString) {
    self.bits = Int(bits)
    self.name = name
  }
}

enum TraceFlags {
  static var protection: [TraceFlag] {
    [TraceFlag(PROT_READ, "PROT_READ"), TraceFlag(PROT_WRITE, "PROT_WRITE"), TraceFlag(PROT_EXEC, "PROT_EXEC")]
  }
  static var mapping: [TraceFlag] {
    [
      TraceFlag(MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"), TraceFlag(MAP_SHARED, "MAP_SHARED"),
      TraceFlag(MAP_PRIVATE, "MAP_PRIVATE"), TraceFlag(MAP_FIXED, "MAP_FIXED"),
      TraceFlag(MAP_ANONYMOUS, "MAP_ANONYMOUS"), TraceFlag(MAP_GROWSDOWN, "MAP_GROWSDOWN"),
      TraceFlag(MAP_DENYWRITE, "MAP_DENYWRITE"), TraceFlag(MAP_LOCKED, "MAP_LOCKED"),
      TraceFlag(MAP_NORESERVE, "MAP_NORESERVE"), TraceFlag(MAP_POPULATE, "MAP_POPULATE"),
      TraceFlag(MAP_STACK, "MAP_STACK"), TraceFlag(MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"),
    ]
  }
  static var clone: [TraceFlag] {
    [
      TraceFlag(CLONE_VM, "CLONE_VM"), TraceFlag(CLONE_FS, "CLONE_FS"), TraceFlag(CLONE_FILES, "CLONE_FILES"),
      TraceFlag(CLONE_SIGHAND, "CLONE_SIGHAND"), TraceFlag(CLONE_VFORK, "CLONE_VFORK"),
      TraceFlag(CLONE_PARENT, "CLONE_PARENT"), TraceFlag(CLONE_THREAD, "CLONE_THREAD"),
      TraceFlag(CLONE_SYSVSEM, "CLONE_SYSVSEM"), TraceFlag(CLONE_SETTLS, "CLONE_SETTLS"),
      TraceFlag(CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"), TraceFlag(CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"),
      TraceFlag(CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"),
    ]
  }
  static var wait: [TraceFlag] {
    [
      TraceFlag(WNOHANG, "WNOHANG"), TraceFlag(WUNTRACED, "WUNTRACED"), TraceFlag(WEXITED, "WEXITED"),
      TraceFlag(WCONTINUED, "WCONTINUED"), TraceFlag(WNOWAIT, "WNOWAIT"),
      TraceFlag(UInt32(bitPattern: __WNOTHREAD), "__WNOTHREAD"), TraceFlag(UInt32(bitPattern: __WALL), "__WALL"),
      TraceFlag(waitClone, "__WCLONE"),
    ]
  }
  static func open(_ value: Int) -> String {
    let mode = value & 3 == 0 ? "O_RDONLY" : value & 3 == 1 ? "O_WRONLY" : "O_RDWR"
    let rest = text(value & 0x7fff_fffc, openFlags, zero: "")
    return rest.utf8.isEmpty ? mode : mode + "|" + rest
  }
  private static var openFlags: [TraceFlag] {
    [
      TraceFlag(O_CREAT, "O_CREAT"), TraceFlag(O_EXCL, "O_EXCL"), TraceFlag(O_NOCTTY, "O_NOCTTY"),
      TraceFlag(O_TRUNC, "O_TRUNC"), TraceFlag(O_APPEND, "O_APPEND"), TraceFlag(O_NONBLOCK, "O_NONBLOCK"),
      TraceFlag(O_DIRECTORY, "O_DIRECTORY"), TraceFlag(O_NOFOLLOW, "O_NOFOLLOW"), TraceFlag(O_CLOEXEC, "O_CLOEXEC"),
      TraceFlag(O_PATH, "O_PATH"), TraceFlag(O_LARGEFILE, "O_LARGEFILE"), TraceFlag(O_NOATIME, "O_NOATIME"),
    ]
  }

  static func text(_ value: Int, _ names: [TraceFlag], zero: String) -> String {
    if value == 0 { return zero }
    var left = Int(UInt32(truncatingIfNeeded: value))
    var result = ""
    for flag in names where left & flag.bits == flag.bits {
      result += (result.utf8.isEmpty ? "" : "|") + "\(flag.name)"
      left &= ~flag.bits
    }
    if left != 0 { result += (result.utf8.isEmpty ? "" : "|") + TraceArgument.hexadecimal(left) }
    return result
  }
}

/// SIGHUP and its like.
enum SignalName {
  static func of(_ signal: Int32) -> String {
    let names: [StaticString] = [
      "0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
      "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
      "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
      "SIGSYS",
    ]
    if signal >= 0 && signal < 32 { return "\(names[Int(signal)])" }
    return "SIGRT_\(signal - 32)"
  }
}

/// ENOENT and its like, with strerror(3)'s number where the name is not among the common ones.
enum ErrnoName {
  static func of(_ number: Int32) -> String {
    switch number {
    case EPERM: "EPERM"
    case ENOENT: "ENOENT"
    case ESRCH: "ESRCH"
    case EINTR: "EINTR"
    case EIO: "EIO"
    case ENXIO: "ENXIO"
    case E2BIG: "E2BIG"
    case ENOEXEC: "ENOEXEC"
    case EBADF: "EBADF"
    case ECHILD: "ECHILD"
    case EAGAIN: "EAGAIN"
    case ENOMEM: "ENOMEM"
    case EACCES: "EACCES"
    case EFAULT: "EFAULT"
    case EBUSY: "EBUSY"
    case EEXIST: "EEXIST"
    case EXDEV: "EXDEV"
    case ENODEV: "ENODEV"
    case ENOTDIR: "ENOTDIR"
    case EISDIR: "EISDIR"
    case EINVAL: "EINVAL"
    case ENFILE: "ENFILE"
    case EMFILE: "EMFILE"
    case ENOTTY: "ENOTTY"
    case ETXTBSY: "ETXTBSY"
    case EFBIG: "EFBIG"
    case ENOSPC: "ENOSPC"
    case ESPIPE: "ESPIPE"
    case EROFS: "EROFS"
    case EMLINK: "EMLINK"
    case EPIPE: "EPIPE"
    case ERANGE: "ERANGE"
    case EDEADLK: "EDEADLK"
    case ENAMETOOLONG: "ENAMETOOLONG"
    case ENOSYS: "ENOSYS"
    case ENOTEMPTY: "ENOTEMPTY"
    case ELOOP: "ELOOP"
    case ENODATA: "ENODATA"
    case EOVERFLOW: "EOVERFLOW"
    case ENOTSOCK: "ENOTSOCK"
    case EOPNOTSUPP: "EOPNOTSUPP"
    case EAFNOSUPPORT: "EAFNOSUPPORT"
    case EADDRINUSE: "EADDRINUSE"
    case ENOTCONN: "ENOTCONN"
    case ECONNREFUSED: "ECONNREFUSED"
    case ETIMEDOUT: "ETIMEDOUT"
    case EINPROGRESS: "EINPROGRESS"
    case 512: "ERESTARTSYS (to be restarted)"
    case 513: "ERESTARTNOINTR (to be restarted)"
    case 514: "ERESTARTNOHAND (to be restarted if no handler)"
    case 516: "ERESTART_RESTARTBLOCK (interrupted by a signal)"
    default: "errno \(number)"
    }
  }
}
