import CLinux
import Machine

// Numbers of <sys/socket.h>, which the kernel's headers keep to themselves: socket(2), send(2), recv(2).

enum AddressFamily {
  static var unspecified: UInt16 { 0 }
  static var unix: UInt16 { 1 }
  static var maximum: Int32 { 46 }
}
enum SocketType {
  static var stream: Int32 { 1 }
  static var datagram: Int32 { 2 }
  static var raw: Int32 { 3 }
  static var sequenced: Int32 { 5 }
  static var mask: Int32 { 0xf }
  static var maximum: Int32 { 11 }
  static var closeOnExec: Int32 { O_CLOEXEC }
  static var nonBlocking: Int32 { O_NONBLOCK }
}
/// MSG_*
enum MessageFlags {
  static var outOfBand: UInt32 { 0x1 }
  static var peek: UInt32 { 0x2 }
  static var controlTruncated: UInt32 { 0x8 }
  static var truncated: UInt32 { 0x20 }
  static var dontWait: UInt32 { 0x40 }
  static var endOfRecord: UInt32 { 0x80 }
  static var waitAll: UInt32 { 0x100 }
  static var noSignal: UInt32 { 0x4000 }
  static var waitForOne: UInt32 { 0x10000 }
  static var closeOnExec: UInt32 { 0x4000_0000 }
}
/// SCM_*
enum ControlMessage {
  static var rights: Int32 { 1 }
  static var credentials: Int32 { 2 }
  static var headerSize: Int { 16 }
  static func align(_ size: Int) -> Int { (size &+ 7) & ~7 }
}

extension Errno {
  static var destinationRequired: Errno { Errno(EDESTADDRREQ) }
  static var messageSize: Errno { Errno(EMSGSIZE) }
  static var wrongProtocolType: Errno { Errno(EPROTOTYPE) }
  static var noProtocolOption: Errno { Errno(ENOPROTOOPT) }
  static var protocolNotSupported: Errno { Errno(EPROTONOSUPPORT) }
  static var socketTypeNotSupported: Errno { Errno(ESOCKTNOSUPPORT) }
  static var familyNotSupported: Errno { Errno(EAFNOSUPPORT) }
  static var addressInUse: Errno { Errno(EADDRINUSE) }
  static var connectionReset: Errno { Errno(ECONNRESET) }
  static var isConnected: Errno { Errno(EISCONN) }
  static var notConnected: Errno { Errno(ENOTCONN) }
  static var connectionRefused: Errno { Errno(ECONNREFUSED) }
  static var notSocket: Errno { Errno(ENOTSOCK) }
  static var tooManyReferences: Errno { Errno(ETOOMANYREFS) }
}
