import CLinux
import Machine
import Testing

@testable import Kernel

/// A discipline with a keyboard, a screen and a reader.
private final class Rig {
  var d: LineDiscipline
  private var keys = ByteRing(capacity: 8192)

  init(
    input: Int32 = 0, noInput: Int32 = 0, output: Int32 = 0, noOutput: Int32 = 0, local: Int32 = 0, noLocal: Int32 = 0
  ) {
    d = LineDiscipline(Rig.modes(input, noInput, output, noOutput, local, noLocal))
  }
  static func modes(
    _ input: Int32 = 0, _ noInput: Int32 = 0, _ output: Int32 = 0, _ noOutput: Int32 = 0, _ local: Int32 = 0,
    _ noLocal: Int32 = 0
  ) -> TerminalModes {
    var m = TerminalModes.standard
    m.input = (m.input | UInt32(bitPattern: input)) & ~UInt32(bitPattern: noInput)
    m.output = (m.output | UInt32(bitPattern: output)) & ~UInt32(bitPattern: noOutput)
    m.local = (m.local | UInt32(bitPattern: local)) & ~UInt32(bitPattern: noLocal)
    return m
  }
  func type(_ text: String) { type([UInt8](text.utf8)) }
  func type(_ bytes: [UInt8]) {
    for byte in bytes { keys.append(byte) }
    d.receive(&keys)
  }
  var isStopped: Bool { d.isStopped }
  var isRaw: Bool { d.isRaw }
  var writable: Int { d.writable }
  var writerLimit: Int { d.writerLimit }
  var column: Int { d.column }
  var readableCount: Int { d.readableCount }
  var inputCount: Int { d.inputCount }
  var outputCount: Int { d.out.count }
  var outputCapacity: Int { d.out.capacity }
  func hasInput(forPoll: Bool = false) -> Bool { d.hasInput(forPoll: forPoll) }
  /// Keys that found no room.
  var waiting: Int { keys.count }
  /// What a read of `count` bytes gets; nil where it would wait.
  func read(_ count: Int = 4096) -> String? { readBytes(count).map { String(decoding: $0, as: UTF8.self) } }
  func readBytes(_ count: Int = 4096) -> [UInt8]? {
    guard d.hasInput() else { return nil }
    var result = [UInt8](repeating: 0, count: count)
    let moved = unsafe result.withUnsafeMutableBytes { b -> Int in
      var buffers = IOBuffers(UserPointer(UInt(bitPattern: b.baseAddress)), count: count)
      return (try? d.read(&buffers)) ?? -1
    }
    return Array(result[0..<moved])
  }
  func screen() -> String { String(decoding: screenBytes(), as: UTF8.self) }
  func screenBytes() -> [UInt8] {
    let bytes = d.out.contents
    d.out.removeAll()
    d.processEchoes()
    return bytes + (d.out.isEmpty ? [] : screenBytes())
  }
  func write(_ text: String) {
    let bytes = [UInt8](text.utf8)
    d.write(bytes, 0..<bytes.count)
  }
  func events() -> LineDiscipline.Events {
    defer { d.events = [] }
    return d.events
  }
}

@Suite struct CanonicalInput {
  @Test func lineIsReadWhole() {
    let rig = Rig()
    rig.type("hello")
    #expect(rig.read() == nil)
    #expect(rig.readableCount == 0)
    rig.type("\n")
    #expect(rig.readableCount == 6)
    #expect(rig.read() == "hello\n")
    #expect(rig.read() == nil)
    #expect(rig.screen() == "hello\r\n")
  }
  @Test func oneLineARead() {
    let rig = Rig()
    rig.type("one\ntwo\n")
    #expect(rig.read() == "one\n")
    #expect(rig.read() == "two\n")
  }
  @Test func lineInParts() {
    let rig = Rig()
    rig.type("abcdef\n")
    #expect(rig.read(4) == "abcd")
    #expect(rig.read(4) == "ef\n")
    #expect(rig.read() == nil)
  }
  @Test func returnBecomesNewline() {
    let rig = Rig()
    rig.type("x\r")
    #expect(rig.read() == "x\n")
    let plain = Rig(noInput: ICRNL)
    plain.type("x\r")
    #expect(plain.read() == nil)
    plain.type("\n")
    #expect(plain.read() == "x\r\n")
  }
  @Test func returnIgnored() {
    let rig = Rig(input: IGNCR)
    rig.type("a\rb\n")
    #expect(rig.read() == "ab\n")
  }
  @Test func newlineBecomesReturn() {
    let rig = Rig(input: INLCR, noInput: ICRNL)
    rig.type("a\n")
    #expect(rig.read() == nil)
    #expect(rig.inputCount == 2)
  }
  @Test func endOfFile() {
    let rig = Rig()
    rig.type("\u{4}")
    #expect(rig.hasInput())
    #expect(rig.read() == "")
    #expect(rig.read() == nil)
    rig.type("abc\u{4}")
    #expect(rig.readableCount == 3)
    #expect(rig.read() == "abc")
    #expect(rig.read() == nil)
  }
  @Test func endOfFileBehindAFullBuffer() {
    let rig = Rig()
    rig.type("abc\u{4}")
    #expect(rig.read(3) == "abc")
    #expect(rig.read() == nil)
    rig.type("abc\u{4}")
    #expect(rig.read(2) == "ab")
    #expect(rig.read(2) == "c")
    #expect(rig.read() == nil)
  }
  @Test func otherLineEnds() {
    let rig = Rig()
    var modes = rig.d.modes
    modes.characters[Int(VEOL)] = 59
    modes.characters[Int(VEOL2)] = 46
    rig.d.setModes(modes)
    rig.type("a;b.c")
    #expect(rig.read() == "a;")
    #expect(rig.read() == "b.")
    #expect(rig.read() == nil)
    modes.local &= ~UInt32(IEXTEN)
    rig.d.setModes(modes)
    rig.type(".")
    #expect(rig.read() == nil)
  }
  @Test func literalNext() {
    let rig = Rig()
    rig.type("a\u{16}\u{4}b\u{16}\u{3}\n")
    #expect(rig.readBytes() == [97, 4, 98, 3, 10])
    #expect(!rig.events().contains(.interrupt))
    #expect(rig.screen() == "a^\u{8}^Db^\u{8}^C\r\n")
  }
  @Test func fullBufferKeepsRoomForNewline() {
    let rig = Rig()
    rig.type([UInt8](repeating: 97, count: 5000))
    #expect(rig.waiting == 0)
    rig.type("\n")
    let line = rig.readBytes(8192)
    #expect(line?.count == 4096)
    #expect(line?.last == 10)
  }
  @Test func wholeLinesWait() {
    let rig = Rig()
    rig.type([UInt8](repeating: 97, count: 4000) + [10])
    rig.type([UInt8](repeating: 98, count: 1000))
    #expect(rig.waiting > 0)
    #expect(rig.readBytes(8192)?.count == 4001)
    rig.type("\n")
    #expect(rig.waiting == 0)
    #expect(rig.readBytes(8192)?.count == 1001)
  }
  @Test func stripAndLower() {
    let rig = Rig(input: ISTRIP | IUCLC)
    rig.type([0xc1, 0x42, 10])
    #expect(rig.read() == "ab\n")
  }
}

@Suite struct Editing {
  @Test func erase() {
    let rig = Rig()
    rig.type("abc\u{7f}\u{7f}x\n")
    #expect(rig.read() == "ax\n")
    #expect(rig.screen() == "abc\u{8} \u{8}\u{8} \u{8}x\r\n")
  }
  @Test func eraseAtTheStart() {
    let rig = Rig()
    rig.type("\u{7f}\u{7f}a\n")
    #expect(rig.screen() == "a\r\n")
    rig.type("one\n\u{7f}\n")
    #expect(rig.read() == "a\n")
    #expect(rig.read() == "one\n")
    #expect(rig.read() == "\n")
  }
  @Test func eraseControl() {
    let rig = Rig()
    rig.type("a\u{1}\u{7f}\n")
    #expect(rig.screen() == "a^A\u{8} \u{8}\u{8} \u{8}\r\n")
  }
  @Test func eraseWithoutECHOE() {
    let rig = Rig(noLocal: ECHOE)
    rig.type("ab\u{7f}\n")
    #expect(rig.screen() == "ab^?\r\n")
    #expect(rig.read() == "a\n")
  }
  @Test func eraseUTF8() {
    let rig = Rig(input: IUTF8)
    rig.type("aé€\u{7f}\u{7f}b\n")
    #expect(rig.read() == "ab\n")
    #expect(rig.screen() == "aé€\u{8} \u{8}\u{8} \u{8}b\r\n")
  }
  @Test func eraseBytes() {
    let rig = Rig()
    rig.type("é\u{7f}\n")
    #expect(rig.readBytes() == [0xc3, 10])
  }
  @Test func eraseTab() {
    let rig = Rig()
    rig.type("ab\tc\u{7f}\u{7f}d\n")
    #expect(rig.read() == "abd\n")
    #expect(rig.screen() == "ab\tc\u{8} \u{8}" + String(repeating: "\u{8}", count: 6) + "d\r\n")
  }
  @Test func eraseTabBehindAPrompt() {
    let rig = Rig()
    rig.write("$ ")
    rig.type("a\t\u{7f}")
    #expect(rig.screen() == "$ a\t" + String(repeating: "\u{8}", count: 5))
    #expect(rig.column == 3)
  }
  @Test func kill() {
    let rig = Rig()
    rig.type("abc\u{15}d\n")
    #expect(rig.read() == "d\n")
    #expect(rig.screen() == "abc\u{8} \u{8}\u{8} \u{8}\u{8} \u{8}d\r\n")
  }
  @Test func killWithoutECHOKE() {
    let rig = Rig(noLocal: ECHOKE)
    rig.type("abc\u{15}d\n")
    #expect(rig.screen() == "abc^U\r\nd\r\n")
    let silent = Rig(noLocal: ECHOKE | ECHOK)
    silent.type("abc\u{15}d\n")
    #expect(silent.screen() == "abc^Ud\r\n")
    #expect(silent.read() == "d\n")
  }
  @Test func word() {
    let rig = Rig()
    rig.type("one two  \u{17}x\n")
    #expect(rig.read() == "one x\n")
    rig.type("a-b_c\u{17}\n")
    #expect(rig.read() == "a-\n")
  }
  @Test func wordWithoutIEXTEN() {
    let rig = Rig(noLocal: IEXTEN)
    rig.type("one\u{17}\n")
    #expect(rig.readBytes() == [111, 110, 101, 0x17, 10])
  }
  @Test func reprint() {
    let rig = Rig()
    rig.type("abc\u{12}d\n")
    #expect(rig.screen() == "abc^R\r\nabcd\r\n")
    #expect(rig.read() == "abcd\n")
  }
  @Test func printedErase() {
    let rig = Rig(local: ECHOPRT)
    rig.type("abc\u{7f}\u{7f}x\n")
    #expect(rig.screen() == "abc\\cb/x\r\n")
  }
  @Test func noEcho() {
    let rig = Rig(noLocal: ECHO)
    rig.type("secret\u{7f}t\n")
    #expect(rig.screen() == "")
    #expect(rig.read() == "secret\n")
    let newline = Rig(local: ECHONL, noLocal: ECHO)
    newline.type("x\n")
    #expect(newline.screen() == "\r\n")
  }
  @Test func echoControl() {
    let rig = Rig()
    rig.type("\u{1}\t\u{7f}")
    #expect(rig.screen() == "^A\t" + String(repeating: "\u{8}", count: 6))
    let raw = Rig(noLocal: ECHOCTL)
    raw.type("\u{1}")
    #expect(raw.screen() == "\u{1}")
  }
  @Test func echoOf255() {
    let rig = Rig()
    rig.type([255, 10])
    #expect(rig.screenBytes() == [255, 13, 10])
    #expect(rig.readBytes() == [255, 10])
  }
}

@Suite struct SignalCharacters {
  @Test func interrupt() {
    let rig = Rig()
    rig.type("abc\u{3}")
    let events = rig.events()
    #expect(events.contains(.interrupt))
    #expect(events.contains(.flushedInput))
    #expect(rig.inputCount == 0)
    #expect(rig.screen() == "^C")
  }
  @Test func quitAndSuspend() {
    let rig = Rig()
    rig.type("\u{1c}")
    #expect(rig.events().intersection(.signals) == .quit)
    #expect(rig.screen() == "^\\")
    rig.type("\u{1a}")
    #expect(rig.events().intersection(.signals) == .suspend)
    #expect(rig.screen() == "^Z")
  }
  @Test func withoutFlush() {
    let rig = Rig(local: NOFLSH)
    rig.type("abc\u{3}d\n")
    #expect(rig.events().contains(.interrupt))
    #expect(rig.read() == "abcd\n")
  }
  @Test func flushDropsOutput() {
    let rig = Rig()
    rig.write("much text")
    rig.type("\u{3}")
    #expect(rig.screen() == "^C")
  }
  @Test func withoutISIG() {
    let rig = Rig(noLocal: ISIG)
    rig.type("\u{3}\n")
    #expect(rig.events().intersection(.signals).isEmpty)
    #expect(rig.readBytes() == [3, 10])
  }
  @Test func disabledCharacter() {
    let rig = Rig()
    var modes = rig.d.modes
    modes.characters[Int(VINTR)] = 0
    rig.d.setModes(modes)
    rig.type([3, 0, 10])
    #expect(rig.events().intersection(.signals).isEmpty)
    #expect(rig.readBytes() == [3, 0, 10])
  }
  @Test func signalsInRawMode() {
    let rig = Rig(noLocal: ICANON | ECHO)
    rig.type("\u{3}")
    #expect(rig.events().contains(.interrupt))
    #expect(rig.inputCount == 0)
  }
}

@Suite struct FlowControl {
  @Test func stopAndStart() {
    let rig = Rig()
    rig.type("\u{13}")
    #expect(rig.isStopped)
    #expect(rig.writable == 0)
    #expect(rig.events().contains(.stopped))
    rig.type("ab\n")
    #expect(rig.screen() == "")
    rig.type("\u{11}")
    #expect(!rig.isStopped)
    #expect(rig.screen() == "ab\r\n")
    #expect(rig.events().isSuperset(of: [.started, .writable, .output]))
    #expect(rig.read() == "ab\n")
  }
  @Test func anyStarts() {
    let rig = Rig(input: IXANY)
    rig.type("\u{13}")
    rig.type("x")
    #expect(!rig.isStopped)
    #expect(rig.screen() == "x")
  }
  @Test func interruptStarts() {
    let rig = Rig()
    rig.type("\u{13}\u{3}")
    #expect(!rig.isStopped)
  }
  @Test func clearedModeStarts() {
    let rig = Rig()
    rig.type("\u{13}")
    rig.d.setModes(Rig.modes(0, IXON))
    #expect(!rig.isStopped)
  }
  @Test func withoutIXON() {
    let rig = Rig(noInput: IXON)
    rig.type("\u{13}\n")
    #expect(rig.readBytes() == [0x13, 10])
  }
  @Test func stoppedByTheProgram() {
    let rig = Rig()
    rig.d.stop()
    rig.d.isStoppedByFlow = true
    rig.type("\u{11}")
    #expect(rig.isStopped)
  }
}

@Suite struct RawInput {
  private func raw() -> Rig { Rig(noInput: ICRNL | IXON, noOutput: OPOST, noLocal: ICANON | ECHO | ISIG | IEXTEN) }
  @Test func bytesComeAtOnce() {
    let rig = raw()
    rig.type([97, 0, 255, 3, 4, 13, 10])
    #expect(rig.isRaw)
    #expect(rig.readableCount == 7)
    #expect(rig.readBytes() == [97, 0, 255, 3, 4, 13, 10])
    #expect(rig.screen() == "")
  }
  @Test func fullBufferWaits() {
    let rig = raw()
    rig.type([UInt8](repeating: 97, count: 5000))
    #expect(rig.waiting == 5000 - 4095)
    #expect(rig.readBytes(1000)?.count == 1000)
    rig.type([])
    #expect(rig.waiting == 0)
    #expect(rig.readBytes(8192)?.count == 4000)
  }
  @Test func pollCountsVMIN() {
    let rig = raw()
    var modes = rig.d.modes
    modes.characters[Int(VMIN)] = 3
    rig.d.setModes(modes)
    rig.type("ab")
    #expect(!rig.hasInput(forPoll: true))
    #expect(rig.hasInput())
    rig.type("c")
    #expect(rig.hasInput(forPoll: true))
    modes.characters[Int(VTIME)] = 1
    rig.d.setModes(modes)
    #expect(rig.read() == "abc")
    rig.type("d")
    #expect(rig.hasInput(forPoll: true))
  }
  @Test func parityMark() {
    let rig = Rig(input: PARMRK, noInput: ICRNL | IXON, noLocal: ICANON | ECHO | ISIG)
    rig.type([255, 1])
    #expect(rig.readBytes() == [255, 255, 1])
  }
  @Test func echoWithoutCanonical() {
    let rig = Rig(noLocal: ICANON)
    rig.type("a\r")
    #expect(rig.read() == "a\n")
    #expect(rig.screen() == "a\r\n")
  }
}

@Suite struct ModeChanges {
  @Test func toRawMakesTheLineReadable() {
    let rig = Rig()
    rig.type("abc")
    rig.d.setModes(Rig.modes(0, 0, 0, 0, 0, ICANON))
    #expect(rig.read() == "abc")
  }
  @Test func toCanonicalEndsWhatIsThere() {
    let rig = Rig(noLocal: ICANON)
    rig.type("abc")
    rig.d.setModes(Rig.modes())
    #expect(rig.read() == "abc")
    rig.type("d\n")
    #expect(rig.read() == "d\n")
  }
  @Test func flush() {
    let rig = Rig()
    rig.type("one\ntw")
    rig.d.flushInput()
    #expect(rig.read() == nil)
    rig.type("o\n")
    #expect(rig.read() == "o\n")
  }
  @Test func guestForms() {
    let standard = TerminalModes.standard
    let back = TerminalModes(standard.termios2)
    #expect(back.input == standard.input && back.output == standard.output && back.local == standard.local)
    for i in 0..<19 { #expect(back.characters[i] == standard.characters[i]) }
    #expect(MemoryLayout<linux_termios>.size == 36 && MemoryLayout<termios2>.size == 44)
  }
  @Test func speeds() {
    var modes = TerminalModes.standard
    modes.control = modes.control & ~UInt32(CBAUD) | UInt32(B115200)
    modes.setSpeeds()
    #expect(modes.inputSpeed == 115200 && modes.outputSpeed == 115200)
    modes.control = modes.control & ~UInt32(CBAUD) | UInt32(BOTHER)
    modes.outputSpeed = 12345
    modes.setSpeeds()
    #expect(modes.outputSpeed == 12345 && modes.inputSpeed == 12345)
  }
}

@Suite struct Output {
  @Test func newline() {
    let rig = Rig()
    rig.write("a\nb")
    #expect(rig.screen() == "a\r\nb")
    #expect(rig.column == 1)
  }
  @Test func plain() {
    let rig = Rig(noOutput: OPOST)
    rig.write("a\nb\t")
    #expect(rig.screen() == "a\nb\t")
  }
  @Test func tabs() {
    let rig = Rig(output: XTABS)
    rig.write("a\tb\t")
    #expect(rig.screen() == "a       b       ")
    #expect(rig.column == 16)
  }
  @Test func returns() {
    let rig = Rig(output: OCRNL, noOutput: ONLCR)
    rig.write("a\rb")
    #expect(rig.screen() == "a\nb")
    let column = Rig(output: ONOCR)
    column.write("\ra\r")
    #expect(column.screen() == "a\r")
  }
  @Test func columns() {
    let rig = Rig(input: IUTF8)
    rig.write("é€\u{8}x")
    #expect(rig.column == 2)
    rig.write("\r")
    #expect(rig.column == 0)
  }
  @Test func upperCase() {
    let rig = Rig(output: OLCUC)
    rig.write("aB1")
    #expect(rig.screen() == "AB1")
  }
  @Test func writersStopAtTheLimit() {
    let rig = Rig(noOutput: OPOST)
    let bytes = [UInt8](repeating: 97, count: rig.d.writable)
    #expect(bytes.count == rig.writerLimit)
    rig.d.write(bytes, 0..<bytes.count)
    #expect(rig.writable == 0)
    rig.d.out.drop(100)
    #expect(rig.writable == 100)
  }
  @Test func processedOutputAlwaysFits() {
    let rig = Rig(output: XTABS)
    let tabs = [UInt8](repeating: 9, count: LineDiscipline.chunk)
    var written = 0
    while rig.d.writable > 0 {
      let count = rig.d.writable
      rig.d.write(tabs, 0..<count)
      written += count
    }
    #expect(rig.outputCount == written * 8)
  }
  @Test func echoBeyondAFullScreenIsBounded() {
    let rig = Rig()
    for _ in 0..<20 { rig.type([UInt8](repeating: 1, count: 4000)) }
    #expect(rig.outputCount <= rig.outputCapacity)
    #expect(rig.screenBytes().count > 0)
  }
}

@Suite struct Rings {
  @Test func wraps() {
    var ring = ByteRing(capacity: 8)
    for i in 0..<100 {
      ring.append(UInt8(i))
      ring.append(UInt8(i + 100))
      let first = ring.removeFirst(), second = ring.removeFirst()
      #expect(first == UInt8(i) && second == UInt8(i + 100))
    }
    let (isEmpty, room) = (ring.isEmpty, ring.room)
    #expect(isEmpty && room == 8)
  }
}
