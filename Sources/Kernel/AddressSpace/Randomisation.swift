import CBoot
import CLinux
import Machine

/// Where exec puts things: at random, unless the machine (`--no-aslr`) or the process (personality(2)) says otherwise.
struct Placement {
  let isRandom: Bool
  private var words: InlineArray<7, UInt64> = HostRandom.words()

  init(isRandom: Bool) { self.isRandom = isRandom }
  static func isRandom(personality: UInt32) -> Bool {
    !bootBlock.has(Int(MARTLET_NO_ASLR)) && personality & UInt32(ADDR_NO_RANDOMIZE) == 0
  }

  /// The same places for another run; what is random within the stack is so anew.
  func again() -> Placement {
    var result = self
    let fresh: InlineArray<3, UInt64> = HostRandom.words()
    result.words[1] = fresh[0]
    result.words[5] = fresh[1]
    result.words[6] = fresh[2]
    return result
  }

  /// Pages below 2^`bits`, in bytes. Each use has a word of its own.
  private func random(_ word: UInt64, bits: UInt64) -> UInt { isRandom ? UInt(word & (1 << bits - 1)) << 12 : 0 }

  /// One above the stack, which may grow by `room`: near the top, clear of the host's vDSO.
  func stackTop(room: UInt) -> UInt {
    let vdso = HostVDSO.range
    func isClear(_ top: UInt) -> Bool {
      let low = top - room - stackGuardGap - 65536
      return top <= vdso.lowerBound || low >= vdso.upperBound
    }
    for attempt in 0..<16 as Range<UInt64> {
      let top = AddressLayout.end - random(words[0] >> (attempt * 2), bits: 22)
      if isClear(top) { return top }
    }
    return min(AddressLayout.end, vdso.lowerBound) & ~4095
  }
  /// Bytes that the stack pointer is moved down within its page or two, 16 aligned.
  var stackShift: UInt { isRandom ? UInt(words[1] & 8191) : 0 }
  /// The mapping area's top, below a stack that may grow by `room`.
  func mapTop(stackTop: UInt, room: UInt) -> UInt {
    let gap = max(room + stackGuardGap, 128 << 20)
    return (stackTop - gap - random(words[2], bits: 28)) & ~4095
  }
  var programBase: UInt { AddressLayout.programBase + random(words[3], bits: 28) }
  /// Where the heap begins, for a program that ends at `end`.
  func breakStart(_ end: UInt) -> UInt { AddressLayout.roundedUp(end) + random(words[4], bits: 18) }
  /// AT_RANDOM's 16 bytes: random in any case.
  var secret: [UInt64] { [words[5], words[6]] }
}
