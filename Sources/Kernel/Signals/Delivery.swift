import CLinux
import Machine

// Signals are delivered on the way out of the kernel (DESIGN: "Signals"). `deliverSignals` loops until nothing is left:
// death first, then stops, then signals one by one, each handler's frame on top of the one before. Where no handler ran,
// an interrupted call starts again and a mask that a call set aside comes back.

extension Task {
  /// `handlePending` of a task.
  func deliverSignals() {
    while true {
      if isInterrupted(Interruption.lostSpace) { exitGroup(WaitStatus.killed(SIGKILL)) }
      if isInterrupted(Interruption.kill) { exitKilled() }
      if isInterrupted(Interruption.work) {
        clearInterruption(Interruption.work)
        process.tellParentOfStop()
      }
      if !isInterrupted(Interruption.signal) { break }
      if signals.mustStop {
        process.signals.joinStop(self)
        continue
      }
      guard let info = process.takeSignal(self) else { continue }
      act(on: info)
    }
    finishCall(nil)
    if signals.hasSavedMask {
      signals.hasSavedMask = false
      process.setSignalMask(self, signals.savedMask)
      // What the old mask lets through is for the next round of the way out.
    }
  }

  /// Does what `info`, which was just taken, asks for.
  private func act(on info: SignalInfo) {
    let signal = info.signal
    let action = process.takeAction(signal)
    if action.isIgnore { return }
    if !action.isDefault {
      handle(info, action)
      return
    }
    switch Signal.defaultAction(signal) {
    case .ignore, .resume: return
    case .stop:
      // Stops from the terminal are for shells that will continue them: an orphaned group has none.
      if process.isInit || signal != SIGSTOP && process.isInOrphanedGroup() { return }
      process.signals.beginStop(self, signal)
    case .terminate, .dump:
      if process.isInit && signal != SIGKILL && !signals.mustDie { return }
      if info.isFromKernel { noteFatal(info) }
      exitGroup(WaitStatus.killed(signal))
    }
  }

  private func noteFatal(_ info: SignalInfo) {
    guard Signal.bit(info.signal) & Signal.synchronous != 0 else { return }
    let program = String(decoding: name, as: UTF8.self)
    Log.info(
      "\(program)[\(id)]: signal \(info.signal), code \(info.code), at \(hexadecimal(info.address)), ip \(hexadecimal(programCounter)), sp \(hexadecimal(stackPointer)), error \(fault.errorCode)"
    )
  }

  /// Runs the handler: the frame, then the mask. Where the frame cannot be written, SIGSEGV.
  private func handle(_ info: SignalInfo, _ action: SignalAction) {
    finishCall(action)
    guard let top = stackTop(for: action) else {
      failFrame(info.signal)
      return
    }
    let frame = signals.frame(for: info, action)
    showOwnCounter()
    do throws(Errno) {
      guard action.has(Int(SA_RESTORER)) else { throw .fault }  // as on Linux's x86-64
      try pushSignalFrame(frame, below: top)
    } catch {
      failFrame(info.signal)
      return
    }
    process.setSignalMask(self, signals.begin(info.signal, action))
  }

  /// Below which address the frame goes; nil where it would overflow the alternate stack.
  private func stackTop(for action: SignalAction) -> UInt? {
    signals.alternateStack.top(from: stackPointer, isAsked: action.has(Int(SA_ONSTACK)))
  }

  private func failFrame(_ signal: Int32) {
    process.signals.force(self, .kernel(SIGSEGV), isFinal: signal == SIGSEGV)
  }

  /// `guestFault` of a task: the fault that the host described becomes the guest's signal.
  func signalFault() {
    let info = SignalInfo.fault(fault.signal, code: faultCode, address: fault.address)
    process.signals.force(self, info)
  }

  /// rt_sigreturn(2). A frame that makes no sense is SIGSEGV.
  func returnFromSignal() {
    do throws(Errno) {
      let result = try popSignalFrame()
      process.setSignalMask(self, SignalSet(bits: result.mask))
      _ = signals.setAlternateStack(result.stack, sp: stackPointer)
    } catch {
      process.signals.force(self, .kernel(SIGSEGV))
    }
  }
}

extension TaskSignals {
  /// What the handler of `action` is told.
  fileprivate func frame(for info: SignalInfo, _ action: SignalAction) -> SignalFrame {
    SignalFrame(
      signal: info.signal, handler: action.handler, restorer: action.restorer, info: info.bytes,
      mask: hasSavedMask ? savedMask.bits : mask.bits,
      stack: SignalStack(base: alternateStack.base, flags: alternateStack.flags, size: alternateStack.size))
  }
  /// A handler begins. Returns the mask that it runs with.
  fileprivate func begin(_ signal: Int32, _ action: SignalAction) -> SignalSet {
    if UInt32(bitPattern: alternateStack.flags) & AlternateStack.autoDisarm != 0 { alternateStack = .disabled }
    hasSavedMask = false
    var mask = mask.union(action.mask)
    if !action.has(Int(SA_NODEFER)) { mask.insert(signal) }
    return mask
  }
}

extension AlternateStack {
  /// `Task.stackTop` for a stack pointer `sp`.
  fileprivate func top(from sp: UInt, isAsked: Bool) -> UInt? {
    var top = sp &- Thread.redZone
    var isOnIt = contains(sp)
    if isAsked && isEnabled && !contains(top) {
      top = base &+ size
      isOnIt = true
    }
    if isOnIt {
      let at = Thread.signalFrameAddress(below: top)
      guard at > base, at &- base <= size else { return nil }
    }
    return top
  }
}

// A process's signals for its own tasks: one hop a method, which costs no reference count.
extension Process {
  func takeSignal(_ task: Task) -> SignalInfo? { signals.take(task) }
  func takeAction(_ signal: Int32) -> SignalAction { signals.takeAction(signal) }
  func setSignalMask(_ task: Task, _ mask: SignalSet) { signals.setMask(task, mask) }
  func setSignalAction(_ signal: Int32, _ action: SignalAction) -> SignalAction { signals.setAction(signal, action) }
  func signalAction(_ signal: Int32) -> SignalAction { signals.action(signal) }
  fileprivate func tellParentOfStop() { signals.tellParent(self) }
}
extension ProcessSignals {
  fileprivate func takeAction(_ signal: Int32) -> SignalAction { actions.with { $0.take(signal) } }
  fileprivate func action(_ signal: Int32) -> SignalAction { actions.with { $0.action(signal) } }
}

extension ProcessSignals {
  /// Takes the next signal for `task`, the caller: faults, then its own, then the process's. Nil: none is left, and its
  /// `signal` bit is right again.
  func take(_ task: Task) -> SignalInfo? {
    let signals = task.signals
    return state.withLock { state in
      if signals.mustStop {
        recalculate(&state, signals)
        return nil
      }
      var info: SignalInfo?
      let own = signals.pending.next(blocked: signals.mask)
      if own != 0 {
        info = signals.pending.take(own)
      } else {
        let shared = state.pending.next(blocked: signals.mask)
        if shared != 0 { info = state.pending.take(shared) }
      }
      if let info, Signal.bit(info.signal) & Signal.stops != 0 { signals.tookStop = true }
      recalculate(&state, signals)
      return info
    }
  }

  /// A signal that `task`, the caller, cannot escape: where it blocks or ignores it, it dies of it. `isFinal`: in any case.
  func force(_ task: Task, _ info: SignalInfo, isFinal: Bool = false) {
    let signals = task.signals
    state.withLock { state in
      let action = actions.with { $0.action(info.signal) }
      let isBlocked = signals.mask.contains(info.signal)
      if isFinal || isBlocked || action.isIgnore {
        var reset = action
        reset.handler = 0
        _ = actions.with { $0.set(info.signal, reset) }
        signals.mask.remove(info.signal)
        signals.mustDie = true
      } else if action.isDefault {
        signals.mustDie = true
      }
      _ = signals.pending.insert(info)
      task.interrupt(Interruption.signal)
    }
  }
}

func hexadecimal(_ value: UInt) -> String { "0x" + String(value, radix: 16) }
