import CLinux
import Machine
import Synchronization

extension AddressSpace {
  /// Copies the address space that the caller runs in, for fork(2): the tree here, the memory by the host's own fork. The
  /// lock is held throughout, so both copies are of one moment. MADV_DONTFORK and MADV_WIPEONFORK are known to the host.
  /// What the copy consists of lies with `task`, which will run there. Errors: ENOMEM, EAGAIN.
  func fork(for task: Task) throws(Errno) -> AddressSpace {
    let child = task.withArena { AddressSpace(host: host, hook: hook) }  // until it has its own
    try withMemory { (state) throws(Errno) in
      try child.withState { (copy) throws(Errno) in
        var last: (old: FileMapping, new: FileMapping)?
        copy.areas = try task.withArena { () throws(Errno) in
          try AreaMap(copying: state.areas) { old in
            if let last, last.old === old { return last.new }
            let new = FileMapping(
              space: child, file: old.file, object: old.object, isWritable: old.isWritable,
              attachment: old.attachment.map { SegmentAttachment($0.segment, 0) })
            (new.stubs, new.image, new.wasWritable) = (old.stubs, old.image, old.wasWritable)
            last = (old, new)
            return new
          }
        }
        copy.breakStart = state.breakStart
        copy.breakEnd = state.breakEnd
        copy.mapTop = state.mapTop
        copy.peak = state.areas.totals.total
        // From here on truncations of its files find the child, and wait for its lock.
        do throws(Errno) {
          child.host = try HostSpace.fork(for: task)
        } catch {
          copy.areas.clear()
          copy.isGone = true
          throw error
        }
      }
    }
    child.codeRange = codeRange
    child.dataRange = dataRange
    child.stackStart = stackStart
    child.commandLine = commandLine
    child.environment = environment
    child.setProgram(runningFile)
    child.residency.inherited.store(-1, ordering: .relaxed)
    child.auxiliary = auxiliary
    child.barriers.store(barriers.load(ordering: .relaxed), ordering: .relaxed)
    return child
  }
}
