import CLinux
import Machine
import Testing

@testable import Kernel

private typealias Rig = LineDisciplineRig

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
