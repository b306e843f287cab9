import CLinux
import Machine

// Until the owner of address spaces provides it.
extension AddressSpace {
  /// The cached file and the offset in it of a word in a shared mapping; nil where it is private.
  func futexKey(_ address: UInt) -> (object: UInt, offset: UInt)? { nil }
}
