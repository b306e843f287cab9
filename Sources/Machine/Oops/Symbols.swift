import CLinux
import CMachine

/// The symbol file that the build makes (scripts/kernel-symbols): a row for each line of the image's line table. Mapped
/// at boot.
///
///     "MSYM0001", count (32), strings' offset (32), count rows {address − image base, function, file, line} (32 each)
enum Symbols {
  static func describe(_ address: UInt) {
    guard let base = unsafe symbolsMap, unsafe symbolsSize >= 16 else { return }
    let count = unsafe Int(base.load(fromByteOffset: 8, as: UInt32.self))
    let strings = unsafe Int(base.load(fromByteOffset: 12, as: UInt32.self))
    let wanted = UInt32(truncatingIfNeeded: address &- 0x6800_0000_0000)
    var low = 0, high = count
    while low < high {
      let middle = (low + high) / 2
      if unsafe base.load(fromByteOffset: 16 + middle * 16, as: UInt32.self) <= wanted {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low > 0 else { return }
    let row = 16 + (low - 1) * 16
    unsafe Report.write(" ")
    unsafe text(base, strings + Int(base.load(fromByteOffset: row + 4, as: UInt32.self)))
    unsafe Report.write(" (")
    unsafe text(base, strings + Int(base.load(fromByteOffset: row + 8, as: UInt32.self)))
    unsafe Report.write(":")
    unsafe Report.number(UInt(base.load(fromByteOffset: row + 12, as: UInt32.self)), radix: 10)
    unsafe Report.write(")")
  }

  private static func text(_ base: UnsafeRawPointer, _ offset: Int) {
    var n = 0
    while unsafe offset + n < symbolsSize, unsafe (base + offset + n).load(as: UInt8.self) != 0 { n += 1 }
    unsafe Report.bytes(base + offset, n)
  }

  /// At boot, before the first clone: every process inherits the mapping.
  static func map(_ descriptor: Int32) {
    guard descriptor >= 0 else { return }
    let size = hostCall(__NR_lseek, Int(descriptor), 0, 2)
    guard size > 16 else { return }
    let result = hostCall(
      __NR_mmap, 0x6900_0000_0000, size, Int(PROT_READ), Int(MAP_PRIVATE | MAP_FIXED_NOREPLACE), Int(descriptor), 0)
    guard result > 0 else { return }
    unsafe symbolsSize = size
    unsafe symbolsMap = UnsafeRawPointer(bitPattern: result)
  }
}
// SAFETY: written at boot.
nonisolated(unsafe) private var symbolsMap: UnsafeRawPointer? = nil
nonisolated(unsafe) private var symbolsSize = 0
