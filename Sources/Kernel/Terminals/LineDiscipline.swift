import CLinux
import Machine

/// The line discipline of terminals, Linux's n_tty: what becomes of the bytes that come from the keyboard and of those
/// that go to the screen. Pure logic: its owner locks it, wakes whom `events` names, and sends the signals.
///
/// Input lies in a ring of 4096 bytes. In canonical mode `lineEnds` marks the bytes that end a line (the byte 0 stands for
/// EOF there, and is not read); readers see only what lies before `canonicalHead`, the end of the last whole line.
/// Otherwise readers see everything. Echo goes through a ring of its own, as operations, since an erased tab needs to know
/// the column at the time it is shown. Output, echo included, waits in `out` until the driver takes it.
struct LineDiscipline: ~Copyable {
  static var size: Int { 4096 }
  /// What an owner must do after a call.
  struct Events: OptionSet {
    var rawValue: UInt16
    static var readable: Events { Events(rawValue: 1) }  // readers have something to look at
    static var writable: Events { Events(rawValue: 2) }  // writers too
    static var output: Events { Events(rawValue: 4) }  // `out` grew
    static var stopped: Events { Events(rawValue: 8) }  // flow control, for packet mode
    static var started: Events { Events(rawValue: 16) }
    static var flushedInput: Events { Events(rawValue: 32) }  // by a signal character
    static var flushedOutput: Events { Events(rawValue: 64) }
    static var interrupt: Events { Events(rawValue: 128) }  // SIGINT to the foreground group
    static var quit: Events { Events(rawValue: 256) }
    static var suspend: Events { Events(rawValue: 512) }
    static var signals: Events { [.interrupt, .quit, .suspend] }
  }

  private(set) var modes: TerminalModes
  var events: Events = []
  /// Processed output. Writers leave the last part of its room to echo.
  var out: ByteRing
  let writerLimit: Int
  var column = 0
  var canonicalColumn = 0
  /// Output is stopped: by STOP (Ctrl-S), or by tcflow(3).
  var isStopped = false
  var isStoppedByFlow = false

  // Input: positions count on for ever; the index is their low bits.
  var buffer = [UInt8](repeating: 0, count: LineDiscipline.size)
  var lineEnds = [UInt64](repeating: 0, count: LineDiscipline.size / 64)
  var readHead = 0
  var readTail = 0
  var canonicalHead = 0
  var isErasing = false  // between the \ and the / of ECHOPRT
  var nextIsLiteral = false
  /// Canonical mode began with bytes already there: they are a line of their own.
  var echoes = ByteRing(capacity: LineDiscipline.size)
  /// Bytes that are more than ordinary under the present modes.
  private var special = [Bool](repeating: false, count: 256)
  private(set) var isRaw = false  // nothing looks at the bytes

  init(_ modes: TerminalModes, outputCapacity: Int = 16384) {
    self.modes = modes
    out = ByteRing(capacity: outputCapacity)
    writerLimit = outputCapacity &- LineDiscipline.size
    prepare()
  }

  /// The mode characters, read off once for all bytes.
  private mutating func prepare() {
    for i in 0..<256 { special[i] = false }
    if modes.hasInput(IGNCR) || modes.hasInput(ICRNL) { special[13] = true }
    if modes.hasInput(INLCR) { special[10] = true }
    if modes.isCanonical {
      mark(VERASE)
      mark(VKILL)
      mark(VEOF)
      mark(VEOL)
      special[10] = true
      if modes.hasLocal(IEXTEN) {
        mark(VWERASE)
        mark(VLNEXT)
        mark(VEOL2)
        if modes.hasLocal(ECHO) { mark(VREPRINT) }
      }
    }
    if modes.hasInput(IXON) {
      mark(VSTART)
      mark(VSTOP)
    }
    if modes.hasLocal(ISIG) {
      mark(VINTR)
      mark(VQUIT)
      mark(VSUSP)
    }
    special[0] = false  // _POSIX_VDISABLE
    let looked: Int32 = ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK
    isRaw = modes.input & UInt32(bitPattern: looked) == 0 && modes.local & UInt32(bitPattern: ICANON | ISIG | ECHO) == 0
  }
  private mutating func mark(_ index: Int32) { special[Int(modes.characters[Int(index)])] = true }

  @inline(__always) func isSpecial(_ byte: UInt8) -> Bool { special[Int(byte)] }
  /// Whether `byte` is the mode character at `index`; 0 is none.
  @inline(__always) func isCharacter(_ byte: UInt8, _ index: Int32) -> Bool {
    byte != 0 && modes.characters[Int(index)] == byte
  }

  /// Implements the discipline's part of TCSETS.
  mutating func setModes(_ new: TerminalModes) {
    let old = modes
    modes = new
    let changed = old.local ^ new.local
    if changed & UInt32(bitPattern: ICANON | EXTPROC) != 0 {
      clearLineEnds()
      if !new.isCanonical || readHead == readTail {
        canonicalHead = readTail
      } else {
        setLineEnd(readHead &- 1)
        canonicalHead = readHead
      }
      isErasing = false
      nextIsLiteral = false
    }
    prepare()
    if !new.hasInput(IXON) && old.hasInput(IXON) && !isStoppedByFlow { start() }
    events.insert([.readable, .writable])
  }

  // MARK: input's ring

  var inputCount: Int { readHead &- readTail }
  @inline(__always) func byte(at position: Int) -> UInt8 { buffer[position & (LineDiscipline.size &- 1)] }
  @inline(__always) mutating func put(_ byte: UInt8) {
    buffer[readHead & (LineDiscipline.size &- 1)] = byte
    readHead &+= 1
  }
  func isLineEnd(_ position: Int) -> Bool {
    let i = position & (LineDiscipline.size &- 1)
    return lineEnds[i &>> 6] &>> UInt64(i & 63) & 1 != 0
  }
  mutating func setLineEnd(_ position: Int) {
    let i = position & (LineDiscipline.size &- 1)
    lineEnds[i &>> 6] |= 1 &<< UInt64(i & 63)
  }
  mutating func clearLineEnd(_ position: Int) {
    let i = position & (LineDiscipline.size &- 1)
    lineEnds[i &>> 6] &= ~(1 &<< UInt64(i & 63))
  }
  private mutating func clearLineEnds() { for i in 0..<lineEnds.count { lineEnds[i] = 0 } }

  var readsLines: Bool { modes.isCanonical && !modes.hasLocal(EXTPROC) }

  /// TCIFLUSH.
  mutating func flushInput() {
    readTail = readHead
    canonicalHead = readHead
    isErasing = false
    clearLineEnds()
    events.insert(.writable)  // whoever waited for room
  }
  /// TCOFLUSH.
  mutating func flushOutput() {
    out.removeAll()
    events.insert(.writable)
  }

  // MARK: flow control

  mutating func stop() {
    if isStopped { return }
    isStopped = true
    events.insert(.stopped)
  }
  mutating func start() {
    guard isStopped, !isStoppedByFlow else { return }
    isStopped = false
    events.insert([.started, .writable])
    processEchoes()
    if !out.isEmpty { events.insert(.output) }
  }
}
