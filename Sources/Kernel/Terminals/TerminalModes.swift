import CLinux
import Machine

extension linux_termios {
  /// What TCGETS shows of the modes.
  public init(_ modes: termios2) {
    self.init()
    c_iflag = modes.c_iflag
    c_oflag = modes.c_oflag
    c_cflag = modes.c_cflag
    c_lflag = modes.c_lflag
    c_line = modes.c_line
    c_cc = modes.c_cc
  }
}

/// The modes of a terminal (termios(3)), in a form that is quick to ask.
struct TerminalModes: Sendable {
  var input: UInt32
  var output: UInt32
  var control: UInt32
  var local: UInt32
  var line: UInt8 = 0
  var inputSpeed: UInt32 = 38400
  var outputSpeed: UInt32 = 38400
  var characters: InlineArray<19, UInt8>

  /// Linux's tty_std_termios.
  static var standard: TerminalModes {
    TerminalModes(
      input: UInt32(ICRNL | IXON), output: UInt32(OPOST | ONLCR), control: UInt32(B38400 | CS8 | CREAD | HUPCL),
      local: UInt32(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN),
      characters: [3, 0o34, 0o177, 0o25, 4, 0, 1, 0, 0o21, 0o23, 0o32, 0, 0o22, 0o17, 0o27, 0o26, 0, 0, 0])
  }

  init(input: UInt32, output: UInt32, control: UInt32, local: UInt32, characters: InlineArray<19, UInt8>) {
    self.input = input
    self.output = output
    self.control = control
    self.local = local
    self.characters = characters
  }

  @inline(__always) func hasInput(_ flag: Int32) -> Bool { input & UInt32(bitPattern: flag) != 0 }
  @inline(__always) func hasOutput(_ flag: Int32) -> Bool { output & UInt32(bitPattern: flag) != 0 }
  @inline(__always) func hasLocal(_ flag: Int32) -> Bool { local & UInt32(bitPattern: flag) != 0 }

  var isCanonical: Bool { hasLocal(ICANON) }
  var expandsTabs: Bool { output & UInt32(TABDLY) == UInt32(XTABS) }
  var minimum: Int { Int(characters[Int(VMIN)]) }
  /// VTIME, in tenths of a second.
  var time: Int { Int(characters[Int(VTIME)]) }
}

// MARK: the guest's forms

extension TerminalModes {
  init(_ modes: termios2) {
    let c = modes.c_cc
    self.init(
      input: modes.c_iflag, output: modes.c_oflag, control: modes.c_cflag, local: modes.c_lflag,
      characters: [
        c.0, c.1, c.2, c.3, c.4, c.5, c.6, c.7, c.8, c.9, c.10, c.11, c.12, c.13, c.14, c.15, c.16, c.17, c.18,
      ])
    line = modes.c_line
    inputSpeed = modes.c_ispeed
    outputSpeed = modes.c_ospeed
  }
  var termios2: CLinux.termios2 {
    let c = characters
    return CLinux.termios2(
      c_iflag: input, c_oflag: output, c_cflag: control, c_lflag: local, c_line: line,
      c_cc: (
        c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11], c[12], c[13], c[14], c[15], c[16],
        c[17], c[18]
      ), c_ispeed: inputSpeed, c_ospeed: outputSpeed)
  }
}

// MARK: line speeds, which mean nothing here but are kept

extension TerminalModes {
  /// Takes the speeds from the control modes, as TCSETS does; with BOTHER the numbers themselves count.
  mutating func setSpeeds() {
    let out = control & UInt32(CBAUD)
    if out != UInt32(BOTHER) { outputSpeed = TerminalModes.speed(out) }
    let into = control >> 16 & UInt32(CBAUD)
    if into == 0 { inputSpeed = outputSpeed } else if into != UInt32(BOTHER) { inputSpeed = TerminalModes.speed(into) }
  }
  private static func speed(_ code: UInt32) -> UInt32 {
    let low: InlineArray<16, UInt32> = [
      0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
    ]
    let high: InlineArray<16, UInt32> = [
      0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000,
      3_000_000, 3_500_000, 4_000_000,
    ]
    let index = Int(code & 15)
    return code & 0x1000 != 0 ? high[index] : low[index]
  }
}
