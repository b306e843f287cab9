import CBoot

/// The descriptors that the kernel's first process gets, and the numbers they have there.
struct ChildDescriptors {
  /// The boot block has the first number.
  static let first = Int32(MARTLET_BOOT_DESCRIPTOR)

  private(set) var kept: [Descriptor?] = [nil]

  /// Hands a descriptor on; returns its number in the child, -1 for none.
  mutating func add(_ descriptor: Descriptor?) -> Int32 {
    guard let descriptor else { return -1 }
    kept.append(descriptor)
    return ChildDescriptors.first + Int32(kept.count) - 1
  }

  mutating func setBootBlock(_ descriptor: Descriptor) {
    kept[0] = descriptor
  }

  var numbers: [Int32] { kept.map { $0?.number ?? -1 } }
}
