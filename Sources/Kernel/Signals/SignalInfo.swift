import CLinux
import Machine

/// What is known of a signal: siginfo_t(3type). The 48 bytes that Linux's own fields take; a program sees 128, the rest
/// zero. Which of the fields mean something depends on `signal` and `code`; they share their place as in the union.
public struct SignalInfo: Equatable, Sendable, BitwiseCopyable {
  public var signal: Int32 = 0
  public var error: Int32 = 0
  public var code: Int32 = 0
  private var padding: Int32 = 0
  var first: UInt64 = 0  // bytes 16…: pid and uid; timer and overrun; an address; a band
  var second: UInt64 = 0  // 24…: a value; a status; a descriptor
  var third: UInt64 = 0  // 32…: a child's user time
  var fourth: UInt64 = 0  // 40…: its system time

  init(signal: Int32, code: Int32, error: Int32 = 0) {
    self.signal = signal
    self.code = code
    self.error = error
  }

  /// From the kernel itself, nothing more to say (SI_KERNEL).
  public static func kernel(_ signal: Int32) -> SignalInfo { SignalInfo(signal: signal, code: SI_KERNEL) }
  /// kill(2): SI_USER; tkill(2): SI_TKILL.
  public static func user(_ signal: Int32, code: Int32 = SI_USER, pid: Int, uid: UInt32) -> SignalInfo {
    var info = SignalInfo(signal: signal, code: code)
    info.setSender(pid, uid)
    return info
  }
  /// SIGCHLD, `code` one of CLD_…: `status` is what the code says (an exit code or a signal); times in clock ticks.
  public static func child(
    code: Int32, pid: Int, uid: UInt32, status: Int32, userTime: Int = 0, systemTime: Int = 0
  ) -> SignalInfo {
    var info = SignalInfo(signal: SIGCHLD, code: code)
    info.setSender(pid, uid)
    info.second = UInt64(UInt32(bitPattern: status))
    info.third = UInt64(bitPattern: Int64(userTime))
    info.fourth = UInt64(bitPattern: Int64(systemTime))
    return info
  }
  /// SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP: where.
  public static func fault(_ signal: Int32, code: Int32, address: UInt) -> SignalInfo {
    var info = SignalInfo(signal: signal, code: code)
    info.first = UInt64(address)
    return info
  }
  /// timer_create(2)'s expirations.
  public static func timer(_ signal: Int32, timer: Int32, overrun: Int32, value: UInt64) -> SignalInfo {
    var info = SignalInfo(signal: signal, code: SI_TIMER)
    info.first = UInt64(UInt32(bitPattern: timer))
    info.second = value
    info.overrun = overrun
    return info
  }
  /// SIGPOLL and the signal of F_SETSIG: `code` one of POLL_…, `band` a poll(2) mask.
  public static func poll(_ signal: Int32, code: Int32, band: Int, descriptor: Int32) -> SignalInfo {
    var info = SignalInfo(signal: signal, code: code)
    info.first = UInt64(bitPattern: Int64(band))
    info.second = UInt64(UInt32(bitPattern: descriptor))
    return info
  }

  private mutating func setSender(_ pid: Int, _ uid: UInt32) {
    first = UInt64(uid) &<< 32 | UInt64(UInt32(truncatingIfNeeded: pid))
  }
  public var pid: Int { Int(Int32(truncatingIfNeeded: first)) }
  public var uid: UInt32 { UInt32(truncatingIfNeeded: first &>> 32) }
  public var value: UInt64 { second }
  public var status: Int32 { Int32(truncatingIfNeeded: second) }
  public var descriptor: Int32 { Int32(truncatingIfNeeded: second) }
  public var address: UInt { UInt(first) }
  public var timer: Int32 { Int32(truncatingIfNeeded: first) }
  public var overrun: Int32 {
    get { Int32(truncatingIfNeeded: first &>> 32) }
    set { first = first & 0xffff_ffff | UInt64(UInt32(bitPattern: newValue)) &<< 32 }
  }

  /// Whether the kernel sent it for a reason of its own (SI_FROMKERNEL).
  public var isFromKernel: Bool { code > 0 }
}

/// The 128 bytes that programs see.
public typealias SignalInfoBytes = InlineArray<16, UInt64>

extension SignalInfo {
  public var bytes: SignalInfoBytes {
    var b = SignalInfoBytes(repeating: 0)
    b[0] = UInt64(UInt32(bitPattern: error)) &<< 32 | UInt64(UInt32(bitPattern: signal))
    b[1] = UInt64(UInt32(bitPattern: code))
    b[2] = first
    b[3] = second
    b[4] = third
    b[5] = fourth
    return b
  }
  /// The first 48 bytes, which Linux's own fields are.
  public init(_ b: InlineArray<6, UInt64>) {
    signal = Int32(truncatingIfNeeded: b[0])
    error = Int32(truncatingIfNeeded: b[0] &>> 32)
    code = Int32(truncatingIfNeeded: b[1])
    first = b[2]
    second = b[3]
    third = b[4]
    fourth = b[5]
  }

  /// Errors: EFAULT.
  public func copyOut(to address: UInt) throws(Errno) { try UserPointer<SignalInfoBytes>(address).copyOut(bytes) }
  /// A program's own, for `signal` where that is not what it says itself. Errors: EFAULT; E2BIG where it has more than
  /// Linux's own fields and `code` does not say what they are.
  public static func copyIn(from address: UInt, for signal: Int32? = nil) throws(Errno) -> SignalInfo {
    var info = SignalInfo(try UserPointer<InlineArray<6, UInt64>>(address).copyIn())
    if let signal { info.signal = signal }
    if !info.hasKnownLayout {
      let rest = try UserPointer<InlineArray<10, UInt64>>(address &+ 48).copyIn()
      for i in 0..<10 where rest[i] != 0 { throw .tooBig }
    }
    return info
  }
  /// Linux's known_siginfo_layout.
  private var hasKnownLayout: Bool {
    if code <= SI_USER { return code >= SI_DETHREAD || code == SI_ASYNCNL }
    let known: Int32 =
      switch signal {
      case SIGILL: NSIGILL
      case SIGFPE: NSIGFPE
      case SIGSEGV: NSIGSEGV
      case SIGBUS: NSIGBUS
      case SIGTRAP: NSIGTRAP
      case SIGCHLD: NSIGCHLD
      case SIGSYS: NSIGSYS
      default: NSIGPOLL
      }
    return code <= known || code == SI_KERNEL
  }
}
