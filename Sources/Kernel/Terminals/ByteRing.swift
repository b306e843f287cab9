import Machine

/// A queue of bytes of a fixed capacity, a power of two.
struct ByteRing: ~Copyable {
  private var bytes: [UInt8]
  private var head = 0  // both count on for ever; the index is their low bits
  private var tail = 0
  private var mask: Int { bytes.count &- 1 }

  init(capacity: Int) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0)
    bytes = [UInt8](repeating: 0, count: capacity)
  }

  var count: Int { head &- tail }
  var room: Int { bytes.count &- count }
  var isEmpty: Bool { head == tail }
  var capacity: Int { bytes.count }

  /// The byte `index` places behind the first.
  subscript(_ index: Int) -> UInt8 { bytes[(tail &+ index) & mask] }

  /// There must be room.
  mutating func append(_ byte: UInt8) {
    precondition(room > 0)
    bytes[head & mask] = byte
    head &+= 1
  }
  mutating func append(_ source: borrowing [UInt8], _ range: Range<Int>) {
    for i in range { append(source[i]) }
  }
  mutating func removeFirst() -> UInt8 {
    precondition(!isEmpty)
    let byte = bytes[tail & mask]
    tail &+= 1
    return byte
  }
  mutating func drop(_ count: Int) {
    precondition(count >= 0 && count <= self.count)
    tail &+= count
  }
  mutating func removeAll() { tail = head }

  /// Moves what fits into the reader's buffers. Returns the bytes moved. Errors: EFAULT, with nothing moved.
  mutating func read(_ buffers: inout IOBuffers) throws(Errno) -> Int {
    var done = 0
    while !isEmpty && buffers.count > 0 {
      let start = tail & mask
      let length = min(count, bytes.count &- start)
      do throws(Errno) {
        let moved = try buffers.copyOut(bytes, start..<start &+ length)
        tail &+= moved
        done &+= moved
        if moved < length { break }
      } catch {
        if done == 0 { throw error }
        break
      }
    }
    return done
  }

  /// Fills its room from the writer's buffers, at most `limit` bytes. Returns the bytes moved. Errors: EFAULT.
  mutating func write(_ buffers: inout IOBuffers, limit: Int = .max) throws(Errno) -> Int {
    var done = 0
    while room > 0 && buffers.count > 0 && done < limit {
      let start = head & mask
      let length = min(room, bytes.count &- start, limit &- done)
      do throws(Errno) {
        let moved = try buffers.copyIn(&bytes, start..<start &+ length)
        head &+= moved
        done &+= moved
        if moved < length { break }
      } catch {
        if done == 0 { throw error }
        break
      }
    }
    return done
  }

  /// Everything in it, for tests and messages.
  var contents: [UInt8] {
    var result: [UInt8] = []
    for i in 0..<count { result.append(self[i]) }
    return result
  }
}
