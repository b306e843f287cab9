import CLinux
import Machine

/// A set of signals, as the ABI's 64-bit sigset_t has it: bit n - 1 is signal n.
public struct SignalSet: Equatable, Sendable, BitwiseCopyable {
  public var bits: UInt64
  @inline(__always) public init(bits: UInt64 = 0) { self.bits = bits }
  @inline(__always) public init(_ signal: Int32) { bits = Signal.bit(signal) }
  public static var none: SignalSet { SignalSet() }

  @inline(__always) public var isEmpty: Bool { bits == 0 }
  @inline(__always) public func contains(_ signal: Int32) -> Bool { bits & Signal.bit(signal) != 0 }
  @inline(__always) public mutating func insert(_ signal: Int32) { bits |= Signal.bit(signal) }
  @inline(__always) public mutating func remove(_ signal: Int32) { bits &= ~Signal.bit(signal) }
  @inline(__always) public func union(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits | other.bits) }
  @inline(__always) public func subtracting(_ other: SignalSet) -> SignalSet { SignalSet(bits: bits & ~other.bits) }
  /// What a mask may hold: SIGKILL and SIGSTOP are never blocked.
  @inline(__always) public var blockable: SignalSet { SignalSet(bits: bits & ~Signal.unstoppable) }
  /// The lowest signal of it; 0 of none.
  @inline(__always) public var first: Int32 {
    bits == 0 ? 0 : Int32(truncatingIfNeeded: bits.trailingZeroBitCount) &+ 1
  }
}

/// What signal(7) says of signal numbers.
public enum Signal {
  public static var count: Int32 { 64 }
  /// The first realtime signal of the kernel's ABI; below it signals coalesce.
  public static var firstRealtime: Int32 { 32 }

  @inline(__always) public static func isValid(_ signal: Int32) -> Bool { signal >= 1 && signal <= 64 }
  /// All but SIGKILL and SIGSTOP.
  @inline(__always) static func canBeCaught(_ signal: Int32) -> Bool { bit(signal) & ~unstoppable != 0 }
  /// Its bit in a `SignalSet`; none for what is no signal.
  @inline(__always) public static func bit(_ signal: Int32) -> UInt64 {
    isValid(signal) ? 1 &<< UInt64(truncatingIfNeeded: signal &- 1) : 0
  }

  private static func bits(_ a: Int32, _ b: Int32 = 0, _ c: Int32 = 0, _ d: Int32 = 0, _ e: Int32 = 0, _ f: Int32 = 0)
    -> UInt64
  {
    bit(a) | bit(b) | bit(c) | bit(d) | bit(e) | bit(f)
  }
  /// Never blocked, caught or ignored.
  static var unstoppable: UInt64 { bits(SIGKILL, SIGSTOP) }
  static var stops: UInt64 { bits(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU) }
  static var ignoredByDefault: UInt64 { bits(SIGCHLD, SIGCONT, SIGURG, SIGWINCH) }
  static var dumps: UInt64 {
    bits(SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE) | bits(SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS)
  }
  /// Faults of the thread itself: taken before all others, so that the frame has the fault's registers.
  static var synchronous: UInt64 { bits(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS) }

  /// What happens where the program does not say.
  public enum DefaultAction: Sendable {
    case terminate, dump, ignore, stop, resume
  }
  public static func defaultAction(_ signal: Int32) -> DefaultAction {
    let bit = bit(signal)
    if signal == SIGCONT { return .resume }
    if bit & ignoredByDefault != 0 { return .ignore }
    if bit & stops != 0 { return .stop }
    return bit & dumps != 0 ? .dump : .terminate
  }
}
