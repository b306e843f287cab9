// What the decoder and the planner say of a stretch of a file.
//
// usage: instructions decode FILE OFFSET SIZE
//        instructions plan FILE OFFSET SIZE ADDRESS AREA [OPTION…] <SITES
//        instructions identify FILE OFFSET SIZE ADDRESS AREA ANSWERS <FUNCTIONS
//
// `decode` writes for each byte, as if an instruction began there, eight bytes: length (0: no instruction), kind, where
// its displacement is, its use of the stack pointer, and a branch's distance (32). `plan` patches the sites whose addresses it reads, one a line, one
// after the other, and says of each how: site, form or refusal, 1 if the patch crosses a word, then address and bytes of
// patch, springboard and stub, and where the moved instructions begin in the stub. ADDRESS is the stretch's own, AREA the
// stub area's. Options: one-store, signal-return, page-zero.
//
// `identify` patches every `cpuid` in the functions whose start and end it reads, one a line. It writes the rows of the
// table that is made of ANSWERS (a file: leaf, subleaf, eax, ebx, ecx, edx a line), what stubs have in common, and for each
// site the same as `plan`, or for a function why not.
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

func numbers(_ line: String) -> [UInt64] {
  line.split(separator: " ").map { word in
    guard let number = UInt64(word, radix: 16) else { fail("no number: \(word)") }
    return number
  }
}

func identify(_ code: [UInt8], _ address: UInt64, _ area: UInt64, _ answers: String) {
  var functions: [String] = []
  while let line = readLine() { functions.append(line) }
  guard freopen(answers, "r", stdin) != nil else { fail("cannot read \(answers)") }
  var known: [UInt64: IdentificationTable.Answer] = [:]
  while let line = readLine() {
    let n = numbers(line), words = n.map { UInt32(truncatingIfNeeded: $0) }
    known[n[0] << 32 | n[1]] = IdentificationTable.Answer(a: words[2], b: words[3], c: words[4], d: words[5])
  }
  let table = IdentificationTable { leaf, subleaf in
    known[UInt64(leaf) << 32 | UInt64(subleaf)] ?? IdentificationTable.Answer(a: 0, b: 0, c: 0, d: 0)
  }
  for row in table.rows {
    let a = row.answer
    let words = [row.leaf, a.a, a.b, a.c, a.d].map { String($0, radix: 16) }.joined(separator: " ")
    print("row", row.subleaf.map { String($0, radix: 16) } ?? "-", words)
  }
  let search = IdentificationSearch(table)
  var stubs = StubArea(base: area, commonCount: search.bytes.count)
  let text = search.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  print("common", String(stubs.common, radix: 16) + ":" + text)
  for line in functions {
    let n = numbers(line), start = Int(n[0] - address), count = Int(n[1] - n[0])
    // With the padding up to the next 16-byte boundary.
    let original = Array(code[start..<min(code.count, start + count + Int((0 &- n[1]) & 15))])
    guard let function = FunctionReading(original.span, count: count) else {
      print("function", line, "unread")
      continue
    }
    print("function", line, function.identifications.count)
    var current = original
    for site in function.identifications {
      let before = current
      let window = CodeWindow(original: original.span, current: before.span, address: n[0])
      let at = String(n[0] + UInt64(site.offset), radix: 16)
      do {
        let plan = try PatchPlanner.plan(
          window, site, of: function, area: &stubs, search: stubs.common + UInt64(search.start))
        for i in 0..<plan.code.count { current[Int(plan.code.address - n[0]) + i] = plan.code[i] }
        print(
          at, plan.patch.form, plan.code.crossesWord ? 1 : 0, hex(plan.code), hex(plan.springboard), hex(plan.stub),
          plan.patch.movedOffset)
      } catch { print(at, error) }
    }
  }
}

let words = CommandLine.arguments
guard words.count >= 5, let offset = Int(words[3]), let size = Int(words[4]) else { fail("see the usage") }
let code = read(words[2], offset, size)
if words[1] == "decode" {
  decode(code)
} else if words[1] == "identify" {
  guard words.count == 8, let address = UInt64(words[5], radix: 16), let area = UInt64(words[6], radix: 16) else {
    fail("see the usage")
  }
  identify(code, address, area, words[7])
} else {
  guard words[1] == "plan", words.count >= 7, let address = UInt64(words[5], radix: 16),
    let area = UInt64(words[6], radix: 16)
  else { fail("see the usage") }
  plan(code, address, area, Array(words[7...]))
}
