import CLinux
import Testing

@testable import Kernel
@testable import Machine

@Suite struct SignalInfoTests {
  @Test func layoutsAreTheABIs() {
    #expect(MemoryLayout<SignalInfoBytes>.size == 128)
    #expect(MemoryLayout<SignalAction>.size == 32)
    #expect(MemoryLayout<SignalStack>.size == 24)
    #expect(MemoryLayout<SignalFileRecord>.size == 128)
    #expect(MemoryLayout<TimeSpec>.size == 16)
  }

  @Test func kill() {
    let bytes = SignalInfo.user(SIGTERM, pid: 77, uid: 1000).bytes
    #expect(bytes[0] == UInt64(SIGTERM))
    #expect(bytes[1] == 0)
    #expect(bytes[2] == 1000 << 32 | 77)
  }

  @Test func negativeCodes() {
    let info = SignalInfo.user(SIGTERM, code: SI_TKILL, pid: 1, uid: 0)
    #expect(info.bytes[1] == 0xffff_fffa)
    var fields = InlineArray<6, UInt64>(repeating: 0)
    for i in 0..<6 { fields[i] = info.bytes[i] }
    #expect(SignalInfo(fields) == info)
    #expect(!info.isFromKernel)
  }

  @Test func child() {
    let info = SignalInfo.child(code: CLD_KILLED, pid: 5, uid: 6, status: SIGKILL, userTime: 7, systemTime: 8)
    let bytes = info.bytes
    #expect(bytes[0] & 0xffff_ffff == UInt64(SIGCHLD))
    #expect(bytes[2] == 6 << 32 | 5)
    #expect(bytes[3] == UInt64(SIGKILL))
    #expect(bytes[4] == 7 && bytes[5] == 8)
    #expect(info.pid == 5 && info.uid == 6 && info.status == SIGKILL)
  }

  @Test func faultTimerAndPoll() {
    #expect(SignalInfo.fault(SIGSEGV, code: 1, address: 0x7fff_1234_5678).bytes[2] == 0x7fff_1234_5678)
    var timer = SignalInfo.timer(SIGALRM, timer: 3, overrun: 0, value: 0xdead)
    timer.overrun = 9
    #expect(timer.bytes[2] == 9 << 32 | 3)
    #expect(timer.timer == 3 && timer.overrun == 9 && timer.value == 0xdead)
    let poll = SignalInfo.poll(SIGIO, code: 1, band: 65, descriptor: 4)
    #expect(poll.bytes[2] == 65 && poll.descriptor == 4)
  }
}

@Suite struct SignalSetTests {
  @Test func bits() {
    #expect(Signal.bit(1) == 1)
    #expect(Signal.bit(64) == 1 << 63)
    #expect(Signal.bit(0) == 0 && Signal.bit(65) == 0 && Signal.bit(-1) == 0)
    #expect(SignalSet(bits: .max).blockable.bits == UInt64.max ^ (1 << 8 | 1 << 18))
    #expect(SignalSet(SIGHUP).first == SIGHUP && SignalSet.none.first == 0)
  }
  @Test func defaults() {
    #expect(Signal.defaultAction(SIGTERM) == .terminate)
    #expect(Signal.defaultAction(SIGSEGV) == .dump)
    #expect(Signal.defaultAction(SIGCHLD) == .ignore)
    #expect(Signal.defaultAction(SIGCONT) == .resume)
    #expect(Signal.defaultAction(SIGTTIN) == .stop)
    #expect(Signal.defaultAction(40) == .terminate)
  }
}

/// `#expect` copies what it looks at: a class around the queue.
private final class Queue {
  var pending = PendingSignals()
  func insert(_ info: SignalInfo) -> Bool { pending.insert(info) }
  func append(_ entry: SignalEntry) { pending.append(entry) }
  func take(_ signal: Int32) -> SignalInfo { pending.take(signal) }
  func drop(_ set: SignalSet) { pending.drop(set) }
  func withdraw(_ entry: SignalEntry) { pending.withdraw(entry) }
  func next(blocked: SignalSet) -> Int32 { pending.next(blocked: blocked) }
  var set: SignalSet { pending.set }
}

@Suite struct PendingSignalsTests {
  private func entry(_ signal: Int32, _ value: UInt64) -> SignalEntry {
    let entry = SignalEntry()
    entry.info = .timer(signal, timer: 0, overrun: 0, value: value)
    return entry
  }

  @Test func standardSignalsCoalesce() {
    let pending = Queue()
    #expect(pending.insert(.user(SIGUSR1, pid: 1, uid: 0)))
    #expect(!pending.insert(.user(SIGUSR1, pid: 2, uid: 0)))
    #expect(pending.next(blocked: .none) == SIGUSR1)
    #expect(pending.take(SIGUSR1).pid == 1)
    #expect(pending.set.isEmpty)
  }

  @Test func realtimeSignalsQueueInOrder() {
    let pending = Queue()
    for i in 1...3 { pending.append(entry(40, UInt64(i))) }
    pending.append(entry(35, 9))
    #expect(pending.next(blocked: .none) == 35)
    #expect(pending.take(35).value == 9)
    for i in 1...3 {
      #expect(pending.next(blocked: .none) == 40)
      #expect(pending.take(40).value == UInt64(i))
    }
    #expect(pending.set.isEmpty)
  }

  @Test func faultsComeFirst() {
    let pending = Queue()
    _ = pending.insert(.kernel(SIGHUP))
    _ = pending.insert(.kernel(SIGSEGV))
    #expect(pending.next(blocked: .none) == SIGSEGV)
    #expect(pending.next(blocked: SignalSet(SIGSEGV)) == SIGHUP)
    #expect(pending.next(blocked: SignalSet(bits: .max)) == 0)
  }

  @Test func aTimersEntryBesideAStandardSignal() {
    let pending = Queue()
    _ = pending.insert(.user(SIGALRM, pid: 1, uid: 0))
    let timer = entry(SIGALRM, 5)
    pending.append(timer)
    #expect(pending.take(SIGALRM).code == SI_USER)
    #expect(pending.set.contains(SIGALRM))
    #expect(pending.take(SIGALRM).value == 5)
    #expect(pending.set.isEmpty && !timer.isQueued)
  }

  @Test func dropAndWithdraw() {
    let pending = Queue()
    let first = entry(40, 1), second = entry(40, 2)
    pending.append(first)
    pending.append(second)
    pending.withdraw(first)
    #expect(!first.isQueued && pending.set.contains(40))
    pending.drop(SignalSet(40))
    #expect(!second.isQueued && pending.set.isEmpty)
    _ = pending.insert(.kernel(SIGTSTP))
    pending.drop(SignalSet(bits: Signal.stops))
    #expect(pending.set.isEmpty)
  }

  @Test func aSignalWithoutRoomHasNoSender() {
    let pending = Queue()
    #expect(pending.insert(.user(50, pid: 4, uid: 4)))
    #expect(pending.take(50).pid == 0)
  }
}

@Suite struct CallRestartTests {
  private func action(_ flags: Int32) -> SignalAction {
    var action = SignalAction()
    action.handler = 0x1000
    action.flags = UInt(UInt32(bitPattern: flags))
    return action
  }

  @Test func withoutHandler() {
    for result in [-512, -513, -514] { #expect(CallRestart.decide(result: result, action: nil) == .again) }
    #expect(CallRestart.decide(result: -516, action: nil) == .block)
    #expect(CallRestart.decide(result: -4, action: nil) == .none)
    #expect(CallRestart.decide(result: nil, action: nil) == .none)
  }
  @Test func withHandler() {
    let plain = action(0), restarting = action(SA_RESTART)
    #expect(CallRestart.decide(result: -512, action: plain) == .interrupted)
    #expect(CallRestart.decide(result: -512, action: restarting) == .again)
    #expect(CallRestart.decide(result: -513, action: plain) == .again)
    #expect(CallRestart.decide(result: -514, action: restarting) == .interrupted)
    #expect(CallRestart.decide(result: -516, action: restarting) == .interrupted)
    #expect(CallRestart.decide(result: 7, action: restarting) == .none)
  }
}

@Suite struct FutexOperationTests {
  private func encode(_ op: UInt32, _ cmp: UInt32, _ argument: UInt32, _ compared: UInt32) -> FutexOperation {
    FutexOperation(op << 28 | cmp << 24 | (argument & 0xfff) << 12 | compared & 0xfff)
  }
  @Test func operations() {
    #expect(encode(0, 0, 5, 0).apply(9) == 5)
    #expect(encode(1, 0, 0xfff, 0).apply(9) == 8)  // adds -1
    #expect(encode(2, 0, 6, 0).apply(9) == 15)
    #expect(encode(3, 0, 1, 0).apply(9) == 8)
    #expect(encode(4, 0, 1, 0).apply(9) == 8)
    #expect(encode(8 | 2, 0, 4, 0).apply(0) == 16)  // 1 << 4
    #expect(encode(5, 0, 0, 0).apply(0) == nil)
  }
  @Test func comparisons() {
    #expect(encode(0, 0, 0, 3).compares(3) == true)
    #expect(encode(0, 1, 0, 3).compares(3) == false)
    #expect(encode(0, 2, 0, 0).compares(.max) == true)  // -1 < 0
    #expect(encode(0, 5, 0, 0xfff).compares(0) == true)  // 0 >= -1
    #expect(encode(0, 9, 0, 0).compares(0) == nil)
  }
}

@Suite struct SignalFrameTests {
  @Test func theFramesLayoutIsLinuxs() {
    #expect(MemoryLayout<MachineSignalFrame.Head>.offset(of: \.flags) == 8)
    #expect(MemoryLayout<MachineSignalFrame.Head>.offset(of: \.stack) == 24)
    #expect(MemoryLayout<MachineSignalFrame.Head>.size == 48 && MachineSignalFrame.context == 48)
    #expect(MemoryLayout<linux_sigcontext_64>.size == 256 && MachineSignalFrame.mask == 48 + 256)
    #expect(MemoryLayout<MachineSignalFrame.Tail>.offset(of: \.info) == 8 && MachineSignalFrame.info == 304 + 8)
    #expect(MemoryLayout<MachineSignalFrame.Tail>.size == 136 && MachineSignalFrame.size == 304 + 136)
    let (frame, vectors) = Thread.place(below: 0x7000_0000_1234)
    #expect(frame % 16 == 8)
    #expect(vectors % 64 == 0)
    #expect(frame + 440 <= vectors)
  }
}

@Suite struct AlternateStackTests {
  private var stack: AlternateStack {
    var stack = AlternateStack()
    stack.base = 0x10000
    stack.size = 0x2000
    stack.flags = 0
    return stack
  }
  @Test func bounds() {
    #expect(!stack.contains(0x10000))
    #expect(stack.contains(0x10001))
    #expect(stack.contains(0x12000))
    #expect(!stack.contains(0x12001))
  }
  @Test func rules() {
    let signals = TaskSignals()
    #expect(signals.alternateStackReport(sp: 0).flags == SS_DISABLE)
    #expect(
      signals.setAlternateStack(SignalStack(base: 0x10000, flags: 0, size: 100), sp: 0, minimum: 2048) == .noMemory)
    #expect(signals.setAlternateStack(SignalStack(base: 0x10000, flags: 4, size: 8192), sp: 0) == .invalid)
    #expect(signals.setAlternateStack(SignalStack(base: 0x10000, flags: 0, size: 8192), sp: 0, minimum: 2048) == nil)
    #expect(signals.alternateStackReport(sp: 0x10100).flags == SS_ONSTACK)
    #expect(signals.setAlternateStack(SignalStack(base: 0, flags: SS_DISABLE, size: 0), sp: 0x10100) == .notPermitted)
    #expect(signals.setAlternateStack(SignalStack(base: 0, flags: SS_DISABLE, size: 0), sp: 0) == nil)
    #expect(!signals.alternateStack.isEnabled)
  }
}

@Suite struct TimeSpecTests {
  @Test func checks() throws {
    #expect(try TimeSpec(seconds: 1, nanoseconds: 5).checked() == 1_000_000_005)
    #expect(try TimeSpec(seconds: .max, nanoseconds: 0).checked() == .max)
    #expect((try? TimeSpec(seconds: -1, nanoseconds: 0).checked()) == nil)
    #expect((try? TimeSpec(seconds: 0, nanoseconds: 1_000_000_000).checked()) == nil)
    #expect(TimeSpec(1_500_000_000) == TimeSpec(seconds: 1, nanoseconds: 500_000_000))
    #expect(try TimeValue(seconds: 2, microseconds: 3).checked() == 2_000_003_000)
  }
}
