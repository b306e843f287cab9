import CLinux
import Machine
import Synchronization

/// What a task sleeps in poll(2) and select(2) with: an entry on each queue that its files named. It registers first, then
/// looks, then sleeps unless one of the entries was woken since, so no wake-up is lost.
///
/// Each task keeps one, with the entries of its last calls, so that a poll of a few descriptors allocates nothing.
public final class Poller: PollTable {
  fileprivate let thread: Borrowed<Task>  // whose poller it is: the task owns it
  fileprivate let isTriggered = Atomic<Bool>(false)
  private var entries: [PollEntry] = []
  private var used = 0
  private var file: Borrowed<File>?  // whose queues are being registered; the caller has it
  private var wanted: UInt32 = 0
  /// Room for descriptor sets and pollfds of the common sizes.
  let scratch: KernelBuffer
  /// References whose drop had to wait until no epoll's lock is held.
  private var postponed: [File] = []

  private static var keptEntries: Int { 32 }

  fileprivate init(_ task: Task) throws(Errno) {
    thread = Borrowed(task)
    scratch = try KernelBuffer(count: 1024)
  }

  /// `file.poll`, registering where `registers`; only `wanted` wakes.
  func poll(_ file: File, wanted: UInt32, registers: Bool) -> PollEvents {
    if !registers { return file.poll(nil) }
    self.file = Borrowed(file)
    self.wanted = wanted
    return file.poll(self)
  }

  public override func register(_ queue: WaitQueue) {
    if used == entries.count { entries.append(PollEntry(self)) }
    let entry = entries[used]
    used += 1
    if let file { entry.prepare(queue, file, wanted) }
    queue.add(entry)
  }

  /// Sleeps until a queue spoke since the last `rearm`. Returns whether it is worth to go on: false past the deadline.
  /// Errors: `.interrupted`.
  func sleep(until deadline: Deadline) throws(Errno) {
    try thread.with { (thread) throws(Errno) in
      thread.prepareToSleep(.interruptible)
      defer { thread.stopWaiting() }
      if isTriggered.load(ordering: .sequentiallyConsistent) { return }
      if thread.mustStopWaiting(.interruptible) { throw .interrupted }
      Scheduler.sleep(until: deadline)
    }
  }
  /// Before the files are looked at again.
  func rearm() { isTriggered.store(false, ordering: .sequentiallyConsistent) }

  /// Leaves all queues and drops the files.
  func reset() {
    for i in 0..<used { entries[i].leave() }
    used = 0
    file = nil
    if entries.count > Self.keptEntries { entries.removeLast(entries.count - Self.keptEntries) }
  }

  func postpone(_ file: File) { postponed.append(file) }
  /// Drops what was postponed. Called with no lock held.
  func dropPostponed() {
    while let file = postponed.popLast() { _ = file }
  }
}

final class PollEntry: WaitEntry {
  private let poller: Borrowed<Poller>  // owns this
  private var queue: Borrowed<WaitQueue>?  // kept by `file`
  private var file = OwnedOptional<File>()
  private var wanted: UInt32 = 0

  init(_ poller: Poller) { self.poller = Borrowed(poller) }

  func prepare(_ queue: WaitQueue, _ file: Borrowed<File>, _ wanted: UInt32) {
    self.queue = Borrowed(queue)
    self.file.replace(file.object)
    self.wanted = wanted
  }
  func leave() {
    queue?.with { $0.remove(self) }
    queue = nil
    file.replace(nil)
  }
  override func wake(_ events: UInt32) -> Bool {
    if events != 0 && events & wanted == 0 { return false }
    return poller.with { poller in
      poller.isTriggered.store(true, ordering: .sequentiallyConsistent)
      return poller.thread.with { Scheduler.wake($0) }
    }
  }
}

extension Task {
  /// The task's own poller. Errors: ENOMEM.
  func withPoller<R>(_ body: (Poller) throws(Errno) -> R) throws(Errno) -> R {
    if let poller = poller.borrowed { return try poller.with(body) }
    return try poller.set(Poller(self)).with(body)
  }
}
