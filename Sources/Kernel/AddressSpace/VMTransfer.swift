import CLinux
import Machine

/// process_vm_readv(2) and process_vm_writev(2): between the caller's memory and another process's, by way of a kernel
/// buffer, since the two are never mapped at once.
enum VMTransfer {
  struct Segment {
    var address: UInt
    var count: Int
  }

  /// An iovec array, its bounds checked. Errors: EINVAL, EFAULT.
  static func segments(_ vector: UserPointer<UInt>, _ count: Int) throws(Errno) -> [Segment] {
    guard count >= 0, count <= 1024 else { throw .invalid }
    var result: [Segment] = []
    var at = vector
    for _ in 0..<count {
      let address = try at.copyIn(), size = try at.advanced(by: 1).copyIn()
      guard Int(bitPattern: size) >= 0 else { throw .invalid }
      result.append(Segment(address: address, count: min(Int(size), 0x7fff_f000)))
      at = at.advanced(by: 2)
    }
    return result
  }

  /// Returns the bytes moved; throws what stopped it where that is none.
  static func move(
    _ task: Task, _ other: AddressSpace, local: [Segment], remote: [Segment], isWrite: Bool
  ) throws(Errno) -> Int {
    let buffer = try KernelBuffer(count: 65536)
    var (local, remote) = (local, remote)
    var (i, j, done) = (0, 0, 0)
    while true {
      while i < local.count && local[i].count == 0 { i += 1 }
      while j < remote.count && remote[j].count == 0 { j += 1 }
      guard i < local.count, j < remote.count else { return done }
      let part = min(local[i].count, remote[j].count, buffer.count)
      let moved: Int
      do throws(Errno) {
        moved = try step(task, other, local[i].address, remote[j].address, buffer.bytes.slice(0, part), isWrite)
      } catch {
        if done == 0 { throw error }
        return done
      }
      done += moved
      if moved < part { return done }
      local[i] = Segment(address: local[i].address &+ UInt(part), count: local[i].count - part)
      remote[j] = Segment(address: remote[j].address &+ UInt(part), count: remote[j].count - part)
    }
  }

  private static func step(
    _ task: Task, _ other: AddressSpace, _ local: UInt, _ remote: UInt, _ bytes: KernelBytes, _ isWrite: Bool
  ) throws(Errno) -> Int {
    var own = IOBuffers(UserPointer<UInt8>(local), count: bytes.count)
    if isWrite {
      let count = try own.copyIn(bytes)
      return try other.write(task, at: remote, from: bytes.slice(0, count))
    }
    let count = try other.read(task, at: remote, to: bytes)
    return try own.copyOut(bytes.slice(0, count))
  }
}
