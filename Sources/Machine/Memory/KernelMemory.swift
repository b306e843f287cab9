import CLinux
import CMachine
import Synchronization

/// Kernel memory: one sparse memfd, mapped shared at one address in every host process (docs/address-map.md).
///
///     0        the image's .data and .bss
///     24 MiB   a byte for each chunk of the heap: its slab class
///     32 MiB   the lengths of large runs, in chunks
///     64 MiB   carriers' slots
///     2 GiB    a byte for each page of the heap: its slab class
///     4 GiB    the heap, growing up; the page cache's extents in the upper half
enum KernelMemory {
  static var base: UInt { 0x4000_0000_0000 }
  static var chunkShift: UInt { 16 }
  static var chunkSize: UInt { 1 << 16 }
  nonisolated(unsafe) static var size: UInt = 1 << 44  // SAFETY: written at boot
  static var chunkMap: UInt { base + 24 << 20 }
  static var runLengths: UInt { base + 32 << 20 }
  static var slots: UInt { base + 64 << 20 }
  static var slotCount: UInt { 16384 }
  static var pageMap: UInt { base + 2 << 30 }
  static var heap: UInt { base + 4 << 30 }
  static var cache: UInt { unsafe base + size / 2 }

  // MARK: the bound: `mem=`

  /// Bytes that kernel memory and page cache may take together.
  nonisolated(unsafe) static var limit = 1 << 30  // SAFETY: written at boot

  /// Charges before allocating. Returns false past the bound.
  static func charge(_ count: Int) -> Bool {
    let now = chargedBytes.add(count, ordering: .relaxed).newValue
    if unsafe now <= limit { return true }
    chargedBytes.subtract(count, ordering: .relaxed)
    return false
  }
  static func uncharge(_ count: Int) { chargedBytes.subtract(count, ordering: .relaxed) }
}
let chargedBytes = Atomic<Int>(0)
let cacheBytes = Atomic<Int>(0)
nonisolated(unsafe) var machineDescriptor: Int32 = -1  // SAFETY: the memfd, written at boot

/// What /proc/meminfo and sysinfo(2) say, in bytes.
public struct MemoryUsage: Sendable {
  public let total: Int
  /// Kernel memory and page cache together.
  public let charged: Int
  public let cached: Int
  public static var current: MemoryUsage {
    unsafe MemoryUsage(
      total: KernelMemory.limit, charged: chargedBytes.load(ordering: .relaxed),
      cached: cacheBytes.load(ordering: .relaxed))
  }
}
