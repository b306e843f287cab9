import Testing

@testable import martlet

/// Archives made byte by byte.
struct TarMaker {
  var bytes: [UInt8] = []

  static func octal(_ number: Int, _ width: Int) -> [UInt8] {
    let digits = String(number, radix: 8)
    return Array((String(repeating: "0", count: width - 1 - digits.utf8.count) + digits).utf8) + [0]
  }

  mutating func add(
    _ name: String, _ type: Character = "0", data: [UInt8] = [], link: String = "", size: [UInt8]? = nil
  ) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ offset: Int, _ value: [UInt8]) { header.replaceSubrange(offset..<(offset + value.count), with: value) }
    put(0, Array(name.utf8))
    put(100, TarMaker.octal(0o755, 8))
    put(124, size ?? TarMaker.octal(data.count, 12))
    put(148, Array(repeating: 0x20, count: 8))
    put(156, [type.asciiValue!])
    put(157, Array(link.utf8))
    put(257, Array("ustar\u{0}00".utf8))
    put(148, TarMaker.octal(header.reduce(0) { $0 + Int($1) }, 7))
    bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
  }

  func fault(ended: Bool = true) -> String? {
    let all = bytes + [UInt8](repeating: 0, count: ended ? 1024 : 0)
    var checker = TarChecker(size: UInt64(all.count)) { offset, count in
      Array(all.dropFirst(Int(offset)).prefix(count))
    }
    do {
      try checker.check()
      return nil
    } catch {
      return error.text
    }
  }

  static func root(_ change: (inout TarMaker) -> Void = { _ in }) -> TarMaker {
    var maker = TarMaker()
    maker.add("./", "5")
    maker.add("./bin/", "5")
    maker.add("./bin/x", data: [UInt8](repeating: 7, count: 700))
    change(&maker)
    return maker
  }
}

@Suite struct TarTests {
  @Test func goodArchives() {
    #expect(TarMaker.root().fault() == nil)
    let many = TarMaker.root { maker in
      maker.add("bin/y", "1", link: "./bin/x")
      maker.add("bin/z", "2", link: "nowhere/../../x")
      maker.add("dev", "5", size: TarMaker.octal(4096, 12))
      maker.add("dev/null", "3")
      maker.add("big", data: [1], size: [0x80] + [UInt8](repeating: 0, count: 10) + [1])
      maker.add("l", "L", data: Array("etc/a-long-name\0".utf8))
      maker.add("short")
      maker.add("p", "x", data: Array("16 path=usr/aaa\n16 SCHILY.xattr\n".utf8.prefix(16)))
      maker.add("short")
    }
    #expect(many.fault() == nil)
  }

  @Test func whatIsNoArchive() {
    var maker = TarMaker()
    maker.bytes = [UInt8](repeating: 0x41, count: 2048)
    #expect(maker.fault() == "it is not a tar archive")
    #expect(TarMaker().fault()?.contains("not a root") == true)
    #expect(TarMaker().fault(ended: false)?.contains("ends") == true)
    var other = TarMaker()
    other.add("files/bin/sh")
    #expect(other.fault()?.contains("none of bin, usr and etc") == true)
  }

  @Test func brokenOnesAreNamed() {
    var cut = TarMaker.root()
    cut.bytes.removeLast(600)
    #expect(cut.fault(ended: false)?.contains("'./bin/x': the archive is cut short: 424 of its 700") == true)
    #expect(
      TarMaker.root().fault(ended: false) == "at member './bin/x': the archive ends after it, without its end mark")
    var damaged = TarMaker.root { $0.add("etc/y") }
    damaged.bytes[512 * 5 + 3] ^= 1
    #expect(damaged.fault() == "at member './bin/x': the header after it, at byte 2560, is broken")
    #expect(TarMaker.root { $0.add("q", "Z") }.fault()?.contains("'q': its type is unknown") == true)
    #expect(TarMaker.root { $0.add("q", size: Array("99999999999\0".utf8)) }.fault()?.contains("'q'") == true)
    #expect(TarMaker.root { $0.add("a/../../b") }.fault()?.contains("climbs out") == true)
    #expect(TarMaker.root { $0.add("h", "1", link: "bin/y") }.fault()?.contains("'h': it links to 'bin/y'") == true)
    #expect(TarMaker.root { $0.add("s", "S") }.fault()?.contains("sparse") == true)
    #expect(TarMaker.root { $0.add("p", "x", data: Array("99 path=x\n".utf8)) }.fault()?.contains("'p'") == true)
    #expect(
      TarMaker.root { $0.add("p", "x", data: Array("9 path=x\n".utf8)) }.fault()?.contains("middle of a header")
        == true)
  }

  @Test func theEarlierLinkIsNotEnough() {
    let late = TarMaker.root { maker in
      maker.add("bin/y", "1", link: "bin/late")
      maker.add("bin/late")
    }
    #expect(late.fault()?.contains("does not come before it") == true)
  }

  @Test func numbers() {
    #expect(TarHeader.number(Array("0000755\0".utf8)[...]) == 0o755)
    #expect(TarHeader.number(Array("    17 \0".utf8)[...]) == 0o17)
    #expect(TarHeader.number(Array("00008\0".utf8)[...]) == nil)
    #expect(TarHeader.number([0x80, 0, 0, 1, 0][...]) == 256)
    #expect(TarHeader.number([0xff, 0xff][...]) == nil)
    #expect(TarHeader.number(([0x80] + [UInt8](repeating: 0xff, count: 11))[...]) == nil)
  }
}
