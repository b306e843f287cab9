import Testing

@testable import Machine

/// Bytes from hexadecimal digits.
func bytes(_ text: String) -> [UInt8] {
  let digits = text.filter { $0.isHexDigit }.compactMap { $0.hexDigitValue }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
private func decode(_ text: String) -> Instruction? { InstructionDecoder.decode(bytes(text).span, at: 0) }

@Suite struct InstructionDecoderTests {
  /// Each is one whole instruction, followed by bytes that belong to it no more.
  @Test(arguments: [
    "0f05", "90", "c3", "b8 27000000", "48b8 1122334455667788", "66b8 2700", "c8 1000 01", "c2 0800",
    // ModRM, SIB and displacement.
    "89 c8", "8b 00", "8b 40 10", "8b 80 10000000", "8b 05 10000000", "8b 04 24", "8b 44 24 08", "8b 84 24 08000000",
    "8b 04 25 00100000", "8b 44 25 00", "41 8b 05 10000000", "41 8b 04 24", "41 8b 45 00",
    // Immediates.
    "83 c0 01", "81 c0 01000000", "6681 c0 0100", "4881 c0 01000000", "c7 00 01000000", "66c7 00 0100",
    "48c7 c0 0f000000", "6a 01", "68 01000000", "69 c0 01000000", "6b c0 01", "f6 c0 01", "f6 d8", "f7 c0 01000000",
    "66f7 c0 0100", "f7 d8", "a8 01", "a9 01000000", "e4 01", "cd 80",
    "48a1 1122334455667788", "67a1 11223344", "a0 1122334455667788",
    // The maps behind 0f.
    "0fa2", "0f31", "0faf c1", "0fa4 c1 03", "0fba e0 03", "0fc2 c1 00", "0f70 c1 00", "0fc8", "0f1f 00", "0f20 c0",
    "660f3800 c1", "660f3a0f c1 08", "f20f38f0 c1", "0f0f c1 9e", "f30fb8 c1", "f20f78 c1 0102", "f30f1efa",
    // VEX, EVEX, XOP, REX2.
    "c5f877", "c5f8 28 c1", "c5f970 c1 00", "c4e279 00 c1", "c4e379 0f c1 08", "c4e2f1 f7 c0", "62f17c48 28 c1",
    "62f17c48 28 40 01", "62f17c48 28 80 00010000", "62f3fd48 1b c1 01", "62f17d48 70 c1 01", "8fe878c0 c1 01",
    "8fe97880 c1", "8fea7810 c1 01000000", "d510 89 c8", "d519 b8 1122334455667788", "d590 af c1",
    "62f47c18 81 c0 01000000", "62f47d18 81 c0 0100", "62f47c18 83 c0 01", "8fc0",
    // Many prefixes.
    "662e0f1f84 00 00000000", "66662e0f1f84 00 00000000", "6666666666662e0f1f84 00 00000000", "f3a4", "f048 0fc7 0f",
    "6448 8b04 25 28000000", "48660f 6ec0",
  ])
  func length(_ text: String) {
    #expect(decode(text)?.length == bytes(text).count)
    #expect(decode(text + "90909090909090909090909090909090")?.length == bytes(text).count)
    // Cut short, it is none, or another one that is shorter.
    for count in 0..<bytes(text).count {
      let part = Array(bytes(text)[..<count])
      #expect(InstructionDecoder.decode(part.span, at: 0).map { $0.length <= count } ?? true)
    }
  }

  @Test(arguments: [
    "06", "0e", "1f", "27", "37", "3f", "60", "61", "82c001", "9a", "ce", "d400", "d6", "ea", "0f04", "0f24c0", "ffff",
    "fed0", "8fc8", "0fb8c0",
    // 16 bytes.
    "66666666666666666666666666666690",
    // A VEX prefix behind another.
    "66c5f877", "48c5f877",
    // Its length depends on the processor's maker.
    "66e8 00000000",
  ])
  func invalid(_ text: String) { #expect(decode(text) == nil) }

  @Test func flow() {
    func kind(_ text: String) -> Instruction.Kind? { decode(text)?.kind }
    #expect(kind("0f05") == .systemCall)
    #expect(kind("7402") == .conditional && decode("74fe")?.distance == -2)
    #expect(kind("0f84 00010000") == .conditional && decode("0f84 00010000")?.distance == 256)
    #expect(kind("e302") == .conditional && kind("c7f8 00000000") == .conditional)
    #expect(kind("eb02") == .jump && kind("e9 00000000") == .jump && kind("f2e9 00000000") == .jump)
    #expect(kind("e8 00000000") == .call && kind("666648e8 00000000") == .call && kind("67e8 00000000") == .call)
    #expect(kind("ffd0") == .indirectCall && kind("ff15 00000000") == .indirectCall && kind("41ffd3") == .indirectCall)
    for text in ["c3", "f3c3", "c20800", "ffe0", "3effe0", "ff25 00000000", "0f0b", "f4", "48cf"] {
      #expect(kind(text) == .end)
    }
    #expect(kind("cc") == .breakpoint && kind("d500a1 1122334455667788") == .end)
    #expect(kind("90") == .nop && kind("6690") == .nop && kind("0f1f4000") == .nop)
    #expect(kind("4190") == .plain && kind("f390") == .plain && kind("f30f1efa") == .plain && kind("ff30") == .plain)
  }

  @Test func relocation() {
    func relocation(_ text: String) -> Instruction.Relocation? { decode(text)?.relocation }
    for text in ["483d00f0ffff", "c3", "90", "ffe0"] { #expect(relocation(text) == .unchanged) }
    #expect(relocation("488d05 00000000") == .displacement)
    #expect(decode("488d05 00000000")?.displacementOffset == 3)
    #expect(decode("c605 00000000 01")?.displacementOffset == 2 && decode("c5fb1005 00000000")?.displacementOffset == 4)
    #expect(decode("62f17c482805 00000000")?.displacementOffset == 6)
    #expect(decode("8b0425 00000000")?.displacementOffset == 0)
    #expect(relocation("7402") == .branch && relocation("0f8400000000") == .branch && relocation("eb02") == .branch)
    for text in ["e302", "e202", "e800000000", "ffd0", "0f05", "cc", "0f0b", "66eb02", "c7f800000000"] {
      #expect(relocation(text) == .fixed)
    }
  }

  @Test func staysInside() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let code = (0..<Int.random(in: 0...16, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      for offset in -1...code.count {
        guard let found = InstructionDecoder.decode(code.span, at: offset) else { continue }
        #expect(found.length > 0 && found.length <= 15 && offset + found.length <= code.count)
        #expect(found.displacementOffset == 0 || found.displacementOffset + 4 <= found.length)
      }
    }
  }
}

@Suite struct RedZoneTests {
  private func isUnused(_ text: String) -> Bool {
    let code = bytes(text)
    return RedZone.isUnused(by: code.span)
  }

  @Test func leavesThatUseNothing() {
    #expect(isUnused("f30f1efa b827000000 0f05 483d01f0ffff 7301 c3 f7d8 648903 c3"))
    #expect(isUnused("4c8b4c2408 0f05 c3"))  // mov 8(%rsp), %r9: the caller's
    #expect(isUnused("53 b827000000 0f05 5b c3"))
  }
  @Test func leavesThatUseIt() {
    for code in [
      "48897c24f8 0f05 c3",  // mov %rdi, -8(%rsp)
      "488d5424f8 0f05 c3",  // lea -8(%rsp), %rdx
      "4889bc2480ffffff 0f05 c3",  // mov %rdi, -128(%rsp)
      "55 4889e5 0f05 5d c3",  // mov %rsp, %rbp
      "48893cd4 0f05 c3",  // mov %rdi, (%rsp,%rdx,8)
      "54 58 0f05 c3",  // push %rsp; pop %rax
      "0f05 06 c3",  // what is no instruction
    ] { #expect(!isUnused(code), "\(code)") }
  }
  @Test func others() {
    #expect(isUnused("55 4889e5 e800000000 0f05 5d c3"))
    #expect(!isUnused("48897c24f8 e800000000 0f05 c3"))
    #expect(isUnused("4989e4 ffd0 0f05 c3"))
  }
}
