import CLinux
import Machine

// splice(2), tee(2) and vmsplice(2). Bytes are copied: no page changes hands.

/// What a splice moves between, beside the pipe: a file at an offset of its own or of the guest's.
struct SplicePlace {
  let file: File
  /// Nil: the file's own position, or none.
  var offset: Int?
}

extension Pipe {
  /// The most that one step moves.
  private static var step: Int { 65536 }

  /// splice(2) from the pipe to a file. Returns the bytes moved; 0 at the end. Errors: EAGAIN, `.restart`, the file's.
  func splice(to place: inout SplicePlace, _ limit: Int, isNonBlocking: Bool) throws(Errno) -> Int {
    let buffer = try KernelBuffer(unclearedCount: min(max(limit, 1), Self.step))
    var total = 0
    while total < limit {
      do throws(Errno) {
        var rest = IOBuffers(kernel: buffer.bytes.slice(0, limit &- total))
        let count: Int
        if total > 0 {
          if isEmpty { break }
          count = try read(&rest, isNonBlocking: true)
        } else {
          count = try read(&rest, isNonBlocking: isNonBlocking)
        }
        if count == 0 { break }
        var written = 0
        while written < count {
          let done = try place.write(buffer.bytes.slice(written, count &- written))
          if done == 0 { break }
          written += done
        }
        total += written
        if written < count { break }
      } catch {
        if total > 0 { break }
        throw error
      }
    }
    return total
  }

  /// splice(2) from a file to the pipe. Returns the bytes moved; 0 at the file's end. Errors: EPIPE (with SIGPIPE),
  /// EAGAIN, `.restart`, the file's.
  func splice(from place: inout SplicePlace, _ limit: Int, _ task: Task, isNonBlocking: Bool) throws(Errno) -> Int {
    var total = 0
    while total < limit {
      do throws(Errno) {
        if !hasReaders {
          sendBrokenPipe(task)
          throw .brokenPipe
        }
        if isFull {
          if isNonBlocking || total > 0 { throw .wouldBlock }
          try waitForRoom()
          continue
        }
        let room = ring.withLock { ($0.capacity &- $0.occupied) &* PipeRing.pageSize }
        let buffer = try KernelBuffer(unclearedCount: max(1, min(limit &- total, Self.step, room)))
        let count = try place.read(buffer.bytes)
        if count == 0 { break }
        var bytes = IOBuffers(kernel: buffer.bytes.slice(0, count))
        total += try write(&bytes, task, isNonBlocking: false, asPackets: false)
        if count < buffer.count { break }
      } catch {
        if total > 0 { break }
        throw error
      }
    }
    return total
  }

  /// splice(2) and, where `keeps`, tee(2) between pipes. Errors: EAGAIN, EPIPE (with SIGPIPE), ENOMEM, `.restart`.
  func splice(to other: Pipe, _ limit: Int, _ task: Task, keeps: Bool, isNonBlocking: Bool) throws(Errno) -> Int {
    while true {
      if !other.hasReaders {
        sendBrokenPipe(task)
        throw .brokenPipe
      }
      var wakesReader = false
      // In the order of their addresses, so that two that go opposite ways do not wait for each other.
      let isFirst = Borrowed(self).identity < Borrowed(other).identity
      let (first, second) = isFirst ? (self, other) : (other, self)
      let moved = try first.ring.withLock { (a) throws(Errno) -> Int in
        try second.ring.withLock { (b) throws(Errno) -> Int in
          wakesReader = isFirst ? b.isEmpty : a.isEmpty
          let moved = try isFirst ? Self.move(&a, &b, limit, keeps: keeps) : Self.move(&b, &a, limit, keeps: keeps)
          first.publish(a)
          second.publish(b)
          return moved
        }
      }
      if moved > 0 {
        if wakesReader { other.canRead.wake(events: Self.readable.rawValue) }
        if !keeps { canWrite.wake(events: Self.writable.rawValue) }
        return moved
      }
      if isEmpty && !hasWriters { return 0 }
      if isNonBlocking { throw .wouldBlock }
      if isEmpty { try waitForBytes() } else { try other.waitForRoom() }
    }
  }

  private static func move(
    _ from: inout PipeRing, _ to: inout PipeRing, _ limit: Int, keeps: Bool
  ) throws(Errno) -> Int {
    var moved = 0
    var index = 0
    while moved < limit && !to.isFull, let bytes = from.bytes(keeps ? index : 0) {
      let part = bytes.slice(0, min(bytes.count, limit &- moved))
      let isPacket = from.isPacket(keeps ? index : 0)
      let page: KernelBytes
      do throws(Errno) { page = try to.reserve() } catch {
        if moved > 0 { return moved }
        throw error
      }
      page.copy(part)
      to.commit(part.count, isPacket: isPacket)
      moved += part.count
      if keeps { index += 1 } else { from.consume(part.count) }
    }
    return moved
  }
}

extension SplicePlace {
  mutating func read(_ bytes: KernelBytes) throws(Errno) -> Int {
    var buffers = IOBuffers(kernel: bytes)
    if let at = offset {
      let count = try file.read(&buffers, at: at)
      offset = at &+ count
      return count
    }
    guard file.isSeekable else { return try file.read(&buffers, at: 0) }
    return try file.positionLock.withLock { (_) throws(Errno) -> Int in
      let count = try file.read(&buffers, at: file.position)
      file.position &+= count
      return count
    }
  }
  mutating func write(_ bytes: KernelBytes) throws(Errno) -> Int {
    var buffers = IOBuffers(kernel: bytes)
    if var at = offset {
      let count = try file.write(&buffers, at: &at)
      offset = at &+ count
      return count
    }
    guard file.isSeekable else {
      var none = 0
      return try file.write(&buffers, at: &none)
    }
    return try file.positionLock.withLock { (_) throws(Errno) -> Int in
      var at = file.position
      let count = try file.write(&buffers, at: &at)
      file.position = at &+ count
      return count
    }
  }
}
