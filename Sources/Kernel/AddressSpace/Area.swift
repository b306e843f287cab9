import CLinux
import Machine

/// What a mapping may do and is (Linux's VM_*).
public struct AreaFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  @inline(__always) public init(rawValue: UInt32) { self.rawValue = rawValue }
  // The first three are PROT_READ, PROT_WRITE and PROT_EXEC.
  public static var read: AreaFlags { AreaFlags(rawValue: 1) }
  public static var write: AreaFlags { AreaFlags(rawValue: 2) }
  public static var execute: AreaFlags { AreaFlags(rawValue: 4) }
  /// MAP_SHARED.
  public static var shared: AreaFlags { AreaFlags(rawValue: 8) }
  // What mprotect(2) may grant.
  public static var mayRead: AreaFlags { AreaFlags(rawValue: 0x10) }
  public static var mayWrite: AreaFlags { AreaFlags(rawValue: 0x20) }
  public static var mayExecute: AreaFlags { AreaFlags(rawValue: 0x40) }
  public static var mayAll: AreaFlags { [.mayRead, .mayWrite, .mayExecute] }
  public static var growsDown: AreaFlags { AreaFlags(rawValue: 0x100) }
  /// mlock(2); Martlet pins nothing, it only counts.
  public static var locked: AreaFlags { AreaFlags(rawValue: 0x2000) }
  public static var lockedOnFault: AreaFlags { AreaFlags(rawValue: 0x4000) }
  public static var dontFork: AreaFlags { AreaFlags(rawValue: 0x2_0000) }
  public static var noReserve: AreaFlags { AreaFlags(rawValue: 0x20_0000) }
  public static var wipeOnFork: AreaFlags { AreaFlags(rawValue: 0x200_0000) }
  public static var dontDump: AreaFlags { AreaFlags(rawValue: 0x400_0000) }

  @inline(__always) public init(protection: Int32) { rawValue = UInt32(bitPattern: protection) & 7 }
  /// PROT_*.
  @inline(__always) public var protection: Int32 { Int32(bitPattern: rawValue & 7) }
  public func withProtection(_ protection: Int32) -> AreaFlags {
    AreaFlags(rawValue: rawValue & ~7 | UInt32(bitPattern: protection) & 7)
  }
}

/// A stretch of guest addresses with one sort of memory behind it (Linux's vm_area_struct).
public struct Area {
  public var start: UInt
  public var end: UInt
  public var flags: AreaFlags
  /// Where the first byte lies in the file; for anonymous memory the address it was mapped at, which decides what merges.
  public var offset: UInt
  /// The file behind it; nil for private anonymous memory.
  public var mapping: FileMapping?
  /// For cached files: the pages, by number in the file, that the host's mapping has; the others fault.
  public var filled = PageRanges()

  public init(start: UInt, end: UInt, flags: AreaFlags, offset: UInt, mapping: FileMapping? = nil) {
    self.start = start
    self.end = end
    self.flags = flags
    self.offset = offset
    self.mapping = mapping
  }

  @inline(__always) public var count: UInt { end &- start }
  @inline(__always) public var pages: Int { Int(count >> 12) }
  /// Where free space ends below it: a stack keeps 256 pages free so that an overflow faults.
  @inline(__always) var guardedStart: UInt {
    flags.contains(.growsDown) ? start &- min(start, stackGuardGap) : start
  }
  /// Where in the file `address`, which lies in it, is.
  @inline(__always) public func fileOffset(_ address: UInt) -> UInt { offset &+ (address &- start) }

  /// Cuts off and returns what lies at or above `address`, a page within it.
  mutating func split(at address: UInt) -> Area {
    var rest = self
    rest.start = address
    rest.offset = fileOffset(address)
    end = address
    if !filled.isEmpty {
      let page = Int(rest.offset >> 12)
      rest.filled = filled
      rest.filled.remove(.min, page)
      filled.remove(page, .max)
    }
    return rest
  }

  /// Whether `next`, which begins where this ends, goes on with the same memory.
  borrowing func continues(in next: borrowing Area) -> Bool {
    guard end == next.start, flags == next.flags, offset &+ count == next.offset, !flags.contains(.growsDown) else {
      return false
    }
    guard let mapping else { return next.mapping == nil }
    guard let other = next.mapping else { return false }
    return mapping.isSame(as: other)
  }
  mutating func append(_ next: Area) {
    end = next.end
    filled.formUnion(next.filled)
  }
}

/// Linux's stack_guard_gap.
var stackGuardGap: UInt { 256 << 12 }
