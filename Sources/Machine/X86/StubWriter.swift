/// Writes the machine code of patches. `isInReach` turns false when a distance does not fit into 32 bits.
struct StubWriter {
  private(set) var code: CodeBytes
  private(set) var isInReach = true

  init(at address: UInt64) { code = CodeBytes(at: address) }

  /// `lea`, `jmp *`.
  static let callLength = 13
  static let loadLength = 7
  /// `lea address(%rip), %rcx`: the return address, where the instruction would leave it.
  mutating func loadReturn(_ address: UInt64) {
    code.append(0x48 as UInt8)
    code.append(0x8d as UInt8)
    code.append(0x0d as UInt8)
    distance(to: address)
  }
  /// `jmp *slot(%rip)`.
  mutating func jump(through slot: UInt64) {
    code.append(0xff as UInt8)
    code.append(0x25 as UInt8)
    distance(to: slot)
  }
  /// `jmp target`.
  mutating func jump(to target: UInt64) {
    code.append(0xe9 as UInt8)
    distance(to: target)
  }
  /// `jmp target` in two bytes.
  mutating func shortJump(to target: UInt64) {
    code.append(0xeb as UInt8)
    let value = Int64(bitPattern: target &- code.end &- 1)
    if Int64(Int8(truncatingIfNeeded: value)) != value { isInReach = false }
    code.append(UInt8(truncatingIfNeeded: value))
  }
  /// How long `copy` makes an instruction.
  static func length(of instruction: Instruction) -> Int {
    switch instruction.kind {
    case .jump: 5
    case .conditional: 6
    default: instruction.length
    }
  }
  /// The same instruction as at `offset`. It must not be `Instruction.Relocation.fixed`.
  mutating func copy(_ instruction: Instruction, at offset: Int, of window: borrowing CodeWindow) {
    let target = window.address(offset &+ instruction.length &+ instruction.distance)
    if instruction.kind == .jump { return jump(to: target) }
    if instruction.kind == .conditional {
      code.append(0x0f as UInt8)
      code.append(0x80 | instruction.opcode & 15)
      return distance(to: target)
    }
    let moved = Int64(bitPattern: window.address(offset) &- code.end)
    let field = instruction.displacementOffset
    var i = 0
    while i < instruction.length {
      if field != 0, i == field {
        var old: UInt32 = 0
        for k in 0..<4 { old |= UInt32(window.original[offset &+ i &+ k]) &<< UInt32(k &* 8) }
        append(Int64(Int32(bitPattern: old)) &+ moved)
        i &+= 4
      } else {
        code.append(window.original[offset &+ i])
        i &+= 1
      }
    }
  }

  mutating func append(_ bytes: [UInt8]) { for byte in bytes { code.append(byte) } }
  mutating func distance(to target: UInt64) { append(Int64(bitPattern: target &- code.end &- 4)) }
  private mutating func append(_ value: Int64) {
    if Int64(Int32(truncatingIfNeeded: value)) != value { isInReach = false }
    code.append(Int32(truncatingIfNeeded: value))
  }
}
