import Synchronization

/// A global object, set once at boot and kept for the machine's life: static storage, no lazy initialiser, no count.
///
///     public let processes = KernelGlobal<ProcessTable>()
///     processes.set(ProcessTable())                 // at boot
///     processes.with { $0.find(pid) }
@safe public struct KernelGlobal<Object: AnyObject>: ~Copyable, @unchecked Sendable {
  @usableFromInline let word = Atomic<UInt>(0)
  @_transparent public init() {}

  /// Sets it, before anyone else looks. The object is never freed.
  public func set(_ object: Object) {
    let new = Borrowed(object)
    new.retain()
    word.store(new.identity, ordering: .releasing)
  }
  @inline(__always) public var isSet: Bool { word.load(ordering: .acquiring) != 0 }
  /// The object. It must have been set: the rest is a kernel bug and traps.
  @inline(__always) public var borrowed: Borrowed<Object> {
    // SAFETY: the word is the address of an object that `set` counted for the machine's life.
    unsafe Borrowed(bits: UnsafeMutableRawPointer(bitPattern: word.load(ordering: .relaxed))!)
  }
  @inline(__always) public func with<R: ~Copyable, E: Error>(_ body: (Object) throws(E) -> R) throws(E) -> R {
    try borrowed.with(body)
  }
}
