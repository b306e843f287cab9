/// What `cpuid` answers, where that is the same on every processor and at all times: read once, and from then on told to
/// programs without the instruction, which leaves a virtual machine.
///
/// Leaf 0 is not in it, since programs use it to serialise, nor what names the processor it runs on (1, 0xb, 0x1f,
/// 0x8000001e, 0x80000026), what a hypervisor says of itself, or anything that nobody asks for at every start.
public struct IdentificationTable: Sendable {
  public struct Row: Sendable {
    public let leaf: UInt32
    /// nil: it does not matter.
    public let subleaf: UInt32?
    public let answer: Answer
  }
  public struct Answer: Equatable, Sendable {
    public let a, b, c, d: UInt32
    public init(a: UInt32, b: UInt32, c: UInt32, d: UInt32) { (self.a, self.b, self.c, self.d) = (a, b, c, d) }
  }
  /// The most asked for come first. None where processors differ from each other.
  public private(set) var rows: [Row] = []

  /// `read`: the instruction, with a leaf and a subleaf.
  public init(_ read: (UInt32, UInt32) -> Answer) {
    let last = read(0, 0).a, lastExtended = read(0x8000_0000, 0).a
    let seven = last >= 7 ? read(7, 0) : Answer(a: 0, b: 0, c: 0, d: 0)
    // Cores of several kinds: Intel's bit for a hybrid, AMD's for heterogeneous ones.
    if seven.d >> 15 & 1 != 0 || (lastExtended >= 0x8000_0026 && read(0x8000_0026, 0).a >> 30 & 1 != 0) { return }

    func add(_ leaf: UInt32, _ subleaf: UInt32? = nil) {
      let isThere = leaf >= 0x8000_0000 ? leaf <= lastExtended : leaf <= last
      if isThere { rows.append(Row(leaf: leaf, subleaf: subleaf, answer: read(leaf, subleaf ?? 0))) }
    }
    /// The caches, up to the row that says there are no more.
    func addCaches(_ leaf: UInt32) {
      for subleaf in 0..<8 as Range<UInt32> {
        add(leaf, subleaf)
        guard let row = rows.last, row.leaf == leaf, row.answer.a & 31 != 0 else { return }
      }
    }
    for leaf in [0x8000_0000, 0x8000_0006, 0x8000_0005, 2] as [UInt32] { add(leaf) }
    addCaches(4)
    addCaches(0x8000_001d)
    for leaf in [0x8000_0001, 0x8000_0007, 0x8000_0008] as [UInt32] { add(leaf) }
    for subleaf in 0...min(seven.a, 2) { add(7, subleaf) }
    // Vector state: size and place of what there is.
    for subleaf in 0..<20 as Range<UInt32> where subleaf < 10 || read(0xd, subleaf).a != 0 { add(0xd, subleaf) }
    add(0x14, 0)
    add(0x19)
  }
}

/// The search that stubs jump to, and the answers it finds: they lie at the start of a stub area, behind its first
/// sixteen bytes. It uses neither the stack nor the flags.
///
///     answers: .long a, b, c, d               for each row
///     search:  lea -leaf(%rax), %ecx          for each row
///              jrcxz 1f
///              jmp 2f
///     1:       lea -subleaf(%rdx), %ecx       only where that matters
///              jrcxz 1f
///              jmp 2f
///     1:       lea answer(%rip), %rcx
///              jmp *%rbx
///     2:       …
///              lea miss-back(%rbx), %rbx
///              jmp *%rbx
///
/// It is called with the leaf in eax, the subleaf in edx and in rbx the address to go on at, to which it gives the answer's
/// address in rcx; or it goes on so many bytes behind that, to the real instruction.
public final class IdentificationSearch: Sendable {
  /// All of it.
  public let bytes: [UInt8]
  /// Where in `bytes` the code begins.
  public let start: Int

  public init(_ table: IdentificationTable) {
    let writer = SearchWriter(table)
    bytes = writer.bytes
    start = writer.start
  }
}

private struct SearchWriter {
  private(set) var bytes: [UInt8] = []
  let start: Int

  private static let answerSize = 16

  init(_ table: IdentificationTable) {
    for row in table.rows {
      for word in [row.answer.a, row.answer.b, row.answer.c, row.answer.d] {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
      }
    }
    start = bytes.count
    for (index, row) in table.rows.enumerated() {
      let found = 9  // lea, jmp
      let test = 10
      compare(0x88, row.leaf, orSkip: row.subleaf == nil ? found : found &+ test)
      if let subleaf = row.subleaf { compare(0x8a, subleaf, orSkip: found) }
      append([0x48, 0x8d, 0x0d], index &* Self.answerSize &- (bytes.count &+ 7))
      append([0xff, 0xe3])
    }
    append([0x48, 0x8d, 0x5b, UInt8(IdentificationStub.miss - IdentificationStub.back)])
    append([0xff, 0xe3])
  }

  /// `operand`: the ModRM byte of a displacement to rax or rdx.
  private mutating func compare(_ operand: UInt8, _ value: UInt32, orSkip count: Int) {
    append([0x8d, operand], -Int(value))
    append([0xe3, 2, 0xeb, UInt8(count)])
  }
  private mutating func append(_ code: [UInt8], _ value: Int? = nil) {
    bytes += code
    guard let value else { return }
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
  }
}
