import Machine
import Synchronization

/// The lock of what ties processes together: parents and children, groups and their members, sessions, zombies. It comes
/// before every process's own lock (its threads) and before signals'; under it parents are told and woken. Nothing under
/// it sleeps, touches guest memory, or drops what may be the last reference to a process, group or session.
public final class ProcessTree {
  let lock = SpinLock((), rank: .processTree)
  /// Tasks made since boot: /proc/stat.
  public let forks = Atomic<Int>(0)
  public init() {}
}

/// Set at boot.
public let processTree = KernelGlobal<ProcessTree>()

/// Runs `body` under the process tree's lock.
@inline(__always)
public func withProcessTree<R: ~Copyable, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
  try processTree.with { (tree) throws(E) -> R in
    try tree.lock.withLock { (_) throws(E) -> R in try body() }
  }
}
