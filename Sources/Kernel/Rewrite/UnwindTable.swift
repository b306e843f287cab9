import CLinux
import Machine

/// The unwind table of an ELF file: its section .eh_frame (Linux Standard Base, Core, "Exception Frames").
enum UnwindTable {
  private static var largest: Int { 4 << 20 }

  /// What the table's row is about that has `address`, one of the file's own: a function. Nil: there is none, or the file
  /// cannot be understood.
  static func function(with address: UInt, in file: File) -> Range<UInt>? {
    functions(having: [address], in: file).first
  }

  /// The functions, by the table's rows, that have any of `addresses`, which ascend.
  static func functions(having addresses: [UInt], in file: File) -> [Range<UInt>] {
    guard let lowest = addresses.first, let highest = addresses.last, let (offset, count, start) = section(file),
      count > 0, count <= largest, let buffer = try? KernelBuffer(unclearedCount: count),
      let filled = try? file.fill(buffer.bytes, at: offset)
    else { return [] }
    let bytes = buffer.bytes.slice(0, filled)
    var result: [Range<UInt>] = []
    var at = 0
    while at + 16 <= bytes.count {
      let length = bytes.load(at, as: UInt32.self)
      if length == 0 || length >= 0xffff_fff0 { break }
      // A row, not what rows have in common: its distance to that is not 0. Its addresses are relative, of 32 bits, which
      // is what compilers write for x86-64.
      if bytes.load(at + 4, as: UInt32.self) != 0 {
        let first = start &+ UInt(at + 8) &+ UInt(bitPattern: Int(bytes.load(at + 8, as: Int32.self)))
        let count = UInt(bytes.load(at + 12, as: UInt32.self))
        if first <= highest, first <= .max - count, first + count > lowest,
          addresses.contains(where: { $0 &- first < count })
        {
          result.append(first..<first + count)
        }
      }
      at += 4 + Int(length)
    }
    return result
  }

  /// Where .eh_frame lies in the file and in memory.
  private static func section(_ file: File) -> (offset: Int, count: Int, address: UInt)? {
    guard let header = try? file.bytes(at: 0, count: ElfImage.headerSize), header.count == ElfImage.headerSize else {
      return nil
    }
    let table = littleEndian(header, 40, 8), size = Int(littleEndian(header, 58, 2)),
      count = Int(littleEndian(header, 60, 2))
    let names = Int(littleEndian(header, 62, 2))
    guard table < 1 << 40, size == 64, count < 4096, names < count,
      let rows = try? file.bytes(at: Int(table), count: count * size), rows.count == count * size
    else { return nil }
    func row(_ i: Int) -> (offset: UInt, count: UInt, address: UInt) {
      (littleEndian(rows, i * size + 24, 8), littleEndian(rows, i * size + 32, 8), littleEndian(rows, i * size + 16, 8))
    }
    let text = row(names)
    guard text.offset < 1 << 40, text.count < 1 << 20,
      let strings = try? file.bytes(at: Int(text.offset), count: Int(text.count))
    else { return nil }
    let wanted: StaticString = ".eh_frame"
    for i in 0..<count where isName(strings, Int(littleEndian(rows, i * size, 4)), wanted) {
      let found = row(i)
      guard found.offset < 1 << 40, found.count <= UInt(largest) else { return nil }
      return (Int(found.offset), Int(found.count), found.address)
    }
    return nil
  }
  private static func isName(_ strings: [UInt8], _ at: Int, _ name: StaticString) -> Bool {
    let name = name.bytes
    guard at + name.count < strings.count, strings[at + name.count] == 0 else { return false }
    for i in name.indices where strings[at + i] != name[i] { return false }
    return true
  }
}
