import CLinux
import Machine

/// What one slot of a pipe holds: bytes of its page.
struct PipeBuffer {
  var offset: UInt32 = 0
  var count: UInt32 = 0
  var isPacket = false  // O_DIRECT: a read takes it alone and drops its rest
}

/// A pipe's bytes: a ring of slots, each with up to a page of bytes, as Linux has it. That a write of at most PIPE_BUF is
/// whole comes of it: it goes behind the last slot's bytes if it fits there, else into a slot of its own.
///
/// `head` and `tail` only ever grow; a slot is a counter modulo the slots.
struct PipeRing: ~Copyable {
  private var pages: PageSlots
  private var slots: [PipeBuffer]
  private(set) var head = 0  // the next slot to fill
  private(set) var tail = 0  // the oldest slot with bytes

  static var pageSize: Int { 4096 }

  /// Errors: ENOMEM.
  init(capacity: Int) throws(Errno) {
    pages = try PageSlots(capacity: capacity)
    slots = [PipeBuffer](repeating: PipeBuffer(), count: capacity)
  }

  @inline(__always) var capacity: Int { pages.capacity }
  @inline(__always) var occupied: Int { head &- tail }
  @inline(__always) var isEmpty: Bool { head == tail }
  @inline(__always) var isFull: Bool { head &- tail >= pages.capacity }
  private var mask: Int { pages.capacity &- 1 }

  /// Bytes in the pipe: FIONREAD.
  var byteCount: Int {
    var sum = 0, at = tail
    while at != head {
      sum &+= Int(slots[at & mask].count)
      at &+= 1
    }
    return sum
  }

  /// Moves bytes out to `buffers`, as many as there are. Returns how many; 0 when it is empty. Errors: EFAULT where that
  /// keeps it from moving any.
  mutating func copyOut(to buffers: inout IOBuffers) throws(Errno) -> Int {
    var moved = 0
    while head != tail && buffers.count > 0 {
      let i = tail & mask
      let slot = slots[i]
      guard let page = pages[tail] else { break }
      let wanted = min(Int(slot.count), buffers.count)
      var done = 0
      do throws(Errno) { done = try buffers.copyOut(page.slice(Int(slot.offset), wanted)) } catch {
        if moved == 0 { throw error }
      }
      if done < wanted {  // Linux leaves the bytes of a slot whose copy faults
        if moved == 0 { throw .fault }
        break
      }
      moved &+= done
      consume(done)
      if slot.isPacket { break }
    }
    return moved
  }

  /// Takes `count` bytes, which it has, off the oldest slot; a packet goes whole.
  mutating func consume(_ count: Int) {
    let i = tail & mask
    if count >= Int(slots[i].count) || slots[i].isPacket {
      slots[i] = PipeBuffer()
      pages.release(tail)
      tail &+= 1
    } else {
      slots[i].offset &+= UInt32(count)
      slots[i].count &-= UInt32(count)
    }
  }

  /// Moves bytes in from `buffers` until these are empty or the ring is full. `moved` grows by what it moved: a page's
  /// worth goes in whole, or not at all.
  /// Errors: EFAULT, ENOMEM.
  mutating func copyIn(from buffers: inout IOBuffers, asPackets: Bool, moved: inout Int) throws(Errno) {
    let rest = buffers.count & 4095
    if rest != 0 && !isEmpty {
      // The odd part goes behind the last slot's bytes, if it fits there whole.
      let i = (head &- 1) & mask
      let slot = slots[i]
      let end = Int(slot.offset) &+ Int(slot.count)
      if !slot.isPacket && !asPackets && end &+ rest <= 4096, let page = pages[head &- 1] {
        let done = try buffers.copyIn(page.slice(end, rest))
        if done < rest { throw .fault }
        slots[i].count &+= UInt32(done)
        moved &+= done
      }
    }
    while buffers.count > 0 && !isFull {
      let page = try pages.fill(head)
      let wanted = min(buffers.count, 4096)
      let done = try buffers.copyIn(page.slice(0, wanted))
      if done < wanted { throw .fault }
      push(count: done, isPacket: asPackets)
      moved &+= done
    }
  }
  private mutating func push(count: Int, isPacket: Bool) {
    slots[head & mask] = PipeBuffer(offset: 0, count: UInt32(count), isPacket: isPacket)
    head &+= 1
  }

  /// The bytes of the oldest slot but `index`.
  func bytes(_ index: Int) -> KernelBytes? {
    guard index >= 0 && index < occupied, let page = pages[tail &+ index] else { return nil }
    let slot = slots[(tail &+ index) & mask]
    return page.slice(Int(slot.offset), Int(slot.count))
  }
  func isPacket(_ index: Int) -> Bool { slots[(tail &+ index) & mask].isPacket }

  /// An empty page at the head, for who fills it and then says `commit`; the ring has room.
  mutating func reserve() throws(Errno) -> KernelBytes { try pages.fill(head) }
  /// The reserved page has `count` bytes.
  mutating func commit(_ count: Int, isPacket: Bool = false) { push(count: count, isPacket: isPacket) }

  /// Gives it `capacity` slots, a power of two. Errors: EBUSY where more are occupied, ENOMEM.
  mutating func resize(_ capacity: Int) throws(Errno) {
    guard capacity >= occupied else { throw .busy }
    var new = try PageSlots(capacity: capacity)
    new.adopt(&pages, tail..<head)
    var moved = [PipeBuffer](repeating: PipeBuffer(), count: capacity)
    for i in 0..<occupied { moved[i] = slots[(tail &+ i) & mask] }
    pages = new
    slots = moved
    head &-= tail
    tail = 0
  }
}
