/// What follows an opcode byte. Branches and what depends on ModRM or a prefix are the decoder's.
struct OpcodeLayout: OptionSet {
  let rawValue: UInt8
  static let modRM = OpcodeLayout(rawValue: 1)
  static let byte = OpcodeLayout(rawValue: 2)
  static let word = OpcodeLayout(rawValue: 4)
  /// 32 bits, or 16 with the prefix 66.
  static let full = OpcodeLayout(rawValue: 8)

  var hasModRM: Bool { rawValue & 1 != 0 }
  var hasByte: Bool { rawValue & 2 != 0 }
  var hasWord: Bool { rawValue & 4 != 0 }
  var hasFull: Bool { rawValue & 8 != 0 }

  /// The map without an escape; nil: invalid in 64-bit mode. (`salc`, d6, is `udb` today: it faults for good.)
  static func oneByte(_ opcode: UInt8) -> OpcodeLayout? {
    switch opcode {
    case 0x00...0x3f:
      switch opcode & 7 {
      case 0...3: .modRM
      case 4: .byte
      case 5: .full
      default: nil
      }
    case 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xea: nil
    case 0x63, 0x84...0x8f, 0xd0...0xd3, 0xd8...0xdf, 0xf6, 0xf7, 0xfe, 0xff: .modRM
    case 0x68, 0xa9, 0xb8...0xbf: .full
    case 0x69, 0x81, 0xc7: [.modRM, .full]
    case 0x6a, 0xa8, 0xb0...0xb7, 0xcd, 0xe4...0xe7: .byte
    case 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6: [.modRM, .byte]
    case 0xc2, 0xca: .word
    case 0xc8: [.word, .byte]
    default: []
    }
  }

  /// Whether the middle bits of ModRM choose the operation, in the map without an escape.
  static func isGroup(_ opcode: UInt8) -> Bool {
    switch opcode {
    case 0x80...0x83, 0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xd3, 0xd8...0xdf, 0xf6, 0xf7, 0xfe, 0xff: true
    default: false
    }
  }

  /// Whether the opcode itself has the stack pointer for a register; `enter` has it too.
  static func namesStack(_ opcode: UInt8) -> Bool {
    switch opcode {
    case 0x54, 0x5c, 0x94, 0xbc, 0xc8: true
    default: false
    }
  }

  /// The map after 0f.
  static func twoByte(_ opcode: UInt8) -> OpcodeLayout? {
    switch opcode {
    case 0x04, 0x0a, 0x0c, 0x24...0x27, 0x36, 0x38...0x3f, 0x7a, 0x7b: nil
    case 0x05...0x09, 0x0b, 0x0e, 0x30...0x35, 0x37, 0x77, 0x80...0x8f, 0xa0...0xa2, 0xa8...0xaa, 0xc8...0xcf: []
    case 0x0f, 0x70...0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4...0xc6: [.modRM, .byte]
    default: .modRM
    }
  }

  /// Whether an opcode of map 1 has an immediate in its VEX and EVEX forms.
  static func hasVectorByte(_ opcode: UInt8) -> Bool {
    switch opcode {
    case 0x70...0x73, 0xc2, 0xc4...0xc6: true
    default: false
    }
  }
}
