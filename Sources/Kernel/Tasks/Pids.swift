import CLinux
import Machine
import Synchronization

/// Numbers of tasks, processes, groups and sessions: pid(7) in one table, as on Linux. A number is taken while anything
/// bears it; numbers are given out in a circle.
public final class Pids {
  /// One above the largest number: /proc/sys/kernel/pid_max.
  public static var maximum: Int { 32768 }
  /// Where the circle begins anew.
  static var reserved: Int { 300 }
  private static var chunkSize: Int { 256 }

  /// Who bears a number. None is owned: each leaves the table before it dies. A process stands for its leader too, so
  /// that a process that ends need not touch the table: who reaps it does.
  struct Bearers {
    var thread: Borrowed<Task>?
    var process: Borrowed<Process>?
    var group: Borrowed<ProcessGroup>?
    var session: Borrowed<Session>?
    var isEmpty: Bool { thread == nil && process == nil && group == nil && session == nil }
    init() {
      thread = nil
      process = nil
      group = nil
      session = nil
    }
  }
  private final class Chunk {
    var bearers: InlineArray<256, Bearers> = InlineArray(repeating: Bearers())
  }
  private struct State: ~Copyable {
    var used = [UInt64](repeating: 0, count: 512)  // no array inline: it would lie on the stack first
    var chunks = ReferenceTable<Chunk>(capacity: Pids.maximum / Pids.chunkSize)
    var last = 0
    init() { used[0] = 1 }  // 0 is nobody's
  }
  private let state: SpinLock<State>
  private let tasks = Atomic<Int>(0)

  public init() { state = SpinLock(State(), rank: .leaf) }

  // MARK: numbers

  /// A number that nobody bears. Errors: EAGAIN where all are taken.
  func allocate() throws(Errno) -> Int {
    let found = state.withLock { (state) -> Int? in
      guard let id = Self.nextFree(&state) else { return nil }
      state.used[id >> 6] |= 1 &<< UInt64(id & 63)
      state.last = id
      if state.chunks[id / Self.chunkSize] == nil { _ = state.chunks.exchange(id / Self.chunkSize, Chunk()) }
      return id
    }
    guard let found else { throw .wouldBlock }
    return found
  }

  /// The first free number after the last one given out, words at a time.
  private static func nextFree(_ state: inout State) -> Int? {
    var at = state.last + 1
    if at >= maximum { at = reserved }
    var word = at >> 6
    var free = ~state.used[word] & (UInt64.max &<< UInt64(at & 63))
    for _ in 0...512 {
      if free != 0 {
        let id = word << 6 + free.trailingZeroBitCount
        // The word where the circle begins anew has numbers below it.
        if id >= reserved || id > state.last { return id }
        free &= free &- 1
        continue
      }
      word += 1
      if word == 512 {
        word = reserved >> 6
        free = ~state.used[word] & (UInt64.max &<< UInt64(reserved & 63))
      } else {
        free = ~state.used[word]
      }
    }
    return nil
  }

  /// Gives back a number that was allocated and never borne.
  func free(_ id: Int) { change(id) { _ in } }

  private func change(_ id: Int, _ body: (inout Bearers) -> Void) {
    state.withLock { state in
      guard let chunk = state.chunks[id / Self.chunkSize] else { return }
      chunk.with { chunk in
        body(&chunk.bearers[id % Self.chunkSize])
        if chunk.bearers[id % Self.chunkSize].isEmpty { state.used[id >> 6] &= ~(1 &<< UInt64(id & 63)) }
      }
    }
  }

  /// A thread that is not its process's leader.
  func set(thread: Task?, _ id: Int) { change(id) { $0.thread = thread.map { Borrowed($0) } } }
  func set(process: Process?, _ id: Int) { change(id) { $0.process = process.map { Borrowed($0) } } }
  func set(group: ProcessGroup?, _ id: Int) { change(id) { $0.group = group.map { Borrowed($0) } } }
  func set(session: Session?, _ id: Int) { change(id) { $0.session = session.map { Borrowed($0) } } }

  // MARK: look-up

  private func bearers<R>(_ id: Int, _ body: (Bearers) -> R?) -> R? {
    guard id > 0, id < Self.maximum else { return nil }
    return state.withLock { state in
      guard let chunk = state.chunks[id / Self.chunkSize] else { return nil }
      return chunk.with { body($0.bearers[id % Self.chunkSize]) }
    }
  }
  /// The living thread `id`. Takes the lock of the process that it leads.
  public func task(_ id: Int) -> Task? { bearers(id) { $0.thread?.object } ?? process(id)?.leader }
  /// The process `id`, living or a zombie.
  public func process(_ id: Int) -> Process? { bearers(id) { $0.process?.object } }
  public func group(_ id: Int) -> ProcessGroup? { bearers(id) { $0.group?.object } }
  public func session(_ id: Int) -> Session? { bearers(id) { $0.session?.object } }

  /// The process with the lowest number from `id` on: how all of them are walked, with no lock held in between.
  public func nextProcess(from id: Int) -> Process? {
    var at = max(id, 1)
    while at < Self.maximum {
      let (found, next) = state.withLock { state -> (Process?, Int) in
        var word = at >> 6
        var used = state.used[word] & (UInt64.max &<< UInt64(at & 63))
        while true {
          while used != 0 {
            let id = word << 6 + used.trailingZeroBitCount
            used &= used &- 1
            let process = state.chunks[id / Self.chunkSize]?.with { $0.bearers[id % Self.chunkSize].process?.object }
            if let process { return (process, id) }
          }
          word += 1
          if word == 512 { return (nil, Self.maximum) }
          used = state.used[word]
        }
      }
      if found != nil { return found }
      at = next
    }
    return nil
  }
  /// Living threads, for sysinfo(2) and /proc/loadavg.
  public var taskCount: Int { tasks.load(ordering: .relaxed) }
  func countTask(_ change: Int) { tasks.add(change, ordering: .relaxed) }
  /// The number given out last, for /proc/loadavg.
  public var lastNumber: Int { state.withLock { $0.last } }
}

/// Set at boot.
public let pids = KernelGlobal<Pids>()

/// Finding processes and tasks by number. What is returned is owned, so it may exit meanwhile but not vanish.
public enum Processes {
  public static func find(_ id: Int) -> Process? { pids.with { $0.process(id) } }
  public static func findTask(_ id: Int) -> Task? { pids.with { $0.task(id) } }
  public static func findGroup(_ id: Int) -> ProcessGroup? { pids.with { $0.group(id) } }
  public static func findSession(_ id: Int) -> Session? { pids.with { $0.session(id) } }
  /// Walks all: `var at = Processes.next(from: 1)`, then from the last one's number plus one.
  public static func next(from id: Int) -> Process? { pids.with { $0.nextProcess(from: id) } }
}
