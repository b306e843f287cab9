import Testing

@testable import Kernel
@testable import Machine

private func text(_ body: (inout TextBuilder) -> Void) -> String {
  var builder = TextBuilder()
  body(&builder)
  return String(decoding: builder.bytes, as: UTF8.self)
}

@Suite struct TextBuilderTests {
  @Test func numbers() {
    #expect(text { $0.add(0) } == "0")
    #expect(text { $0.add(Int.min) } == "-9223372036854775808")
    #expect(text { $0.add(UInt64.max) } == "18446744073709551615")
    #expect(text { $0.add(42, width: 8) } == "      42")
    #expect(text { $0.add(7, width: 2, padding: 48) } == "07")
    #expect(text { $0.add(hex: UInt64(0xdead_beef), width: 16) } == "00000000deadbeef")
    #expect(text { $0.add(hex: UInt(0x7fff_d8fe_1000), width: 8) } == "7fffd8fe1000")
    #expect(text { $0.add(octal: 0o22, width: 4) } == "0022")
    #expect(text { $0.add(seconds: 12_345_678_901) } == "12.34")
  }
  @Test func columns() {
    #expect(text { $0.add(Array("ab".utf8), leftIn: 5) } == "ab   ")
    #expect(text { $0.add(Array("abcdef".utf8), leftIn: 3) } == "abcdef")
  }
  @Test func lists() {
    #expect(text { $0.add(list: 0, below: 64) } == "")
    #expect(text { $0.add(list: 1, below: 64) } == "0")
    #expect(text { $0.add(list: 0b1101_0111, below: 64) } == "0-2,4,6-7")
    #expect(text { $0.add(list: .max, below: 64) } == "0-63")
  }
  @Test func escapes() {
    #expect(text { $0.add(escaped: Array("a\nb\\".utf8), also: [10, 92]) } == "a\\012b\\134")
  }
}

@Suite struct NumberTests {
  private func parse(_ s: String) -> Int? {
    let bytes = Array(s.utf8)
    return parseNumber(bytes.span)
  }
  @Test func names() {
    #expect(parse("0") == 0)
    #expect(parse("123456789") == 123_456_789)
    for bad in ["", "01", "-1", "1a", "1234567890", " 1"] { #expect(parse(bad) == nil) }
  }
  private func written(_ s: String) -> Int? {
    do throws(Errno) { return try parseWritten(Array(s.utf8)) } catch { return nil }
  }
  @Test func writes() {
    #expect(written("65536\n") == 65536)
    #expect(written(" -5 ") == -5)
    for bad in ["", "x", "12x", "99999999999999999999", "-"] { #expect(written(bad) == nil) }
  }
}

@Suite struct PipeSizeTests {
  private func slots(_ size: UInt32) -> Int? {
    do throws(Errno) { return try Pipe.slots(for: size) } catch { return nil }
  }
  @Test func rounding() {
    #expect(slots(0) == 1)
    #expect(slots(4096) == 1)
    #expect(slots(4097) == 2)
    #expect(slots(65536) == 16)
    #expect(slots(1 << 31) == 1 << 19)
    #expect(slots((1 << 31) + 1) == nil)
  }
}

@Suite struct SelectTests {
  @Test func setSizes() {
    #expect(SelectSets.size(0) == 0)
    #expect(SelectSets.size(1) == 8)
    #expect(SelectSets.size(64) == 8)
    #expect(SelectSets.size(1025) == 136)
  }
  @Test func timeouts() {
    #expect(throws: Errno.self) { try PollTimeout(seconds: -1, nanoseconds: 0) }
    #expect(throws: Errno.self) { try PollTimeout(seconds: 0, nanoseconds: 1_000_000_000) }
    #expect((try? PollTimeout(seconds: 0, nanoseconds: 0))?.isImmediate == true)
    #expect((try? PollTimeout(seconds: .max, nanoseconds: 0))?.deadline.isNever == true)
    #expect(PollTimeout(milliseconds: -1).deadline.isNever)
  }
}

@Suite struct UnixAddressTests {
  private func address(_ bytes: [UInt8]) -> [UInt8]? {
    let family = bytes.count >= 2 ? UInt16(bytes[0]) | UInt16(bytes[1]) << 8 : .max
    do throws(Errno) { return try SocketAddress.unixAddress((family, bytes))?.bytes ?? [] } catch { return nil }
  }
  @Test func forms() {
    #expect(address([1, 0]) == [])
    #expect(address([1, 0, 97, 98]) == [97, 98, 0])
    #expect(address([1, 0, 97, 0, 98]) == [97, 0])
    #expect(address([1, 0, 0, 97, 0]) == [0, 97, 0])
    #expect(address([2, 0, 97]) == nil)
    #expect(address([1]) == nil)
    #expect(address([1, 0] + [UInt8](repeating: 97, count: 109)) == nil)
  }
}
