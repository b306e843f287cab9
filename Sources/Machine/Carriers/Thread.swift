import CMachine
import Synchronization

/// The state that the scheduler keeps of a thread.
public enum ThreadState: UInt32, Sendable {
  case running = 0  // on a vCPU or on a run queue
  case interruptible = 1
  case killable = 2
  case uninterruptible = 3
  case dead = 4
  case stopped = 5  // job control or a tracer: only an explicit wake ends it
}

/// What the machine needs of a task: a kernel stack, the saved context, its place in the scheduler. The kernel's `Task`
/// is its subclass.
open class Thread: Listed {
  public final var link = Link<Thread>()  // run queue; under the scheduler's lock
  let stack: KernelStack
  /// What it lies in itself, if it was made so.
  private final let arena: UnsafeMutablePointer<machine_arena>?
  final var savedStack: UInt64 = 0  // while it does not run: under the scheduler's lock
  public final var threadPointer: UInt64 = 0  // FS base, while it does not run
  private final let ownedVectors: OwnedOptional<VectorState>
  /// Nil for threads that never see the guest.
  @inline(__always) final var vectors: Borrowed<VectorState>? { ownedVectors.borrowed }
  let stateWord = Atomic<UInt32>(0)
  /// Bits of `Interruption`: why a sleep should end or the way out to the guest be left.
  let interruption = Atomic<UInt32>(0)
  final var onProcessor = false  // a vCPU's current: under the scheduler's lock
  final var processor: Int = 0  // the vCPU it last ran on, or is queued on
  /// The address space that it runs in: root's for kernel threads and for tasks whose own is gone. Changed by the thread
  /// itself or under the scheduler's lock while it does not run.
  public internal(set) final var space: HostSpace
  final var spaceNext: Borrowed<Thread>?  // the space's list; under the scheduler's lock
  final var spacePrevious: Borrowed<Thread>?
  public final let waitEntry = ThreadWaitEntry()
  final let mutexEntry = ThreadWaitEntry()
  /// Sleeping locks that it holds or is about to.
  final var mutexCount = 0
  final let sleepTimer: SleepTimer
  /// Host CPU time, in nanoseconds, up to the last switch away.
  public final var runtime: UInt64 = 0
  final var switchedIn: UInt64 = 0
  /// Voluntary and involuntary switches, for getrusage(2).
  public final var voluntarySwitches = 0, involuntarySwitches = 0
  /// -20…19; the scheduler's weight.
  public final var nice = 0
  /// vCPUs that it may run on.
  public final var affinity: UInt64 = .max
  #if CHECKED
  final var heldMutexes = HeldMutexes()
  #endif
  /// The second of `MemorySampling` in which it looked last, or was made.
  final var sampledSecond = MemorySampling.second
  /// The last fault, for the fault path: what the host said.
  public final var fault = FaultInformation()

  public init(space: HostSpace, isGuest: Bool) throws(Errno) {
    self.space = space
    unsafe arena = arch_vcpu().pointee.arena
    stack = try KernelStack()
    ownedVectors = OwnedOptional(isGuest ? try VectorState() : nil)
    sleepTimer = SleepTimer()
    waitEntry.thread = Borrowed(self)  // the thread owns the three
    mutexEntry.thread = Borrowed(self)
    sleepTimer.thread = Borrowed(self)
  }

  /// What a new kernel thread runs, on its own stack. For guest threads: the last steps in the kernel before the first
  /// return to the guest.
  open func begin() {}
  /// A page fault of guest code or of a copy at `address`. Returns whether the access may be tried again. May sleep.
  open func resolveFault(at address: UInt, isWrite: Bool, isExecute: Bool) -> Bool { false }
  /// The way out of the kernel while something is pending: signals, stops, death. May not return (`exit`).
  open func handlePending() {}
  /// Once a second, on the way out of the kernel: how much memory does it use? May sleep.
  open func sampleMemory() {}
  /// A system call's instruction at `site` has trapped: before the call itself. May sleep.
  open func systemCallTrapped(at site: UInt) {}
  /// Whether a system call's site that returns to `next` is patched to call through page 0. May sleep.
  open func isPageZeroCall(returningTo next: UInt) -> Bool { false }
  /// A fault of guest code, described by `fault`, that `resolveFault` refused or that is none of a page.
  open func guestFault() {}
  /// An oops ended what this thread did: it must die now, on its own stack from the top. Does not return.
  open func dieOfOops() {}

  /// Runs `body` with the arena open in which the thread lies, if it lies in one. Nobody else does so meanwhile: the thread
  /// is the caller or has not started.
  public final func withArena<R: ~Copyable, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    try unsafe Arena.use(arena, body)
  }

  // MARK: the current thread

  /// Runs `body` on the thread that runs this. After a sleep it is still the same thread, though on another carrier.
  @inline(__always)
  public static func withCurrent<R: ~Copyable, E: Error>(_ body: (Thread) throws(E) -> R) throws(E) -> R {
    // SAFETY: a vCPU's current thread is kept alive by the scheduler until it has switched away for good.
    unsafe try Borrowed<Thread>(bits: arch_current().unsafelyUnwrapped).with(body)
  }
  public static var current: Borrowed<Thread> { unsafe Borrowed<Thread>(bits: arch_current().unsafelyUnwrapped) }

  // MARK: sleeping; WaitQueue has the protocol

  @inline(__always) public final func prepareToSleep(_ mode: WaitMode) {
    let state: ThreadState =
      switch mode {
      case .interruptible: .interruptible
      case .killable: .killable
      case .uninterruptible: .uninterruptible
      }
    _ = stateWord.exchange(state.rawValue, ordering: .sequentiallyConsistent)
  }
  @inline(__always) public final func stopWaiting() {
    if stateWord.load(ordering: .relaxed) == ThreadState.running.rawValue { return }  // its waker has done it
    stateWord.store(ThreadState.running.rawValue, ordering: .sequentiallyConsistent)
  }
  public final var state: ThreadState { ThreadState(rawValue: stateWord.load(ordering: .acquiring)) ?? .running }

  /// Whether a wait in `mode` must end now.
  @inline(__always) public final func mustStopWaiting(_ mode: WaitMode) -> Bool {
    let bits = interruption.load(ordering: .acquiring)
    return switch mode {
    case .interruptible: bits & (Interruption.signal | Interruption.kill) != 0
    case .killable: bits & Interruption.kill != 0
    case .uninterruptible: false
    }
  }

  // MARK: interruption

  /// Sets bits of `Interruption` and makes the thread notice: a sleeper whose mode allows it wakes, one that runs guest
  /// code on another vCPU is kicked out of it.
  public final func interrupt(_ bits: UInt32) {
    interruption.bitwiseOr(bits, ordering: .sequentiallyConsistent)
    if unsafe arch_current() == Borrowed<Thread>(self).bits && state == .running {
      // It runs this, and looks on its way out.
      unsafe arch_or32(
        UnsafeMutableRawPointer(arch_vcpu()).assumingMemoryBound(to: UInt32.self), UInt32(MACHINE_PENDING_SELF))
    } else {
      Scheduler.notice(self)
    }
  }
  public final func clearInterruption(_ bits: UInt32) {
    interruption.bitwiseAnd(~bits, ordering: .sequentiallyConsistent)
  }
  @inline(__always) public final func isInterrupted(_ bits: UInt32) -> Bool {
    interruption.load(ordering: .acquiring) & bits != 0
  }
}

/// Why a thread should leave what it does.
public enum Interruption {
  public static var signal: UInt32 { 1 }  // an unblocked signal is pending
  public static var kill: UInt32 { 2 }  // it must die
  public static var work: UInt32 { 4 }  // something else on the way out: a stop, a trace, a restored mask
  public static var lostSpace: UInt32 { 8 }  // its host process was killed: it runs on root's carrier, to die
}

/// A fault as the host described it, in the terms of siginfo_t.
public struct FaultInformation: Sendable {
  public var signal: Int32 = 0
  public var code: Int32 = 0
  public var address: UInt = 0
  public var errorCode: UInt = 0
  public var trap: UInt = 0
  public init(signal: Int32 = 0, code: Int32 = 0, trap: UInt = 0) {
    self.signal = signal
    self.code = code
    self.trap = trap
  }
  public var isWrite: Bool { errorCode & 2 != 0 }
  public var isExecute: Bool { errorCode & 16 != 0 }
}

/// 32 KiB with a canary at the foot, checked on the way out in the checked kernel.
struct KernelStack: ~Copyable {
  static var size: UInt { 32768 }
  let base: UnsafeMutableRawPointer
  init() throws(Errno) {
    guard let memory = unsafe Arena.allocateStack() ?? slabAllocate(Self.size, 16) else { throw .noMemory }
    unsafe base = memory
    unsafe base.storeBytes(of: Self.canary, as: UInt64.self)
  }
  deinit { unsafe slabFree(base) }
  static var canary: UInt64 { 0x6d61_7274_6c65_7421 }
  var top: UInt64 { UInt64(UInt(bitPattern: base)) &+ UInt64(Self.size) }
  var isIntact: Bool { unsafe base.load(as: UInt64.self) == Self.canary }
  var frame: UnsafeMutablePointer<machine_frame> {
    unsafe UnsafeMutablePointer(bitPattern: UInt(top) &- UInt(MACHINE_FRAME_SIZE)).unsafelyUnwrapped
  }
}

/// Wakes a thread whose wait has a deadline.
final class SleepTimer: Timer {
  final var thread: Borrowed<Thread>!  // whose timer it is: the thread owns it
  override func fire() { _ = thread.with { Scheduler.wake($0) } }
}

extension Thread {
  /// `withCurrent` for code that runs only on threads of a subclass: system calls, and what they call.
  @inline(__always)
  public static func withCurrentSubclass<T: Thread, R: ~Copyable, E: Error>(
    of type: T.Type, _ body: (T) throws(E) -> R
  ) throws(E) -> R {
    #if CHECKED
    withCurrent { if ($0 as? T) == nil { unsafe panic("this thread is no task") } }
    #endif
    // SAFETY: the caller's promise; checked in the checked kernel.
    return unsafe try Borrowed<T>(bits: arch_current().unsafelyUnwrapped).with(body)
  }
}
