import CLinux
import Machine
import Synchronization

/// What guards an address space's mappings.
struct AddressSpaceState: ~Copyable {
  var areas = AreaMap()
  /// The heap of brk(2): where it begins and ends.
  var breakStart: UInt = 0, breakEnd: UInt = 0
  /// Below it, downwards, go the mappings that say no address.
  var mapTop: UInt = 0x7fff_0000_0000
  /// mlockall(MCL_FUTURE) and MCL_ONFAULT: flags of mappings to come.
  var futureFlags: AreaFlags = []
  /// Linux's total_vm at its highest, in pages.
  var peak = 0
  /// It was left by its last task: what others still refer to is an empty shell, whose host space may serve another.
  var isGone = false
}

/// A guest address space (Linux's mm_struct): the areas and the host process whose memory they are. Tasks share it by
/// CLONE_VM; every exec makes a new one, whose host process may be the old one's.
///
/// Its lock is a sleeping one, held over host calls and over the host's fork. It is not held over user copies, since a
/// fault takes it.
public final class AddressSpace {
  /// The host process. In `mmu=none` all address spaces have the same.
  public internal(set) final var host: HostSpace
  let state = Mutex(AddressSpaceState(), rank: .addressSpace)
  /// Tasks in it. At zero it is torn down.
  let users = Atomic<Int>(1)

  // Set by exec before the program runs; the ranges are what prctl(PR_SET_MM) could change.
  /// Code, data and the initial stack pointer: /proc/PID/stat.
  public final var codeRange: Range<UInt> = 0..<0
  public final var dataRange: Range<UInt> = 0..<0
  public final var stackStart: UInt = 0
  /// Where the strings of the command line and of the environment lie: /proc/PID/cmdline, environ.
  public final var commandLine: Range<UInt> = 0..<0
  public final var environment: Range<UInt> = 0..<0
  /// Where exec put the program; nil in a copy that fork(2) made, which ends as soon as it is of no use.
  var layout: ProgramLayout?
  /// While exec maps the program: what is mapped already, from an earlier run.
  var kept: KeptText?
  /// The program's file, which nobody may write to meanwhile. Under the lock.
  private var program = OwnedOptional<RunningFile>()
  /// /proc/PID/auxv: pairs of words, AT_NULL included.
  public final var auxiliary: [UInt] = []
  /// How much of it is present.
  let residency = Residency()
  /// How system calls of its program are caught.
  let hook: Hook
  /// Where that is by page 0.
  let pageZeroCalls = OnceReference<PageZeroCalls>()
  /// membarrier(2)'s registrations.
  public let barriers = Atomic<UInt32>(0)

  public init(host: HostSpace, hook: Hook) {
    self.host = host
    self.hook = hook
  }

  public var space: HostSpace { host }

  // MARK: users

  /// Whether the calling task has it to itself.
  public var isPrivate: Bool { users.load(ordering: .acquiring) == 1 }
  public var userCount: Int { users.load(ordering: .relaxed) }

  /// One more task uses it (CLONE_VM).
  public func join() { users.add(1, ordering: .relaxed) }

  /// A task leaves it: exit(2), or exec with others in it. The last one tears it down: its files close, its mappings leave
  /// their lists. The task, which runs in it, keeps a reference until it has moved on. Returns whether it was the last.
  /// `keepsText`: `kept` says afterwards what may stay mapped in the host process.
  @discardableResult public func leave(keepsText: Bool = false) -> Bool {
    guard users.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return false }
    tearDown(unmap: !hasAddressSpaces, keepsText: keepsText)
    return true
  }

  /// Empties it. `unmap`: the host space goes on serving others, so what was mapped must leave it.
  func tearDown(unmap: Bool, keepsText: Bool = false) {
    var shared: KeptText?
    _ = try? withState { (state) throws(Errno) in
      state.isGone = true
      let unused = kept  // of an exec that came to nothing
      if keepsText { kept = textToKeep(&state) }
      defer { state.areas.clear() }
      forgetResidency()
      guard unmap && !host.wasKilled else { return }
      let text = keepsText ? kept : nil
      try unmapInHost(&state, 0, AddressLayout.end, keeping: text?.ranges ?? KeptRanges())
      unused?.drop()
      if let text, text.holdPlaces() { shared = text }
    }
    if let shared { keptTexts.with { $0.add(shared) } }
    setProgram(nil)
  }

  /// The program's file: /proc/PID/exe. Nil once it is gone.
  public var executable: File? { state.withLock { _ in program.borrowed?.with { $0.file } } }
  /// What it runs, which fork(2) shares.
  var runningFile: RunningFile? { state.withLock { _ in program.borrowed?.object } }
  func setProgram(_ new: RunningFile?) {
    let old = runningFile
    state.withLock { _ in program.replace(new) }
    _ = consume old  // its file may close here
  }

  // MARK: the lock

  /// `withState` for changes of the memory that the calling thread runs in. Errors: EFAULT where its host process was killed
  /// while it slept, and what `body` throws.
  func withMemory<R>(_ body: (inout AddressSpaceState) throws(Errno) -> R) throws(Errno) -> R {
    try withState { (state) throws(Errno) -> R in
      guard Thread.withCurrent({ $0.space === host }) else { throw .fault }
      return try body(&state)
    }
  }

  /// Runs `body` with the lock held; files that lost their last area close after it is released.
  func withState<R>(_ body: (inout AddressSpaceState) throws(Errno) -> R) throws(Errno) -> R {
    // No `defer` here that consumes: the compiler lets what it took leak.
    var dropped: FileMapping?
    var failure: Errno?
    var result: R?
    if !hasAddressSpaces { sharedLayout.with { $0.lock.lock() } }
    state.withLock { state in
      do throws(Errno) { result = try body(&state) } catch { failure = error }
      dropped = state.areas.dropped.take()
    }
    if !hasAddressSpaces { sharedLayout.with { $0.lock.unlock() } }
    DroppedMappings.release(dropped)
    if let failure { throw failure }
    guard let result else { throw .fault }  // it is there where nothing failed
    return result
  }
}
