import CLinux
import Machine
import Testing

@testable import Kernel

private typealias Rig = LineDisciplineRig

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
