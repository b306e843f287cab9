import CLinux
import Machine

/// What arguments point to, as text: an address where it cannot be read.
extension TraceArgument {
  /// An iovec array of `count`, and `limit` bytes of what its parts hold.
  static func vector(_ address: Int, count: Int, limit: Int) -> String {
    if address == 0 { return "NULL" }
    var left = limit
    return list(address, step: 2, count: max(0, count)) { (base, at) throws(Errno) in
      let size = Int(bitPattern: try at.advanced(by: 1).copyIn())
      let shown = min(max(size, 0), left)
      left -= shown
      return "{iov_base=\(bytes(Int(bitPattern: base), shown)), iov_len=\(size)}"
    }
  }

  /// The strings that a vector ending in NULL points to.
  static func strings(_ address: Int) -> String {
    if address == 0 { return "NULL" }
    return list(address, step: 1, count: nil) { (pointer, _) throws(Errno) in string(Int(bitPattern: pointer)) }
  }

  /// `[a, b, ...]`: of words that lie `step` apart, `count` or, without one, as far as the first 0.
  private static func list(
    _ address: Int, step: Int, count: Int?, _ text: (UInt, UserPointer<UInt>) throws(Errno) -> String
  ) -> String {
    let most = 16
    var result = ""
    var at = UserPointer<UInt>(UInt(bitPattern: address))
    var i = 0
    do throws(Errno) {
      while count.map({ i < $0 }) ?? true {
        let word = try at.copyIn()
        if count == nil && word == 0 { break }
        if i > 0 { result += ", " }
        if i == most {
          result += "..."
          break
        }
        result += try text(word, at)
        at = at.advanced(by: step)
        i += 1
      }
    } catch {
      return hexadecimal(address)
    }
    return "[" + result + "]"
  }

  /// `count` descriptors that a call has opened.
  static func descriptors(_ address: Int) -> String {
    let pointer = UserPointer<Int32>(UInt(bitPattern: address))
    guard let a = try? pointer.copyIn(), let b = try? pointer.advanced(by: 1).copyIn() else {
      return hexadecimal(address)
    }
    return "[\(a), \(b)]"
  }

  /// A sockaddr of `length` bytes.
  static func socketAddress(_ address: Int, length: Int) -> String {
    if address == 0 { return "NULL" }
    let pointer = UserPointer<UInt8>(UInt(bitPattern: address))
    guard let read = try? SocketAddress.copyIn(pointer, Int32(truncatingIfNeeded: length)), read.bytes.count >= 2 else {
      return hexadecimal(address)
    }
    guard read.family == AddressFamily.unix else {
      return "{sa_family=\(read.family), sa_data=\(quoted(Array(read.bytes[2...]), limit: 32))}"
    }
    guard let name = try? SocketAddress.unixAddress(read) else { return "{sa_family=AF_UNIX}" }
    let text = name.isAbstract ? "@" + quoted(Array(name.bytes[1...]), limit: 108) : quoted(name.path, limit: 108)
    return "{sa_family=AF_UNIX, sun_path=\(text)}"
  }

  /// What wait4(2) tells of a child.
  static func waitStatus(_ address: Int) -> String {
    guard address != 0, let status = try? UserPointer<Int32>(UInt(bitPattern: address)).copyIn() else {
      return address == 0 ? "NULL" : hexadecimal(address)
    }
    let signal = status & 0x7f
    if status == 0xffff { return "[{WIFCONTINUED(s)}]" }
    if signal == 0 { return "[{WIFEXITED(s) && WEXITSTATUS(s) == \(status >> 8 & 0xff)}]" }
    if signal == 0x7f { return "[{WIFSTOPPED(s) && WSTOPSIG(s) == \(SignalName.of(status >> 8 & 0xff))}]" }
    return "[{WIFSIGNALED(s) && WTERMSIG(s) == \(SignalName.of(signal))}]"
  }
}
