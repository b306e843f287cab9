import CLinux
import Machine

// set_robust_list(2): at its end a thread marks the futexes that it held, as the list in its own memory says.

/// Wakes one that waits on the word of CLONE_CHILD_CLEARTID in the current task's memory.
func wakeClearedTid(_ address: UInt) { Task.withCurrentTask { $0.wakeAddress(address) } }

extension Task {
  /// Walks the robust list of the task, the caller, while its memory is there. What makes no sense ends the walk.
  func exitRobustList() {
    let head = robustList
    guard head != 0 else { return }
    do throws(Errno) { try walkRobustList(head) } catch {}
  }

  private func walkRobustList(_ head: UInt) throws(Errno) {
    let words = UserPointer<UInt>(head)
    var (entry, isPriority) = Self.split(try words.copyIn())
    let offset = try words.advanced(by: 1).copyIn()
    let (pending, isPendingPriority) = Self.split(try words.advanced(by: 2).copyIn())
    var left = 2048  // as Linux: the list may be circular
    while entry != head {
      // The next one first: the entry may be anybody's once its word is changed.
      let next = try? UserPointer<UInt>(entry).copyIn()
      if entry != pending { try die(entry &+ offset, isPriority: isPriority, isPending: false) }
      guard let next else { break }
      (entry, isPriority) = Self.split(next)
      left -= 1
      if left == 0 { break }
    }
    if pending != 0 { try die(pending &+ offset, isPriority: isPendingPriority, isPending: true) }
  }

  /// The low bit says that the futex is a priority-inheriting one.
  private static func split(_ word: UInt) -> (address: UInt, isPriority: Bool) { (word & ~1, word & 1 != 0) }

  /// The futex at `address` loses its owner, where that is this task.
  private func die(_ address: UInt, isPriority: Bool, isPending: Bool) throws(Errno) {
    guard address & 3 == 0 else { throw .fault }
    let word = UserPointer<UInt32>(address)
    var value = try word.load()
    // It died between the unlock and the wake.
    if isPending && !isPriority && value == 0 {
      wakeAddress(address)
      return
    }
    while value & UInt32(FUTEX_TID_MASK) == UInt32(truncatingIfNeeded: id) {
      let new = value & FUTEX_WAITERS | UInt32(FUTEX_OWNER_DIED)
      let found = try word.compareExchange(value, new)
      if found == value {
        if !isPriority && value & FUTEX_WAITERS != 0 { wakeAddress(address) }
        return
      }
      value = found
    }
  }
}
