import CLinux
import Machine

extension Terminal {
  /// Implements read(2) for a file that was opened in `generation`. Errors: EIO (a background group that cannot be
  /// stopped, the other side is gone), EAGAIN, EFAULT, `.restart`.
  final func read(_ buffers: inout IOBuffers, generation: UInt32, isNonBlocking: Bool) throws(Errno) -> Int {
    if generation != self.generation { return 0 }
    try checkForeground(SIGTTIN)
    var rules: ReadRules?
    var done = 0
    do throws(Errno) {
      while buffers.count > 0 {
        var isClosed = false
        let moved = try change { (state) throws(Errno) -> Int? in
          if rules == nil { rules = ReadRules(state.discipline) }
          state.pump()
          guard state.discipline.hasInput() else {
            isClosed = state.otherSideClosed
            return nil
          }
          let moved = try state.discipline.read(&buffers)
          state.pump()
          return moved
        }
        guard let moved else {
          if isClosed { throw .inputOutput }
          if generation != self.generation { break }
          if let rules, rules.deadline.hasPassed { break }
          if isNonBlocking { throw .wouldBlock }
          let deadline = rules?.deadline ?? .never
          do throws(Errno) {
            try readers.wait(until: deadline) { () throws(Errno) -> Bool in
              generation != self.generation || state.withLock { $0.discipline.hasInput() || $0.otherSideClosed }
            }
          } catch {
            if error != .timedOut { throw error }
          }
          continue
        }
        inputDrained()
        done &+= moved
        guard var now = rules, !now.readsLines, done < now.minimum else { break }
        now.restart()
        rules = now
      }
    } catch {
      if done == 0 { throw error }
    }
    return done
  }

  /// Implements write(2). Errors: EIO (hung up, or the other side is gone), EAGAIN, EFAULT, `.restart`.
  final func write(_ buffers: inout IOBuffers, generation: UInt32, isNonBlocking: Bool) throws(Errno) -> Int {
    if generation != self.generation { throw .inputOutput }
    if state.withLock({ $0.discipline.modes.hasLocal(TOSTOP) }) { try checkForeground(SIGTTOU) }
    var done = 0
    do throws(Errno) {
      while buffers.count > 0 {
        let moved = try change { (state) throws(Errno) -> Int in
          if generation != self.generation || state.otherSideClosed { throw .inputOutput }
          return try state.discipline.write(&buffers, &state.scratch)
        }
        done &+= moved
        if moved > 0 { continue }
        if isNonBlocking { throw .wouldBlock }
        try writers.wait { () throws(Errno) -> Bool in
          generation != self.generation || state.withLock { $0.discipline.writable > 0 || $0.otherSideClosed }
        }
      }
    } catch {
      if done == 0 { throw error }
    }
    return done
  }

  final func poll(_ table: PollTable?, generation: UInt32) -> PollEvents {
    if let table {
      table.register(readers)
      table.register(writers)
    }
    if generation != self.generation { return [.in, .out, .error, .hangUp, .readNormal, .writeNormal] }
    return state.withLock { state in
      var events: PollEvents = []
      if state.discipline.hasInput(forPoll: true) { events = [.in, .readNormal] }
      if state.discipline.writable > 0 { events.formUnion([.out, .writeNormal]) }
      if state.otherSideClosed { events.insert(.hangUp) }
      return events
    }
  }

  /// Waits until all output is out (tcdrain(3)). What a pseudo-terminal's master has not read yet counts as out. Errors:
  /// `.restart`.
  final func drain() throws(Errno) {
    if isPseudoTerminal { return }
    try writers.wait { () throws(Errno) -> Bool in
      state.withLock { $0.discipline.out.isEmpty || $0.otherSideClosed }
    }
  }
}

/// What the modes say about a read at its start: VMIN and VTIME (termios(3), the four cases).
struct ReadRules {
  let readsLines: Bool
  var minimum = 0
  private var interval: UInt64 = 0  // nanoseconds between bytes
  private(set) var deadline = Deadline.never

  init(_ discipline: borrowing LineDiscipline) {
    readsLines = discipline.modes.isCanonical
    if readsLines { return }
    let time = UInt64(discipline.modes.time) * 100_000_000
    minimum = discipline.modes.minimum
    if minimum > 0 {
      interval = time
    } else {
      minimum = 1
      deadline = Deadline.after(nanoseconds: time)
    }
  }
  /// A byte came: the time until the next begins anew.
  mutating func restart() { if interval > 0 { deadline = Deadline.after(nanoseconds: interval) } }
}
