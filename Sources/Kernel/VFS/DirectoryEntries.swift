import CLinux
import Machine

/// Where `File.readDirectory` puts its entries: the guest's buffer of getdents64(2) or getdents(2).
///
/// A directory keeps in `position` a cookie of its own that says where to go on; 0 is the start. For each entry it calls
/// `add`, and moves its position past the entry only when that returned true.
public struct DirectoryEntries: ~Copyable {
  private var address: UserPointer<UInt8>
  private var room: Int
  private let isOld: Bool  // getdents(2)'s layout
  private let record: KernelBuffer
  /// Bytes written so far: the call's result.
  public private(set) var count = 0
  /// What stopped it, where the buffer was no help even for one entry.
  public private(set) var failure: Errno?

  /// Errors: ENOMEM.
  public init(_ address: UserPointer<UInt8>, count: Int, isOld: Bool = false) throws(Errno) {
    self.address = address
    room = count
    self.isOld = isOld
    record = try KernelBuffer(count: 24 + 255 + 9)
  }

  /// Adds an entry; `type` is a file's type (S_IF…), `next` the cookie after it. Returns whether it fitted and was
  /// written; the caller stops at the first false.
  public mutating func add(_ name: Span<UInt8>, inode: UInt64, type: UInt32, next: Int) -> Bool {
    guard name.count <= 255 else { return true }
    let head = isOld ? 18 : 19
    let size = (head + name.count + (isOld ? 2 : 1) + 7) & ~7
    if size > room {
      if count == 0 { failure = .invalid }
      return false
    }
    let bytes = record.bytes
    bytes.store(0, at: size - 8)  // what is behind the name
    bytes.store(inode, at: 0)
    bytes.store(next, at: 8)
    bytes.store(UInt16(size), at: 16)
    let kind = UInt8(truncatingIfNeeded: type >> 12)
    if !isOld { bytes[18] = kind }
    bytes.copy(name, at: head)
    if isOld { bytes[size - 1] = kind }
    do throws(Errno) {
      try address.copyOut(bytes.slice(0, size))
    } catch {
      if count == 0 { failure = error }
      return false
    }
    address = address.advanced(by: size)
    room -= size
    count += size
    return true
  }
}
