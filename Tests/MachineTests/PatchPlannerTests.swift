import Testing

@testable import Machine

/// Text at 0x1000 (32 bytes of nop before what is given), its stub area at 0x11000.
private struct Text {
  static let base: UInt64 = 0x1000
  let original: [UInt8]
  var current: [UInt8]
  var area = StubArea(base: 0x11000)

  init(_ text: String) {
    original = bytes(String(repeating: "90", count: 32) + text)
    current = original
  }
  /// The address of the nth `syscall`.
  func site(_ n: Int = 0) -> UInt64 {
    Self.base + UInt64(original.indices.dropLast().filter { original[$0] == 0x0f && original[$0 + 1] == 5 }[n])
  }
  mutating func plan(_ site: UInt64, _ options: PatchOptions = PatchOptions()) throws(PatchRefusal) -> PatchPlan {
    let file = original, before = current
    let plan = try PatchPlanner.plan(
      CodeWindow(original: file.span, current: before.span, address: Self.base), site: site, area: &area,
      options: options)
    for code in [plan.code, plan.springboard] {
      for i in 0..<code.count { current[Int(code.address - Self.base) + i] = code[i] }
    }
    return plan
  }
  mutating func refusal(_ site: UInt64, _ options: PatchOptions = PatchOptions()) -> PatchRefusal? {
    do {
      _ = try plan(site, options)
      return nil
    } catch { return error }
  }
}
private func contents(_ code: CodeBytes) -> [UInt8] { (0..<code.count).map { code[$0] } }

@Suite struct PatchPlannerTests {
  @Test func springboard() throws {
    var text = Text("b827000000 0f05 c3 0f1f840000000000")
    let plan = try text.plan(text.site()), patch = plan.patch
    #expect(patch.form == .springboard && patch.site == 0x1025 && patch.start == 0x1025 && patch.next == 0x1027)
    #expect(plan.code.address == 0x1025 && contents(plan.code) == bytes("eb 01") && !plan.code.crossesWord)
    #expect(plan.springboard.address == 0x1028 && contents(plan.springboard) == bytes("e9 e3ff0000"))
    #expect(plan.stub.address == 0x11010)
    // lea 0x1027(%rip), %rcx; jmp *0x11000(%rip)
    #expect(contents(plan.stub) == bytes("488d0d 1000ffff ff25 e3ffffff"))
    for (counter, shown) in [(0x1028, 0x1025), (0x11010, 0x1025), (0x11017, 0x1025)] as [(UInt64, UInt64)] {
      #expect(patch.original(of: counter) == shown)
    }
    for counter in [0x1025, 0x1027, 0x102d, 0x1100f, 0x1101d, 0, .max] as [UInt64] {
      #expect(patch.original(of: counter) == nil && patch.redirect(from: counter) == nil)
    }
  }

  @Test func paddingIsShared() throws {
    var text = Text("0f05 90 0f05 90 0f05 90 c3 909090909090 cc90909090909090")
    let first = try text.plan(text.site(0))
    // Up to the boundary it has room for one.
    #expect(first.springboard.address == 0x102a)
    #expect(text.refusal(text.site(1)) == .noRoom)
    #expect(text.refusal(text.site(0)) == .taken)
    var wide = Text("0f05 90 0f05 c3 90909090909090909090")
    #expect(try wide.plan(wide.site(0)).springboard.address == 0x1026)
    #expect(try wide.plan(wide.site(1)).springboard.address == 0x102b)
  }

  @Test func paddingThatIsBranchedTo() {
    // jz to the padding's start; the padding ends early; it is reached.
    for code in [
      "7405 b027 0f05 c3 909090909090909090", "0f05 c3 9090909090 c3c3c3c3c3c3c3c3", "0f05 9090909090909090",
    ] {
      var text = Text(code)
      #expect((try? text.plan(text.site()))?.patch.form != .springboard)
    }
  }

  @Test func before() throws {
    var text = Text("90 b827000000 0f05 c3c3c3")
    let plan = try text.plan(text.site()), patch = plan.patch
    #expect(patch.form == .before && patch.start == 0x1021 && patch.site == 0x1026)
    #expect(contents(plan.code) == bytes("e9 eaff0000"))
    #expect(contents(plan.stub) == bytes("b827000000 488d0d 0c00ffff ff25 deffffff"))
    #expect(patch.original(of: 0x11010) == 0x1021 && patch.original(of: 0x11015) == 0x1026)
    #expect(patch.original(of: 0x1101c) == 0x1026 && patch.redirect(from: 0x1026) == nil)
  }

  @Test func beforeWithThreeBytes() throws {
    var text = Text("4c89c0 0f05 eb00 31c0 c3c3c3")
    let plan = try text.plan(text.site()), patch = plan.patch, at = plan.stub.address
    #expect(patch.form == .before && patch.start == 0x1020 && patch.site == 0x1023 && patch.next == 0x1025)
    // The call's old start, the jump's third byte of distance, cannot be run.
    #expect(contents(plan.code)[3] == 0x06 && (at - 0x1025) >> 16 == 6)
    #expect(contents(plan.stub)[..<6] == bytes("4c89c0 488d0d")[...])
    #expect(patch.redirect(from: 0x1023) == at + 3 && patch.redirect(from: 0x1020) == nil)
    #expect(patch.original(of: at) == 0x1020 && patch.original(of: at + 3) == 0x1023)
    // A branch to the call: nobody should have to go by the redirect again and again.
    var target = Text("7403 4c89c0 0f05 eb00 31c0 c3c3c3")
    #expect(target.refusal(target.site()) == .noRoom)
  }

  @Test func beforeOfTwo() throws {
    // glibc's arch_prctl of a static program: neither neighbour alone has a form.
    var text = Text("488936 48897610 0f05 85c0 7424 c3c3c3")
    let plan = try text.plan(text.site()), patch = plan.patch, at = plan.stub.address
    #expect(patch.form == .before && patch.start == 0x1020 && patch.site == 0x1027 && patch.next == 0x1029)
    // Where the second began is the jump's third byte of distance, which cannot be run; the call stays.
    #expect(contents(plan.code).count == 5 && contents(plan.code)[3] == 0x06 && (at - 0x1025) >> 16 == 6)
    #expect(text.current[0x27] == 0x0f && text.current[0x28] == 0x05)
    #expect(contents(plan.stub)[..<10] == bytes("488936 48897610 488d0d")[...])
    #expect(patch.redirect(from: 0x1023) == at + 3 && patch.redirect(from: 0x1020) == nil)
    #expect(patch.redirect(from: 0x1027) == nil)
    for (counter, shown) in [(at, 0x1020), (at + 3, 0x1023), (at + 7, 0x1027)] as [(UInt64, UInt64)] {
      #expect(patch.original(of: counter) == shown)
    }
    // A branch to the second; a call before it, which is not moved.
    var target = Text("7403 488936 48897610 0f05 85c0 7424 c3c3c3")
    #expect(target.refusal(target.site()) != nil)
    var call = Text("e800000000 48897610 0f05 85c0 7424 c3c3c3")
    #expect(call.refusal(call.site()) != nil)
  }

  @Test func beforeIsProven() {
    // The bytes of mov $39, %eax, but they end another instruction: movl $39, -0x48(%rsp).
    var text = Text("c74424b827000000 0f05 c3c3c3")
    let plan = try? text.plan(text.site())
    #expect(plan?.patch.form == .before && plan?.patch.start == 0x1020)
  }

  @Test func after() throws {
    var text = Text("6a2758 0f05 483d00f0ffff 7701 c3c3c3c3")
    let plan = try text.plan(text.site()), patch = plan.patch
    #expect(patch.form == .after && patch.site == 0x1023 && patch.movedLength == 6)
    let distance = plan.stub.address - 0x1028
    // What lies at the moved instruction's old start cannot be run.
    let middle = Text(hex(distance)).original[33]
    #expect(contents(plan.code) == bytes("e9" + hex(distance)))
    #expect([0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27].contains(middle))
    let stub = contents(plan.stub), at = plan.stub.address
    #expect(Array(stub[..<7]) == bytes("488d0d 08000000") && Array(stub[13..<18]) == bytes("ebf1 488d0d"))
    #expect(Array(stub[22..<28]) == bytes("483d00f0ffff") && stub[28] == 0xe9 && stub.count == 33)
    #expect(patch.redirect(from: 0x1025) == at + 22 && patch.redirect(from: 0x102b) == nil)
    #expect(patch.original(of: at + 13) == 0x1023 && patch.original(of: at + 15) == 0x1025)
    #expect(patch.original(of: at + 22) == 0x1025 && patch.original(of: at + 28) == 0x102b)
    #expect(patch.original(of: at + 33) == nil)
  }
  private func hex(_ distance: UInt64) -> String {
    (0..<4).map { i in
      let byte = distance >> UInt64(i * 8) & 255
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }

  @Test func wordBoundaries() throws {
    // The call itself crosses: a form that does not is better.
    var one = Text("9090 b827000000 0f05 c3 909090909090")
    #expect(try one.plan(one.site()).patch.form == .before)
    var two = Text("90909090 6a2758 0f05 c3 909090909090")
    var single = PatchOptions()
    single.severalStores = false
    #expect(two.refusal(two.site(), single) == .crossesWord)
    let plan = try two.plan(two.site())
    #expect(plan.patch.form == .springboard && plan.code.crossesWord)
  }

  @Test func refusals() {
    var text = Text("6a2758 0f05 e800000000 c3c3c3")
    #expect(text.refusal(0) == .noSystemCall && text.refusal(.max) == .noSystemCall)
    #expect(text.refusal(0x1000) == .noSystemCall && text.refusal(text.site()) == .noRoom)
    var restorer = Text("48c7c00f000000 0f05 0f1f8000000000")
    #expect(restorer.refusal(restorer.site()) == .signalReturn)
    var options = PatchOptions()
    options.signalReturn = true
    #expect(restorer.refusal(restorer.site(), options) == nil)
    options.pageZero = true
    #expect((try? text.plan(text.site(), options)).map { contents($0.code) } == bytes("ffd0"))
  }

  @Test func stubsRunOut() {
    var area = StubArea(base: 0x1000)
    var count = 0
    while area.take(1000, where: { _ in true }) != nil { count += 1 }
    #expect(count == 1024 && area.take(17, where: { _ in true }) == nil)
    area = StubArea(base: 0x1000)
    #expect(area.take(13, where: { _ in true }) == 0x1010 && area.take(26, where: { _ in true }) == 0x1020)
    #expect(area.take(1, where: { $0 > 0x1100 }) == 0x1400)
    area.release(0x1010, 13)
    #expect(area.take(1, where: { _ in true }) == 0x1040)
    area.release(0x1040, 1)
    area.release(0x1020, 26)
    #expect(area.take(1, where: { _ in true }) == 0x1020)
  }

  @Test func wordStores() {
    var code = CodeBytes(at: 0x1006)
    code.append(0xeb as UInt8)
    code.append(0x01 as UInt8)
    #expect(!code.crossesWord && code.wordAddress == 0x1000)
    #expect(code.word(over: 0x0011_2233_4455_6677) == 0x01eb_2233_4455_6677)
    code.append(0x90 as UInt8)
    #expect(code.crossesWord && code.word(over: 0) == 0x01eb_0000_0000_0000)
  }

  @Test func anyBytes() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var text = Text("")
      let code = (0..<Int.random(in: 2...200, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let site = Int.random(in: 0...code.count - 2, using: &random)
      var original = code
      original[site] = 0x0f
      original[site + 1] = 0x05
      let plan = try? PatchPlanner.plan(
        CodeWindow(original: original.span, current: original.span, address: 0x1234), site: 0x1234 + UInt64(site),
        area: &text.area, options: PatchOptions())
      guard let plan else { continue }
      #expect(plan.code.address >= 0x1234 && plan.code.end <= 0x1234 + UInt64(code.count))
    }
  }
}
