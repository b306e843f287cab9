/// Finds the length of an x86-64 instruction, and what `Instruction` says of it.
///
/// It knows every encoding of 64-bit user code: legacy prefixes, REX and REX2; the maps 0F, 0F38, 0F3A and 3DNow!; VEX,
/// EVEX (with APX) and XOP. It checks no more than it needs: an instruction that would fault for its operands may pass.
///
/// An instruction has at most 15 bytes, so it works on a copy of that many in one number and can read past nothing; what
/// ends behind the last byte given is no instruction.
public struct InstructionDecoder {
  private let bytes: UInt128
  private var position = 0
  private var hasOperandSize = false, hasAddressSize = false, hasLock = false
  /// f2 or f3, whichever came last.
  private var repetition: UInt8 = 0
  /// The REX prefix, or its like in REX2.
  private var rex: UInt8 = 0
  private var modRM: UInt8 = 0
  private var displacementOffset = 0
  private var distance = 0
  private var kind = Instruction.Kind.plain
  private var stackUse = Instruction.StackUse.none

  /// The instruction at `offset` in `code`; nil: there is none, or not all of it.
  public static func decode(_ code: Span<UInt8>, at offset: Int) -> Instruction? {
    guard offset >= 0, offset < code.count else { return nil }
    let available = min(15, code.count &- offset)
    var bytes: UInt128 = 0
    if code.count &- offset >= 16 {
      // SAFETY: that many are there.
      bytes = unsafe code.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt128.self)
    } else {
      for i in 0..<available { bytes |= UInt128(code[offset &+ i]) &<< UInt128(i &* 8) }
    }
    var decoder = InstructionDecoder(bytes)
    guard let opcode = decoder.run(), decoder.position <= available else { return nil }
    let kind = decoder.kind
    return Instruction(
      length: decoder.position, kind: kind, opcode: opcode, displacementOffset: decoder.displacementOffset,
      distance: decoder.distance, isOddBranch: decoder.hasOperandSize, stackUse: decoder.stackUse)
  }

  private init(_ bytes: UInt128) { self.bytes = bytes }

  private var peek: UInt8 { position < 16 ? UInt8(truncatingIfNeeded: bytes &>> UInt128(position &* 8)) : 0 }
  private mutating func next() -> UInt8 {
    let byte = peek
    position &+= 1
    return byte
  }
  private var isWide: Bool { rex & 8 != 0 }
  private var hasPrefix: Bool { hasOperandSize || hasLock || repetition != 0 || rex != 0 }

  /// Returns the opcode's last byte; nil: no instruction.
  private mutating func run() -> UInt8? {
    let first = prefixes()
    switch first {
    case 0x0f: return escape()
    case 0x62: return extendedVector()
    case 0xc4, 0xc5: return vector(first)
    case 0x8f where peek & 0x1f >= 8: return extendedOperation()
    case 0xd5: return rex2()
    default: return legacy(first) ? first : nil
    }
  }

  /// Takes the prefixes and the byte after them, which it returns.
  private mutating func prefixes() -> UInt8 {
    while position < 15 {
      let byte = next()
      switch byte {
      case 0x66: hasOperandSize = true
      case 0x67: hasAddressSize = true
      case 0xf0: hasLock = true
      case 0xf2, 0xf3: repetition = byte
      case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65: break
      case 0x40...0x4f:
        rex = byte
        continue
      default: return byte
      }
      // One that is not the last prefix counts for nothing.
      rex = 0
    }
    return next()
  }

  // MARK: - Maps

  /// One byte of opcode.
  private mutating func legacy(_ opcode: UInt8) -> Bool {
    guard let layout = OpcodeLayout.oneByte(opcode) else { return false }
    if layout.hasModRM { operand(hasRegister: !OpcodeLayout.isGroup(opcode)) }
    let register = modRM >> 3 & 7
    if OpcodeLayout.namesStack(opcode), rex & 1 == 0 { stackUse = .named }
    switch opcode {
    case 0x70...0x7f, 0xe0...0xe3: return branch(.conditional, size: 1)
    case 0xeb: return branch(.jump, size: 1)
    case 0xe8: return branch(.call, size: 4)
    case 0xe9: return branch(.jump, size: 4)
    case 0xc7 where modRM == 0xf8: return branch(.conditional, size: 4)
    case 0x90: if rex & 1 == 0, !hasLock, repetition == 0 { kind = .nop }
    case 0xa0...0xa3: position &+= hasAddressSize ? 4 : 8
    case 0xb8...0xbf where isWide: position &+= 4
    case 0xc2, 0xc3, 0xca, 0xcb, 0xcf, 0xf4: kind = .end
    case 0xcc: kind = .breakpoint
    case 0xf6 where register < 2: position &+= 1
    case 0xf7 where register < 2: fullImmediate()
    case 0x8f where register != 0: return false
    case 0xc6 where register != 0 && modRM != 0xf8, 0xc7 where register != 0: return false
    case 0xfe where register > 1: return false
    case 0xff:
      switch register {
      case 2, 3: kind = .indirectCall
      case 4, 5: kind = .end
      case 7: return false
      default: break
      }
    default: break
    }
    immediate(layout)
    return true
  }

  /// What follows 0f.
  private mutating func escape() -> UInt8? {
    let opcode = next()
    switch opcode {
    case 0x38:
      let opcode = next()
      operand()
      return opcode
    case 0x3a:
      let opcode = next()
      operand()
      position &+= 1
      return opcode
    default: return secondary(opcode) ? opcode : nil
    }
  }

  private mutating func secondary(_ opcode: UInt8) -> Bool {
    guard let layout = OpcodeLayout.twoByte(opcode) else { return false }
    if layout.hasModRM {
      // Moves to and from control and debug registers have no memory operand, whatever they say.
      if (0x20...0x23).contains(opcode) { modRM = next() } else { operand() }
    }
    switch opcode {
    case 0x05: kind = .systemCall
    case 0x07, 0x0b, 0x35, 0xb9, 0xff: kind = .end
    case 0x1f: if modRM >> 3 & 7 == 0, !hasLock, repetition == 0 { kind = .nop }
    // extrq and insertq.
    case 0x78 where hasOperandSize || repetition == 0xf2: position &+= 2
    case 0xb8 where repetition != 0xf3: return false
    case 0x80...0x8f: return branch(.conditional, size: 4)
    default: break
    }
    immediate(layout)
    return true
  }

  /// d5: the payload's low bits are a REX prefix, its high one chooses the map.
  private mutating func rex2() -> UInt8? {
    let payload = next()
    rex = 0x40 | payload & 15
    let opcode = next()
    if payload & 0x80 != 0 { return secondary(opcode) ? opcode : nil }
    if opcode == 0xa1 {  // jmpabs
      kind = .end
      position &+= 8
      return opcode
    }
    return legacy(opcode) ? opcode : nil
  }

  /// c4 and c5.
  private mutating func vector(_ first: UInt8) -> UInt8? {
    if hasPrefix { return nil }
    let payload = next()
    let map = first == 0xc5 ? 1 : payload & 0x1f
    if first == 0xc4 { position &+= 1 }
    let opcode = next()
    if map == 1, opcode == 0x77 { return opcode }  // vzeroupper
    operand()
    switch map {
    case 1: if OpcodeLayout.hasVectorByte(opcode) { position &+= 1 }
    case 2, 5, 6: break
    case 3: position &+= 1
    case 7: position &+= 4
    default: return nil
    }
    return opcode
  }

  /// 62.
  private mutating func extendedVector() -> UInt8? {
    if hasPrefix { return nil }
    let map = next() & 7
    // The operand size is in here, as a prefix would have it.
    hasOperandSize = next() & 3 == 1
    position &+= 1
    let opcode = next()
    operand()
    switch map {
    case 1: if OpcodeLayout.hasVectorByte(opcode) { position &+= 1 }
    case 2, 5, 6: break
    case 3: position &+= 1
    case 4: promotedImmediate(opcode)
    case 7: position &+= 4
    default: return nil
    }
    return opcode
  }

  /// General instructions in EVEX form.
  private mutating func promotedImmediate(_ opcode: UInt8) {
    switch opcode {
    case 0x24, 0x2c, 0x6b, 0x80, 0x83, 0xc0, 0xc1: position &+= 1
    case 0x69, 0x81: fullImmediate()
    case 0xf6 where modRM >> 3 & 7 < 2: position &+= 1
    case 0xf7 where modRM >> 3 & 7 < 2: fullImmediate()
    default: break
    }
  }

  /// 8f with a map that no `pop` can have.
  private mutating func extendedOperation() -> UInt8? {
    if hasPrefix { return nil }
    let map = next() & 0x1f
    position &+= 1
    let opcode = next()
    operand()
    switch map {
    case 8: position &+= 1
    case 9: break
    case 10: position &+= 4
    default: return nil
    }
    return opcode
  }

  // MARK: - Operands

  /// ModRM, SIB and displacement. `hasRegister`: its middle bits are a register, no opcode.
  private mutating func operand(hasRegister: Bool = true) {
    modRM = next()
    let mode = modRM >> 6
    if hasRegister, modRM >> 3 & 7 == 4, rex & 4 == 0 { stackUse = .named }
    if mode == 3 {
      if modRM & 7 == 4, rex & 1 == 0 { stackUse = .named }
      return
    }
    var base = modRM & 7
    if base == 4 {
      let scale = next()
      base = scale & 7
      if base == 4, rex & 1 == 0 {
        if scale >> 3 & 7 != 4 || rex & 2 != 0 { stackUse = .named }
        if isNegative(mode) { stackUse = .below }
      }
    } else if mode == 0, base == 5 {
      displacementOffset = position
    }
    if mode == 1 {
      position &+= 1
    } else if mode == 2 || base == 5 {
      position &+= 4
    }
  }

  /// Whether the displacement that comes next is below zero.
  private func isNegative(_ mode: UInt8) -> Bool {
    let last = mode == 1 ? position : position &+ 3
    return mode != 0 && last < 16 && bytes &>> UInt128(last &* 8) & 0x80 != 0
  }

  private mutating func immediate(_ layout: OpcodeLayout) {
    if layout.hasByte { position &+= 1 }
    if layout.hasWord { position &+= 2 }
    if layout.hasFull { fullImmediate() }
  }
  /// 32 bits, or 16 with the prefix for it.
  private mutating func fullImmediate() { position &+= hasOperandSize && !isWide ? 2 : 4 }

  /// False: the prefix 66 makes its length differ from one processor's maker to another's.
  private mutating func branch(_ kind: Instruction.Kind, size: Int) -> Bool {
    self.kind = kind
    if isWide { hasOperandSize = false }
    guard position &+ size <= 15 else { return false }
    let value = UInt32(truncatingIfNeeded: bytes &>> UInt128(position &* 8))
    position &+= size
    distance = size == 1 ? Int(Int8(truncatingIfNeeded: value)) : Int(Int32(bitPattern: value))
    return size == 1 || !hasOperandSize
  }
}
