import Builtin
import CMachine
import Synchronization

/// Storage that can change through a shared borrow; its owner's lock guards it.
@_rawLayout(like: Value, movesAsLike)
public struct Cell<Value: ~Copyable>: ~Copyable {
  @inline(__always) public var address: UnsafeMutablePointer<Value> {
    UnsafeMutablePointer(Builtin.unprotectedAddressOfBorrow(self))
  }
  @inline(__always) public init(_ value: consuming Value) { unsafe address.initialize(to: value) }
  @inline(__always) deinit { unsafe address.deinitialize(count: 1) }
}

/// A spinlock that owns its data. The kernel is not preempted, so a holder stops only where its carrier loses the host
/// CPU; a waiter then yields its own. A holder does not sleep and touches no guest memory.
///
/// As a global it would be initialised lazily: keep locks in objects.
@safe public struct SpinLock<Value: ~Copyable>: ~Copyable {
  private let word = Atomic<UInt32>(0)
  private let cell: Cell<Value>
  private let rank: LockRank

  @inline(__always) public init(_ value: consuming sending Value, rank: LockRank) {
    cell = Cell(value)
    self.rank = rank
  }

  @inline(__always)
  public borrowing func withLock<R: ~Copyable, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    lock()
    defer { unlock() }
    return try unsafe body(&cell.address.pointee)
  }

  /// For the few whose lock is released by other code than took it; everyone else uses `withLock`.
  @inline(__always) borrowing func lock() {
    unsafe lockTaken(rank)  // counted before it is acquired, so a kill in between finds it counted
    if !word.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged { contended() }
  }
  @inline(__always) borrowing func unlock() {
    // Swift's optimizer moves retains down past plain stores, this one too: what the body stored may be gone by then.
    arch_compiler_barrier()
    word.store(0, ordering: .releasing)
    unsafe lockReleased(rank)
  }
  @inline(__always) borrowing func withoutLocking<R>(_ body: (inout Value) -> R) -> R {
    unsafe body(&cell.address.pointee)
  }

  @inline(never) private borrowing func contended() {
    var spins = 0
    while !word.weakCompareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged {
      arch_pause()
      spins &+= 1
      if spins & 255 == 0 { hostYield() }
    }
  }
}
extension SpinLock: @unchecked Sendable where Value: ~Copyable {}
