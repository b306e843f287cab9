import CMachine

/// What cpuid(4) tells of the host's processors, which are the guest's: /proc/cpuinfo.
public struct ProcessorInformation: Sendable {
  public var vendor: [UInt8] = []
  public var model: [UInt8] = []
  public var family: UInt32 = 0, modelNumber: UInt32 = 0, stepping: UInt32 = 0
  public var physicalBits: UInt32 = 0, virtualBits: UInt32 = 0
  public var cacheLine: UInt32 = 64
  public var maximumLeaf: UInt32 = 0
  /// Names as Linux has them.
  public var flags: [StaticString] = []
  /// Cycles of the time stamp counter in a microsecond.
  public var megahertz: UInt64 = 0

  public static func read() -> ProcessorInformation {
    var result = ProcessorInformation()
    let zero = arch_cpuid(0, 0), one = arch_cpuid(1, 0)
    result.maximumLeaf = zero.a
    append(&result.vendor, [zero.b, zero.d, zero.c])
    let family = one.a >> 8 & 15, model = one.a >> 4 & 15
    result.family = family == 15 ? family + (one.a >> 20 & 255) : family
    result.modelNumber = family == 15 || family == 6 ? model | one.a >> 12 & 0xf0 : model
    result.stepping = one.a & 15
    result.cacheLine = max(64, one.b >> 8 & 255 &* 8)
    let extended = arch_cpuid(0x8000_0000, 0).a
    if extended >= 0x8000_0004 {
      for leaf in 0x8000_0002...0x8000_0004 as ClosedRange<UInt32> {
        let r = arch_cpuid(leaf, 0)
        append(&result.model, [r.a, r.b, r.c, r.d])
      }
      while let last = result.model.last, last == 0 || last == 32 { result.model.removeLast() }
      while result.model.first == 32 { result.model.removeFirst() }
    }
    if extended >= 0x8000_0008 {
      let sizes = arch_cpuid(0x8000_0008, 0).a
      result.physicalBits = sizes & 255
      result.virtualBits = sizes >> 8 & 255
    }
    addFlags(&result.flags, one.d, leaf1d)
    if extended >= 0x8000_0001 { addFlags(&result.flags, arch_cpuid(0x8000_0001, 0).d, leaf80000001d) }
    addFlags(&result.flags, one.c, leaf1c)
    if extended >= 0x8000_0001 { addFlags(&result.flags, arch_cpuid(0x8000_0001, 0).c, leaf80000001c) }
    if zero.a >= 7 {
      let seven = arch_cpuid(7, 0)
      addFlags(&result.flags, seven.b, leaf7b)
      addFlags(&result.flags, seven.c, leaf7c)
      addFlags(&result.flags, seven.d, leaf7d)
    }
    let start = Clock.monotonic(), cycles = arch_cycles()
    while Clock.monotonic() &- start < 20_000 {}
    let elapsed = max(Clock.monotonic() &- start, 1)
    result.megahertz = (arch_cycles() &- cycles) &* 1000 / elapsed
    return result
  }

  private static func append(_ text: inout [UInt8], _ words: [UInt32]) {
    for word in words {
      for shift in [0, 8, 16, 24] as [UInt32] { text.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
  }
  private static func addFlags(_ flags: inout [StaticString], _ bits: UInt32, _ names: [(UInt32, StaticString)]) {
    for (bit, name) in names where bits >> bit & 1 != 0 { flags.append(name) }
  }

  private static var leaf1d: [(UInt32, StaticString)] {
    [
      (0, "fpu"), (1, "vme"), (2, "de"), (3, "pse"), (4, "tsc"), (5, "msr"), (6, "pae"), (7, "mce"), (8, "cx8"),
      (9, "apic"), (11, "sep"), (12, "mtrr"), (13, "pge"), (14, "mca"), (15, "cmov"), (16, "pat"), (17, "pse36"),
      (19, "clflush"), (23, "mmx"), (24, "fxsr"), (25, "sse"), (26, "sse2"), (27, "ss"), (28, "ht"),
    ]
  }
  private static var leaf1c: [(UInt32, StaticString)] {
    [
      (0, "pni"), (1, "pclmulqdq"), (9, "ssse3"), (12, "fma"), (13, "cx16"), (17, "pcid"), (19, "sse4_1"),
      (20, "sse4_2"), (21, "x2apic"), (22, "movbe"), (23, "popcnt"), (24, "tsc_deadline_timer"), (25, "aes"),
      (26, "xsave"), (28, "avx"), (29, "f16c"), (30, "rdrand"), (31, "hypervisor"),
    ]
  }
  private static var leaf80000001d: [(UInt32, StaticString)] {
    [(11, "syscall"), (20, "nx"), (22, "mmxext"), (25, "fxsr_opt"), (26, "pdpe1gb"), (27, "rdtscp"), (29, "lm")]
  }
  private static var leaf80000001c: [(UInt32, StaticString)] {
    [(0, "lahf_lm"), (5, "abm"), (6, "sse4a"), (7, "misalignsse"), (8, "3dnowprefetch"), (11, "xop"), (16, "fma4")]
  }
  private static var leaf7b: [(UInt32, StaticString)] {
    [
      (0, "fsgsbase"), (3, "bmi1"), (4, "hle"), (5, "avx2"), (7, "smep"), (8, "bmi2"), (9, "erms"), (11, "rtm"),
      (16, "avx512f"), (17, "avx512dq"), (18, "rdseed"), (19, "adx"), (20, "smap"), (21, "avx512ifma"),
      (23, "clflushopt"), (24, "clwb"), (28, "avx512cd"), (29, "sha_ni"), (30, "avx512bw"), (31, "avx512vl"),
    ]
  }
  private static var leaf7c: [(UInt32, StaticString)] {
    [
      (1, "avx512vbmi"), (3, "pku"), (4, "ospke"), (6, "avx512_vbmi2"), (8, "gfni"), (9, "vaes"), (10, "vpclmulqdq"),
      (11, "avx512_vnni"), (12, "avx512_bitalg"), (14, "avx512_vpopcntdq"), (22, "rdpid"),
    ]
  }
  private static var leaf7d: [(UInt32, StaticString)] { [(4, "fsrm"), (8, "avx512_vp2intersect"), (14, "serialize")] }
}

extension IdentificationTable {
  /// The instruction itself.
  public static func ask(_ leaf: UInt32, _ subleaf: UInt32) -> Answer {
    let r = arch_cpuid(leaf, subleaf)
    return Answer(a: r.a, b: r.b, c: r.c, d: r.d)
  }
}
