import CLinux
import Machine
import Synchronization

/// getsockopt(2) and setsockopt(2) at SOL_SOCKET: socket(7), unix(7).
extension UnixSocket {
  /// Options that only are remembered: they mean nothing to a UNIX socket, on Linux neither.
  private static func rememberedBit(_ option: Int32) -> UInt32? {
    switch option {
    case SO_DEBUG: 1
    case SO_REUSEADDR: 2
    case SO_DONTROUTE: 4
    case SO_BROADCAST: 8
    case SO_KEEPALIVE: 16
    case SO_OOBINLINE: 32
    default: nil
    }
  }
  /// /proc/sys/net/core/wmem_max and rmem_max.
  private static var maximumBuffer: Int { 212_992 }

  /// The value of an option, as its bytes. Errors: ENOPROTOOPT.
  func option(_ option: Int32) throws(Errno) -> [UInt8] {
    if let bit = Self.rememberedBit(option) { return Self.bytes(options.load(ordering: .relaxed) & bit != 0 ? 1 : 0) }
    switch option {
    case SO_TYPE: return Self.bytes(type)
    case SO_DOMAIN: return Self.bytes(Int32(AddressFamily.unix))
    case SO_PROTOCOL: return Self.bytes(0)
    case SO_ERROR: return Self.bytes(state.withLock { $0.takeError() })
    case SO_SNDBUF: return Self.bytes(Int32(truncatingIfNeeded: sendBuffer.load(ordering: .relaxed)))
    case SO_RCVBUF: return Self.bytes(Int32(truncatingIfNeeded: receiveBuffer.load(ordering: .relaxed)))
    case SO_ACCEPTCONN: return Self.bytes(state.withLock { $0.phase == .listening } ? 1 : 0)
    case SO_PASSCRED: return Self.bytes(passesCredentials.load(ordering: .relaxed) ? 1 : 0)
    case SO_RCVLOWAT: return Self.bytes(lowWater.load(ordering: .relaxed))
    case SO_SNDLOWAT: return Self.bytes(1)
    case SO_PEERCRED:
      let identity = state.withLock { $0.peerIdentity }
      return Self.bytes(identity.pid) + Self.bytes(Int32(bitPattern: identity.uid))
        + Self.bytes(Int32(bitPattern: identity.gid))
    case SO_LINGER:
      let value = linger.load(ordering: .relaxed)
      return Self.bytes(Int32(truncatingIfNeeded: value)) + Self.bytes(Int32(truncatingIfNeeded: value >> 32))
    case SO_RCVTIMEO_OLD: return Self.timeBytes(receiveTimeout.load(ordering: .relaxed))
    case SO_SNDTIMEO_OLD: return Self.timeBytes(sendTimeout.load(ordering: .relaxed))
    default: throw .noProtocolOption
    }
  }

  /// Sets an option to the `value` of `length` bytes. Errors: EINVAL, ENOPROTOOPT, EDOM, EPERM, EFAULT.
  func setOption(_ task: Task, _ option: Int32, _ value: UserPointer<UInt8>, _ length: Int32) throws(Errno) {
    guard length >= 4 else { throw .invalid }
    let number = try value.cast(to: Int32.self).copyIn()
    if let bit = Self.rememberedBit(option) {
      if option == SO_DEBUG && number != 0 { try require(task, CAP_NET_ADMIN, Errno(EACCES)) }
      if number != 0 {
        options.bitwiseOr(bit, ordering: .relaxed)
      } else {
        options.bitwiseAnd(~bit, ordering: .relaxed)
      }
      return
    }
    switch option {
    case SO_SNDBUF: sendBuffer.store(Self.bufferSize(number, least: 4608), ordering: .relaxed)
    case SO_RCVBUF: receiveBuffer.store(Self.bufferSize(number, least: 2304), ordering: .relaxed)
    case SO_SNDBUFFORCE:
      try require(task, CAP_NET_ADMIN, .notPermitted)
      sendBuffer.store(max(4608, Int(max(number, 0)) * 2), ordering: .relaxed)
    case SO_RCVBUFFORCE:
      try require(task, CAP_NET_ADMIN, .notPermitted)
      receiveBuffer.store(max(2304, Int(max(number, 0)) * 2), ordering: .relaxed)
    case SO_PASSCRED: passesCredentials.store(number != 0, ordering: .relaxed)
    case SO_RCVLOWAT: lowWater.store(number < 0 ? .max : max(number, 1), ordering: .relaxed)
    case SO_LINGER:
      guard length >= 8 else { throw .invalid }
      linger.store(try value.cast(to: UInt64.self).copyIn(), ordering: .relaxed)
    case SO_RCVTIMEO_OLD: receiveTimeout.store(try Self.time(value, length), ordering: .relaxed)
    case SO_SNDTIMEO_OLD: sendTimeout.store(try Self.time(value, length), ordering: .relaxed)
    case SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN: throw .noProtocolOption
    default:
      Log.info("setsockopt: socket option \(option) is not done")
      throw .noProtocolOption
    }
    if option == SO_SNDBUF { writers.wakeAll() }
  }

  private func require(_ task: Task, _ capability: Int32, _ error: Errno) throws(Errno) {
    guard task.credentials.borrowed.with({ $0.has(capability) }) else { throw error }
  }
  private static func bufferSize(_ number: Int32, least: Int) -> Int {
    max(least, min(Int(UInt32(bitPattern: number)), maximumBuffer) * 2)
  }
  private static func bytes(_ value: Int32) -> [UInt8] {
    let bits = UInt32(bitPattern: value)
    return [
      UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8), UInt8(truncatingIfNeeded: bits >> 16),
      UInt8(truncatingIfNeeded: bits >> 24),
    ]
  }
  private static func timeBytes(_ nanoseconds: UInt64) -> [UInt8] {
    var result: [UInt8] = []
    for value in [nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 1000] {
      for shift in stride(from: UInt64(0), to: 64, by: 8) { result.append(UInt8(truncatingIfNeeded: value &>> shift)) }
    }
    return result
  }
  /// A struct timeval; zero is for ever, and a negative one does not wait at all.
  private static func time(_ value: UserPointer<UInt8>, _ length: Int32) throws(Errno) -> UInt64 {
    guard length >= 16 else { throw .invalid }
    let time = try value.cast(to: linux_timeval.self).copyIn()
    let seconds = Int(truncatingIfNeeded: time.tv_sec), microseconds = Int(truncatingIfNeeded: time.tv_usec)
    guard microseconds >= 0, microseconds < 1_000_000 else { throw Errno(EDOM) }
    if seconds < 0 { return 1 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? 0 : product &+ UInt64(microseconds) &* 1000
  }
}
