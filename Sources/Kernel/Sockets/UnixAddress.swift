import CLinux
import Machine

/// A name of a UNIX socket: what follows the family in sockaddr_un, unix(7). A path has its NUL.
final class UnixAddress {
  let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAbstract: Bool { bytes.first == 0 }
  /// The path's bytes without the NUL.
  var path: [UInt8] {
    var result: [UInt8] = []
    for byte in bytes {
      if byte == 0 { break }
      result.append(byte)
    }
    return result
  }

  /// sockaddr_un and its length: the family's two bytes where there is no name.
  static func encoded(_ address: UnixAddress?) -> [UInt8] {
    var result: [UInt8] = [1, 0]
    if let address { result.append(contentsOf: address.bytes) }
    return result
  }
}

/// An address argument. `none` is one of the family alone.
enum SocketAddress {
  case unspecified
  case unix(UnixAddress?)

  /// Errors: EINVAL for a length that cannot be, EFAULT; EAFNOSUPPORT is the caller's to say.
  static func copyIn(_ pointer: UserPointer<UInt8>, _ length: Int32) throws(Errno) -> (family: UInt16, bytes: [UInt8]) {
    guard length >= 0, length <= 128 else { throw .invalid }
    let bytes = try pointer.copyIn(count: Int(length))
    guard bytes.count >= 2 else { return (.max, bytes) }
    return (UInt16(bytes[0]) | UInt16(bytes[1]) << 8, bytes)
  }
  /// The UNIX address in a sockaddr; nil: the family alone. Errors: EINVAL.
  static func unixAddress(_ address: (family: UInt16, bytes: [UInt8])) throws(Errno) -> UnixAddress? {
    guard address.bytes.count >= 2, address.bytes.count <= 110, address.family == AddressFamily.unix else {
      throw .invalid
    }
    if address.bytes.count == 2 { return nil }
    if address.bytes[2] == 0 { return UnixAddress(Array(address.bytes[2...])) }
    var path: [UInt8] = []
    for byte in address.bytes[2...] {
      if byte == 0 { break }
      path.append(byte)
    }
    path.append(0)
    return UnixAddress(path)
  }
}

/// Which socket has which name: paths by their inode, abstract names by their bytes and the socket's type. A socket takes
/// its name off before it dies.
final class UnixNames {
  private struct Place {
    let inode: Inode
    let socket: Borrowed<UnixSocket>  // leaves before it dies
  }
  private struct Name {
    let address: UnixAddress
    let socket: Borrowed<UnixSocket>  // likewise
  }
  private static var bucketCount: Int { 128 }
  private let places: SpinLock<[[Place]]>
  private let names: SpinLock<[[Name]]>

  init() {
    places = SpinLock([[Place]](repeating: [], count: Self.bucketCount), rank: .leaf)
    names = SpinLock([[Name]](repeating: [], count: Self.bucketCount), rank: .leaf)
  }

  private static func bucket(_ inode: Inode) -> Int { Int(Borrowed(inode).identity >> 4 % UInt(bucketCount)) }
  private static func bucket(_ bytes: [UInt8]) -> Int {
    var hash: UInt32 = 2_166_136_261
    for byte in bytes { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return Int(hash % UInt32(bucketCount))
  }

  func add(_ inode: Inode, _ socket: UnixSocket) {
    places.withLock { $0[Self.bucket(inode)].append(Place(inode: inode, socket: Borrowed(socket))) }
  }
  func find(_ inode: Inode) -> UnixSocket? {
    places.withLock { places -> UnixSocket? in
      for place in places[Self.bucket(inode)] where place.inode === inode { return place.socket.object }
      return nil
    }
  }
  func remove(_ inode: Inode, _ socket: UnixSocket) {
    let gone = places.withLock { places -> Inode? in
      let b = Self.bucket(inode)
      for i in places[b].indices where places[b][i].socket == socket { return places[b].remove(at: i).inode }
      return nil
    }
    _ = gone  // dropped without the lock
  }

  /// Takes an abstract name. Returns false where another socket of its type has it.
  func add(_ address: UnixAddress, _ socket: UnixSocket) -> Bool {
    names.withLock { names in
      let b = Self.bucket(address.bytes)
      for name in names[b] where name.address.bytes == address.bytes && name.socket.with({ $0.type }) == socket.type {
        return false
      }
      names[b].append(Name(address: address, socket: Borrowed(socket)))
      return true
    }
  }
  func find(_ address: UnixAddress, type: Int32) -> UnixSocket? {
    names.withLock { names -> UnixSocket? in
      for name in names[Self.bucket(address.bytes)]
      where name.address.bytes == address.bytes && name.socket.with({ $0.type }) == type { return name.socket.object }
      return nil
    }
  }
  func remove(_ address: UnixAddress, _ socket: UnixSocket) {
    let gone = names.withLock { names -> UnixAddress? in
      let b = Self.bucket(address.bytes)
      for i in names[b].indices where names[b][i].socket == socket { return names[b].remove(at: i).address }
      return nil
    }
    _ = gone
  }
}
let unixNames = KernelGlobal<UnixNames>()
