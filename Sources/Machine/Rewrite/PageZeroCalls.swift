import Synchronization

/// Sites of one address space that are known to call through page 0, so that most calls need no search: each has one place.
@safe public final class PageZeroCalls {
  private static var count: Int { 128 }
  // SAFETY: `count` words for the object's life, which are only used atomically.
  private let sites: UnsafeMutablePointer<Atomic<UInt>>

  public init() {
    unsafe sites = UnsafeMutablePointer.allocate(capacity: Self.count)
    for i in 0..<Self.count { unsafe (sites + i).initialize(to: Atomic(0)) }
  }
  deinit { unsafe sites.deallocate() }

  private static func place(_ site: UInt) -> Int { Int((site ^ site &>> 7) & UInt(count &- 1)) }
  public func has(_ site: UInt) -> Bool { unsafe sites[Self.place(site)].load(ordering: .relaxed) == site }
  public func add(_ site: UInt) { unsafe sites[Self.place(site)].store(site, ordering: .relaxed) }
  /// Patched text is about to change.
  public func forget() { for i in 0..<Self.count { unsafe sites[i].store(0, ordering: .relaxed) } }
}
