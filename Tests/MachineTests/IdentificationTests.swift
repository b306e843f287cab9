import Testing

@testable import Machine

/// A function at 0x1000, its stub area at 0x11000 with 64 bytes in common, the search at 0x11020.
private func plan(_ text: String) throws -> PatchPlan {
  let code = bytes(text)
  var area = StubArea(base: 0x11000, commonCount: 64)
  let read = FunctionReading(code.span, count: code.count)
  let function = try #require(read)
  let window = CodeWindow(original: code.span, current: code.span, address: 0x1000)
  return try PatchPlanner.plan(window, function.identifications[0], of: function, area: &area, search: 0x11020)
}
private func contents(_ code: CodeBytes) -> [UInt8] { (0..<code.count).map { code[$0] } }

@Suite struct IdentificationTests {
  @Test func before() throws {
    let plan = try plan("b805000080 0fa2 89c6 89d7 c3"), patch = plan.patch
    #expect(patch.kind == .identification && patch.form == .before && patch.start == 0x1000 && patch.site == 0x1005)
    #expect(contents(plan.code) == bytes("e9 4b000100") && plan.stub.address == 0x11050)
    #expect(
      contents(plan.stub)
        == bytes("b805000080 89ca 488d1d05000000 e9bdffffff 8b5904 8b01 8b510c 8b4908 eb04 89d1 0fa2 e98efffeff"))
    // The instruction before, the body's start, its end.
    #expect(patch.original(of: 0x11050) == 0x1000 && patch.stage(of: 0x11050) == .clean)
    #expect(patch.original(of: 0x11055) == 0x1005 && patch.stage(of: 0x11055) == .clean)
    #expect(patch.original(of: 0x11055 + 31) == 0x1007 && patch.stage(of: 0x11055 + 31) == .clean)
    #expect(patch.original(of: plan.stub.end) == nil && patch.stage(of: plan.stub.end) == .clean)
    #expect(patch.redirect(from: 0x1005) == nil)
  }

  @Test func stages() throws {
    let patch = try plan("89f889f1 0fa2 418900 c3").patch
    #expect(patch.form == .after && patch.site == 0x1004 && patch.movedLength == 3)
    for (offset, shown, stage) in [
      (0, 0x1004, .clean), (2, 0x1004, .searching), (9, 0x1004, .searching), (14, 0x1004, .searching),
      (17, 0x1004, .searching), (19, 0x1006, .loading), (22, 0x1006, .loading), (25, 0x1006, .clean),
      (27, 0x1004, .searching), (29, 0x1004, .searching), (31, 0x1006, .clean), (34, 0x1009, .clean),
    ] as [(UInt64, UInt64, IdentificationStub.Stage)] {
      #expect(patch.original(of: patch.stub + offset) == shown && patch.stage(of: patch.stub + offset) == stage)
    }
    #expect(patch.redirect(from: 0x1006) == patch.stub + 31)
  }

  @Test func functionsAreReadWhole() {
    func sites(_ text: String, _ count: Int? = nil) -> [Int]? {
      let code = bytes(text)
      return FunctionReading(code.span, count: count ?? code.count)?.identifications.map(\.offset)
    }
    #expect(sites("0fa2 c3") == [0] && sites("b80fa20000 c3") == [] && sites("") == [])
    // The last one does not end with the function; none; more than there is.
    #expect(sites("0fa2 b800") == nil && sites("0fa2 06") == nil && sites("0fa2 c3", 4) == nil)
    // Branches: over a prefix, out of the function, to an instruction.
    #expect(sites("0fa2 7401 f0 ff00 c3") == nil && sites("0fa2 7470 c3") == [0] && sites("0fa2 74fc c3") == [0])
  }

  @Test func tableLeavesOutWhatDiffers() {
    func table(_ seven: UInt32, _ last: UInt32 = 0x20, _ lastExtended: UInt32 = 0x8000_0026) -> IdentificationTable {
      IdentificationTable { leaf, subleaf in
        switch leaf {
        case 0: .init(a: last, b: 0, c: 0, d: 0)
        case 4, 0x8000_001d: .init(a: subleaf < 3 ? 0x21 : 0, b: leaf, c: subleaf, d: 0)
        case 7: .init(a: 1, b: 0, c: 0, d: seven)
        case 0x8000_0000: .init(a: lastExtended, b: 0, c: 0, d: 0)
        default: .init(a: 0, b: leaf, c: subleaf, d: 0)
        }
      }
    }
    let rows = table(0).rows
    for leaf in [0, 1, 0xb, 0x1f, 0x4000_0000, 0x8000_001e, 0x8000_0026] as [UInt32] {
      #expect(!rows.contains { $0.leaf == leaf })
    }
    #expect(rows.filter { $0.leaf == 4 }.map(\.subleaf) == [0, 1, 2, 3])
    #expect(rows.filter { $0.leaf == 7 }.map(\.subleaf) == [0, 1])
    #expect(rows.first { $0.leaf == 0x8000_0006 }?.answer.b == 0x8000_0006)
    #expect(table(1 << 15).rows.isEmpty)  // a hybrid
    #expect(table(0, 6, 0x8000_0004).rows.map(\.leaf) == [0x8000_0000, 2, 4, 4, 4, 4, 0x8000_0001])
  }
}
