import Machine

// `cpuid` in an image. It does not trap, so its sites are looked for, before anyone maps the image: every place that has
// its bytes, in a function that the file's unwind table knows and that can be read from its start.

extension ExecImage {
  private static var mostPlaces: Int { 256 }

  /// Patches them. Nobody runs the text yet. May sleep.
  func patchIdentifications(_ file: File) {
    let text = memory.bytes.slice(0, Int(segment.count))
    let places = text.places(of: 0x0f, 0xa2, limit: Self.mostPlaces)
    let functions = UnwindTable.functions(having: places.map { segment.address &+ UInt($0) }, in: file)
    if functions.isEmpty { return }
    let search = execFiles.with { $0.identificationSearch }
    sites.withLock { sites in
      sites.area = StubArea(base: sites.area.base, commonCount: search.bytes.count)
      let common = text.count + Int(sites.area.common &- sites.area.base)
      for (i, byte) in search.bytes.enumerated() { memory.bytes[common + i] = byte }
      for function in functions { patchIdentifications(&sites, function, text, search) }
    }
  }

  @inline(never)
  private func patchIdentifications(
    _ sites: inout ExecSites, _ range: Range<UInt>, _ text: KernelBytes, _ search: IdentificationSearch
  ) {
    guard range.lowerBound >= segment.address, range.upperBound <= segment.address &+ segment.count,
      range.count <= FunctionReading.maximumCount
    else { return }
    // With the padding up to the next 16-byte boundary.
    let count = range.count &+ Int((0 &- range.upperBound) & 15)
    let original = text.slice(Int(range.lowerBound &- segment.address), count).array
    guard let function = FunctionReading(original.span, count: range.count) else { return }
    var current = original
    for site in function.identifications {
      let before = current
      let window = CodeWindow(original: original.span, current: before.span, address: UInt64(range.lowerBound))
      do throws(PatchRefusal) {
        let plan = try PatchPlanner.plan(
          window, site, of: function, area: &sites.area, search: sites.area.common &+ UInt64(search.start))
        sites.patches.append(plan.patch)
        for code in [plan.stub, plan.springboard, plan.code] { write(code) }
        for code in [plan.springboard, plan.code] {
          for i in 0..<code.count { current[Int(code.address &- UInt64(range.lowerBound)) + i] = code[i] }
        }
      } catch { sites.identificationsLeft += 1 }
    }
  }
}
