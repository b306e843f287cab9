import CBoot
import CLinux
import Machine

/// Where exec puts things: at random, unless the machine (`--no-aslr`) or the process (personality(2)) says otherwise.
struct Placement {
  let isRandom: Bool

  init(personality: UInt32) {
    isRandom = !bootBlock.has(Int(MARTLET_NO_ASLR)) && personality & UInt32(ADDR_NO_RANDOMIZE) == 0
  }

  /// Pages below 2^`bits`, in bytes.
  private func random(bits: Int) -> UInt { isRandom ? UInt(HostRandom.word() & (1 << UInt64(bits) - 1)) << 12 : 0 }

  /// One above the stack, which may grow by `room`: near the top, clear of the host's vDSO.
  func stackTop(room: UInt) -> UInt {
    let vdso = HostVDSO.range
    func isClear(_ top: UInt) -> Bool {
      let low = top - room - stackGuardGap - 65536
      return top <= vdso.lowerBound || low >= vdso.upperBound
    }
    for _ in 0..<16 {
      let top = AddressLayout.end - random(bits: 22)
      if isClear(top) { return top }
    }
    return min(AddressLayout.end, vdso.lowerBound) & ~4095
  }
  /// Bytes that the stack pointer is moved down within its page or two, 16 aligned.
  var stackShift: UInt { isRandom ? UInt(HostRandom.word() & 8191) : 0 }
  /// The mapping area's top, below a stack that may grow by `room`.
  func mapTop(stackTop: UInt, room: UInt) -> UInt {
    let gap = max(room + stackGuardGap, 128 << 20)
    return (stackTop - gap - random(bits: 28)) & ~4095
  }
  var programBase: UInt { AddressLayout.programBase + random(bits: 28) }
  /// Where the heap begins, for a program that ends at `end`.
  func breakStart(_ end: UInt) -> UInt { AddressLayout.roundedUp(end) + random(bits: 18) }
}
