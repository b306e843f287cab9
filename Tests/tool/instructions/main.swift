// What the decoder and the planner say of a stretch of a file.
//
// usage: instructions decode FILE OFFSET SIZE
//        instructions plan FILE OFFSET SIZE ADDRESS AREA [OPTION…] <SITES
//
// `decode` writes for each byte, as if an instruction began there, eight bytes: length (0: no instruction), kind, where
// its displacement is, its use of the stack pointer, and a branch's distance (32). `plan` patches the sites whose addresses it reads, one a line, one
// after the other, and says of each how: site, form or refusal, 1 if the patch crosses a word, then address and bytes of
// patch, springboard and stub, and where the moved instructions begin in the stub. ADDRESS is the stretch's own, AREA the
// stub area's. Options: one-store, signal-return, page-zero.
#if canImport(Glibc)
import Glibc
#endif

func fail(_ message: String) -> Never {
  fputs("instructions: \(message)\n", stderr)
  exit(2)
}

func read(_ name: String, _ offset: Int, _ size: Int) -> [UInt8] {
  var code = [UInt8](repeating: 0, count: size)
  guard let file = fopen(name, "rb"), fseek(file, offset, SEEK_SET) == 0, fread(&code, 1, size, file) == size
  else { fail("cannot read \(name)") }
  fclose(file)
  return code
}

func decode(_ code: [UInt8]) {
  var rows: [UInt8] = []
  rows.reserveCapacity(code.count * 8)
  for at in code.indices {
    let found = InstructionDecoder.decode(code.span, at: at)
    rows.append(UInt8(found?.length ?? 0))
    rows.append(found?.kind.rawValue ?? 0)
    rows.append(UInt8(found?.displacementOffset ?? 0))
    rows.append(found?.stackUse.rawValue ?? 0)
    let distance = UInt32(truncatingIfNeeded: found?.distance ?? 0)
    for shift in [0, 8, 16, 24] as [UInt32] { rows.append(UInt8(truncatingIfNeeded: distance >> shift)) }
  }
  guard fwrite(&rows, 1, rows.count, stdout) == rows.count else { fail("cannot write") }
}

func hex(_ bytes: CodeBytes) -> String {
  guard bytes.count > 0 else { return "-" }
  var text = String(bytes.address, radix: 16) + ":"
  for i in 0..<bytes.count { text += (bytes[i] < 16 ? "0" : "") + String(bytes[i], radix: 16) }
  return text
}

func plan(_ code: [UInt8], _ address: UInt64, _ area: UInt64, _ words: [String]) {
  var options = PatchOptions()
  options.severalStores = !words.contains("one-store")
  options.signalReturn = words.contains("signal-return")
  options.pageZero = words.contains("page-zero")
  var current = code
  var area = StubArea(base: area)
  while let line = readLine() {
    guard let site = UInt64(line, radix: 16) else { fail("no address: \(line)") }
    do {
      let plan = try PatchPlanner.plan(
        CodeWindow(original: code.span, current: current.span, address: address), site: site, area: &area,
        options: options)
      for bytes in [plan.code, plan.springboard] {
        for i in 0..<bytes.count { current[Int(bytes.address - address) + i] = bytes[i] }
      }
      print(
        line, plan.patch.form, plan.code.crossesWord ? 1 : 0, hex(plan.code), hex(plan.springboard), hex(plan.stub),
        plan.patch.resumeOffset)
    } catch { print(line, error) }
  }
}

let words = CommandLine.arguments
guard words.count >= 5, let offset = Int(words[3]), let size = Int(words[4]) else { fail("see the usage") }
let code = read(words[2], offset, size)
if words[1] == "decode" {
  decode(code)
} else {
  guard words[1] == "plan", words.count >= 7, let address = UInt64(words[5], radix: 16),
    let area = UInt64(words[6], radix: 16)
  else { fail("see the usage") }
  plan(code, address, area, Array(words[7...]))
}
