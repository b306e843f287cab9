import CBoot
import CLinux
import CMachine

/// What the tool told the kernel, as values: Sources/CBoot/include/boot.h. Every offset is checked against the block.
@safe public struct BootBlock: @unchecked Sendable {
  private let base: UnsafeRawPointer
  private let size: Int
  public let header: martlet_boot

  /// SAFETY: the mapping stays for the machine's life; the tool sealed the memfd.
  init?(mapping base: UnsafeRawPointer, size: Int) {
    guard size >= MemoryLayout<martlet_boot>.size else { return nil }
    let header = unsafe base.load(as: martlet_boot.self)
    guard header.magic == MARTLET_BOOT_MAGIC, Int(header.size) <= size else { return nil }
    unsafe self.base = base
    self.size = Int(header.size)
    self.header = header
  }

  /// The string at `offset`, without its NUL; empty where the offset is 0 or wrong.
  public func string(_ offset: UInt32) -> [UInt8] {
    var result: [UInt8] = []
    var at = Int(offset)
    guard at > 0 else { return [] }
    while at < size {
      let byte = unsafe base.load(fromByteOffset: at, as: UInt8.self)
      if byte == 0 { break }
      result.append(byte)
      at += 1
    }
    return result
  }
  private func strings(_ first: UInt32, _ count: UInt32) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var at = first
    for _ in 0..<count {
      guard at > 0, Int(at) < size else { break }
      let s = string(at)
      at += UInt32(s.count + 1)
      result.append(s)
    }
    return result
  }
  public var arguments: [[UInt8]] { strings(header.arguments, header.argumentCount) }
  public var environment: [[UInt8]] { strings(header.environment, header.environmentCount) }
  public var mounts: [martlet_mount] {
    var result: [martlet_mount] = []
    for i in 0..<Int(header.mountCount) {
      let at = Int(header.mounts) + i * MemoryLayout<martlet_mount>.size
      guard at + MemoryLayout<martlet_mount>.size <= size else { break }
      unsafe result.append(base.loadUnaligned(fromByteOffset: at, as: martlet_mount.self))
    }
    return result
  }
  public func has<T: BinaryInteger>(_ flag: T) -> Bool { header.flags & UInt32(truncatingIfNeeded: flag) != 0 }
}

/// The boot block: set before the kernel starts.
public var bootBlock: BootBlock { unsafe bootBlockStorage.unsafelyUnwrapped }
/// The block's flags alone, for those who look at each call.
@inline(__always) public var bootFlags: UInt32 { unsafe bootFlagsStorage }
nonisolated(unsafe) var bootFlagsStorage: UInt32 = 0  // SAFETY: written at boot
nonisolated(unsafe) var bootBlockStorage: BootBlock? = nil
