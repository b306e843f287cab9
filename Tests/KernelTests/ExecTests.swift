import Machine
import Testing

@testable import Kernel

private func put(_ bytes: inout [UInt8], _ at: Int, _ count: Int, _ value: UInt) {
  for i in 0..<count { bytes[at + i] = UInt8(value >> UInt(8 * i) & 0xff) }
}
private func header(type: UInt = 3, machine: UInt = 62, count: UInt = 2) -> [UInt8] {
  var b = [UInt8](repeating: 0, count: 64)
  b[0] = 0x7f
  b[1] = 0x45
  b[2] = 0x4c
  b[3] = 0x46
  b[4] = 2
  b[5] = 1
  put(&b, 16, 2, type)
  put(&b, 18, 2, machine)
  put(&b, 24, 8, 0x1040)
  put(&b, 32, 8, 64)
  put(&b, 54, 2, 56)
  put(&b, 56, 2, count)
  return b
}
private func segment(
  _ type: UInt = 1, flags: UInt = 5, offset: UInt = 0, address: UInt = 0, file: UInt = 0x2000, memory: UInt = 0x2000
) -> [UInt8] {
  var b = [UInt8](repeating: 0, count: 56)
  put(&b, 0, 4, type)
  put(&b, 4, 4, flags)
  put(&b, 8, 8, offset)
  put(&b, 16, 8, address)
  put(&b, 32, 8, file)
  put(&b, 40, 8, memory)
  put(&b, 48, 8, 0x1000)
  return b
}

@Test func elfHeaders() throws {
  var image = try ElfImage(header: header())
  #expect(image.isMovable && image.entry == 0x1040)
  try image.addProgramHeaders(
    segment() + segment(flags: 6, offset: 0x2e10, address: 0x3e10, file: 0x200, memory: 0x1400))
  #expect(image.segments.count == 2)
  #expect(image.range == 0..<0x6000)
  #expect(image.headerAddress == 64)
  #expect(image.segments[1].protection == 3)
}

@Test func badElfHeaders() {
  #expect(throws: Errno.notExecutable) { try ElfImage(header: []) }
  #expect(throws: Errno.notExecutable) { try ElfImage(header: header(type: 1)) }
  #expect(throws: Errno.notExecutable) { try ElfImage(header: header(machine: 3)) }
  #expect(throws: Errno.notExecutable) { try ElfImage(header: header(count: 0)) }
  func load(_ bytes: [UInt8]) throws(Errno) {
    var image = try ElfImage(header: header(count: 1))
    try image.addProgramHeaders(bytes)
  }
  #expect(throws: Errno.notExecutable) { try load([]) }
  #expect(throws: Errno.notExecutable) { try load(segment(4)) }
  #expect(throws: Errno.invalid) { try load(segment(file: 0x3000)) }
  #expect(throws: Errno.invalid) { try load(segment(address: .max - 100)) }
  #expect(throws: Errno.invalid) { try load(segment(memory: .max)) }
  #expect(throws: Errno.invalid) { try load(segment(offset: 0x10)) }
  #expect(throws: Errno.invalid) { try load(segment(offset: .max - 0xfff)) }
}

@Test func scripts() throws {
  func parse(_ text: String) throws(Errno) -> Script? { try Script(Array(text.utf8)) }
  #expect(try parse("#!/bin/sh\necho") != nil)
  #expect(try parse("#!/bin/sh\n")?.argument == nil)
  #expect(try parse("#! /usr/bin/env  python3 -u \nx")?.argument == Array("python3 -u".utf8))
  #expect(try parse("#! /usr/bin/env  python3 -u \nx")?.interpreter == Array("/usr/bin/env".utf8))
  #expect(try parse("#!/bin/sh")?.interpreter == Array("/bin/sh".utf8))
  #expect(try parse("\u{7f}ELF") == nil)
  #expect(throws: Errno.notExecutable) { try parse("#!\n") }
  #expect(throws: Errno.notExecutable) { try parse("#!   ") }
  let long = "#!/" + String(repeating: "x", count: 300)
  #expect(throws: Errno.notExecutable) { try Script(Array(long.utf8.prefix(256))) }
  let argument = "#!/bin/sh " + String(repeating: "x", count: 300)
  #expect(try Script(Array(argument.utf8.prefix(256)))?.argument?.count == 246)
}

@Test func argumentLimits() throws {
  var a = ExecArguments(stackLimit: 8 << 20)
  try a.addArgument([UInt8](repeating: 65, count: 131_071))
  #expect(throws: Errno.tooBig) { try a.addArgument([UInt8](repeating: 65, count: 131_072)) }
  var b = ExecArguments(stackLimit: 8 << 20)
  #expect(throws: Errno.tooBig) { while true { try b.addArgument([UInt8](repeating: 65, count: 100_000)) } }
  #expect(b.size <= 2 << 20 && b.size > 2 << 20 - 100_020)
  var c = ExecArguments(stackLimit: 8 << 20)
  try c.addArgument(Array("script".utf8))
  try c.addArgument(Array("one".utf8))
  let script = try #require(try Script(Array("#!/bin/sh -e\n".utf8)))
  try c.prepend(script: script, path: Array("./script".utf8))
  #expect(c.arguments == Array("/bin/sh\0-e\0./script\0one\0".utf8) && c.argumentCount == 4)
}
