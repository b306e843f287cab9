import CLinux
import Machine

/// What a move said: the bytes, or minus the error.
private func outcome(_ body: () throws(Errno) -> Int) -> Int {
  do throws(Errno) { return try body() } catch { return -Int(error.number) }
}

/// Copies that end at a fault move what comes before it; vectors go on from segment to segment.
func ioBuffers(_ k: KUnit) {
  inSpace(k) { (space) throws(Errno) in
    let limits = MemoryLimits()
    let a = try space.map(
      MapRequest(count: 3 << 12, protection: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANONYMOUS),
      limits: limits)
    try space.unmap(a + 2 << 12, 1 << 12)
    let end = a + 2 << 12
    let kernel = try KernelBuffer(count: 3 << 12)
    for i in 0..<kernel.count { kernel.bytes[i] = UInt8(truncatingIfNeeded: i &* 7) }

    var buffers = IOBuffers(UserPointer(a + 10), count: 3 << 12)
    let whole = (2 << 12) - 10
    k.expect(outcome { () throws(Errno) in try buffers.copyOut(kernel.bytes) } == whole, "up to the hole")
    k.expect(buffers.count == 3 << 12 - whole, "the rest is left")
    k.expect(
      outcome { () throws(Errno) in try buffers.copyOut(kernel.bytes) } == -Int(Errno.fault.number), "then a fault")
    k.expect(try UserPointer<UInt8>(end - 1).copyIn() == kernel.bytes[whole - 1], "the last byte")

    let back = try KernelBuffer(count: 3 << 12)
    buffers = IOBuffers(UserPointer(a + 10), count: 3 << 12)
    k.expect(outcome { () throws(Errno) in try buffers.copyIn(back.bytes) } == whole, "and back")
    k.expect(back.bytes.slice(0, whole).array == kernel.bytes.slice(0, whole).array, "the same bytes")

    buffers = IOBuffers(UserPointer(end - 100), count: 200)
    k.expect(outcome { () throws(Errno) in try buffers.clear(150) } == 100, "cleared up to the hole")
    k.expect(outcome { () throws(Errno) in try buffers.clear(50) } == -Int(Errno.fault.number), "then a fault")
    k.expect(buffers.skip(30) == 30 && buffers.count == 70, "what is skipped is not touched")
    buffers.cut(to: 20)
    k.expect(buffers.skip(100) == 20 && buffers.count == 0, "cut")

    // A vector: two pieces, an empty one, and one beyond the end.
    let vector = UserPointer<UInt>(a)
    let pieces: [UInt] = [a + 1000, 5, a + 2000, 0, a + 3000, 7, end - 3, 10]
    for i in pieces.indices { try vector.advanced(by: i).copyOut(pieces[i]) }
    buffers = try IOBuffers(vectorAt: a, count: 4)
    k.expect(buffers.count == 22, "the vector's sum")
    k.expect(outcome { () throws(Errno) in try buffers.copyOut(kernel.bytes.slice(0, 22)) } == 15, "15 of 22")
    k.expect(try UserPointer<UInt8>(a + 3006).copyIn() == kernel.bytes[11], "the third piece")
    k.expect(try UserPointer<UInt8>(end - 1).copyIn() == kernel.bytes[14], "the last piece's third byte")
    let none = outcome { () throws(Errno) in try IOBuffers(vectorAt: a, count: 1025).count }
    k.expect(none == -Int(Errno.invalid.number), "too many pieces")
    try vector.advanced(by: 3).copyOut(.max)
    let negative = outcome { () throws(Errno) in try IOBuffers(vectorAt: a, count: 2).count }
    k.expect(negative == -Int(Errno.invalid.number), "a negative length")
    let nowhere = outcome { () throws(Errno) in try IOBuffers(vectorAt: end - 8, count: 1).count }
    k.expect(nowhere == -Int(Errno.fault.number), "a vector in a hole")

    // Kernel memory is no guest's.
    buffers = IOBuffers(UserPointer(0x4000_0000_0000), count: 8)
    k.expect(
      outcome { () throws(Errno) in try buffers.copyOut(kernel.bytes) } == -Int(Errno.fault.number), "kernel memory")
    buffers = IOBuffers(UserPointer(0x6800_0000_1000), count: 8)
    k.expect(outcome { () throws(Errno) in try buffers.copyIn(back.bytes) } == -Int(Errno.fault.number), "the image")
    buffers = IOBuffers(UserPointer(.max - 4), count: 8)
    k.expect(
      outcome { () throws(Errno) in try buffers.copyIn(back.bytes) } == -Int(Errno.fault.number), "round the end")
  }
}
