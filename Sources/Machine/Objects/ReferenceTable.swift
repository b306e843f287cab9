/// Slots of owned references, for descriptor tables and the like. An element is read as `Borrowed<Object>?`, which costs
/// nothing; out of range it is nil. The caller serialises changes.
@safe public struct ReferenceTable<Object: AnyObject>: ~Copyable {
  private var slots: UnsafeMutablePointer<Borrowed<Object>?>
  public private(set) var capacity: Int

  public init(capacity: Int) {
    self.capacity = capacity
    unsafe slots = .allocate(capacity: capacity)
    unsafe slots.initialize(repeating: nil, count: capacity)
  }
  deinit {
    for i in 0..<capacity { unsafe slots[i]?.release() }
    unsafe slots.deallocate()
  }

  @inline(__always) public subscript(_ index: Int) -> Borrowed<Object>? {
    // SAFETY: the index is checked against the capacity.
    guard UInt(bitPattern: index) < UInt(bitPattern: capacity) else { return nil }
    return unsafe slots[index]
  }

  /// Puts `object` at `index`, which is in range, and returns what was there, for the caller to drop where it may.
  public mutating func exchange(_ index: Int, _ object: consuming Object?) -> Object? {
    precondition(index >= 0 && index < capacity)
    let old = unsafe slots[index]
    // The counts change owners: the caller's becomes the slot's, and the slot's the caller's.
    if let object {
      unsafe slots[index] = Borrowed(bits: Unmanaged.passRetained(object).toOpaque())
    } else {
      unsafe slots[index] = nil
    }
    guard let old else { return nil }
    return unsafe Unmanaged<Object>.fromOpaque(old.bits).takeRetainedValue()
  }

  /// Makes room for `capacity` slots; the new ones are empty. Never shrinks.
  public mutating func grow(to capacity: Int) {
    guard capacity > self.capacity else { return }
    let grown = UnsafeMutablePointer<Borrowed<Object>?>.allocate(capacity: capacity)
    unsafe grown.initialize(repeating: nil, count: capacity)
    for i in 0..<self.capacity { unsafe grown[i] = slots[i] }
    unsafe slots.deallocate()
    unsafe slots = grown
    self.capacity = capacity
  }
}
