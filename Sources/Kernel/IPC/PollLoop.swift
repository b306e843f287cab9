import CLinux
import Machine

/// When a poll, select or epoll_wait gives up.
struct PollTimeout {
  let deadline: Deadline
  /// It does not wait at all.
  let isImmediate: Bool

  static var never: PollTimeout { PollTimeout(deadline: .never, isImmediate: false) }
  init(deadline: Deadline, isImmediate: Bool = false) {
    self.deadline = deadline
    self.isImmediate = isImmediate
  }
  /// So much from now on; with nothing to wait for nobody asks the time.
  private init(nanoseconds: UInt64) {
    isImmediate = nanoseconds == 0
    deadline = isImmediate ? Deadline(nanoseconds: 0) : nanoseconds == .max ? .never : .after(nanoseconds: nanoseconds)
  }
  /// poll(2)'s: negative is for ever.
  init(milliseconds: Int32) {
    if milliseconds < 0 {
      self = .never
    } else {
      self.init(nanoseconds: UInt64(milliseconds) &* 1_000_000)
    }
  }
  /// Errors: EINVAL for what is no time.
  init(seconds: Int, nanoseconds: Int) throws(Errno) {
    guard seconds >= 0, nanoseconds >= 0, nanoseconds < 1_000_000_000 else { throw .invalid }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflow2) = product.addingReportingOverflow(UInt64(nanoseconds))
    self.init(nanoseconds: overflow || overflow2 ? .max : sum)
  }
  /// What is left of it, in nanoseconds.
  var remaining: UInt64 {
    if deadline.isNever { return .max }
    let now = Clock.monotonic()
    return deadline.nanoseconds > now ? deadline.nanoseconds - now : 0
  }
}

/// The loop of poll(2) and select(2): `scan` looks at all files and returns how many are ready; where it is told to, it
/// registers with `poller`. Returns 0 at the timeout. Errors: `.interrupted`, and what `scan` throws.
func waitForFiles(
  _ poller: Poller, _ timeout: PollTimeout, _ scan: (Bool) throws(Errno) -> Int
) throws(Errno) -> Int {
  defer { poller.dropPostponed() }
  var count = try scan(false)
  if count > 0 || timeout.isImmediate { return count }
  poller.rearm()
  defer { poller.reset() }
  count = try scan(true)
  while count == 0 {
    if timeout.deadline.hasPassed { return 0 }
    try poller.sleep(until: timeout.deadline)
    poller.rearm()
    count = try scan(false)
  }
  return count
}

/// The pollfds of a poll(2), in kernel memory.
struct PollList {
  let bytes: KernelBytes  // `count` times struct pollfd; its buffer outlives this
  let count: Int
  static var stride: Int { 8 }

  /// Looks at all and notes what came of it. Returns how many are ready.
  func scan(_ task: Task, _ poller: Poller, _ registers: Bool) -> Int {
    var ready = 0
    let always = PollEvents.error.union(.hangUp).rawValue
    for i in 0..<count {
      let descriptor = bytes.load(i &* Self.stride, as: Int32.self)
      var result: UInt32 = 0
      if descriptor >= 0 {
        let wanted = UInt32(bytes.load(i &* Self.stride &+ 4, as: UInt16.self)) | always
        do throws(Errno) {
          result = try task.withFile(descriptor) { (file) throws(Errno) -> UInt32 in
            poller.poll(file, wanted: wanted, registers: registers && ready == 0).rawValue & wanted
          }
        } catch {
          result = PollEvents.invalid.rawValue
        }
      }
      bytes.store(UInt16(truncatingIfNeeded: result), at: i &* Self.stride &+ 6)
      if result != 0 { ready &+= 1 }
    }
    return ready
  }
}

/// The six descriptor sets of a select(2), in kernel memory: three to look at, three for what is ready.
struct SelectSets {
  let bytes: KernelBytes  // six times `size`; its buffer outlives this
  let descriptors: Int
  /// Bytes of a set: whole words of 64 bits.
  static func size(_ descriptors: Int) -> Int { (descriptors &+ 63) &>> 6 &* 8 }
  var size: Int { Self.size(descriptors) }

  static var readEvents: UInt32 { 0x1 | 0x8 | 0x10 | 0x40 | 0x80 }  // IN, ERR, HUP, RDNORM, RDBAND
  static var writeEvents: UInt32 { 0x4 | 0x8 | 0x100 | 0x200 }  // OUT, ERR, WRNORM, WRBAND
  static var exceptEvents: UInt32 { 0x2 }  // PRI

  @inline(__always) private func word(_ set: Int, _ at: Int) -> UInt64 {
    bytes.load(set &* size &+ at &* 8, as: UInt64.self)
  }
  private func store(_ value: UInt64, _ set: Int, _ at: Int) { bytes.store(value, at: set &* size &+ at &* 8) }

  /// Looks at all descriptors in the sets and writes the result sets. Returns the bits set in these. Errors: EBADF.
  func scan(_ task: Task, _ poller: Poller, _ registers: Bool) throws(Errno) -> Int {
    var ready = 0
    for at in 0..<size &>> 3 {
      let read = word(0, at), write = word(1, at), except = word(2, at)
      var all = read | write | except
      if at == (size &>> 3) &- 1 && descriptors & 63 != 0 { all &= (1 &<< UInt64(descriptors & 63)) &- 1 }
      let always = task.files.borrowed?.with { $0.alwaysReady(all, from: at &<< 6) } ?? 0
      var readResult = read & always, writeResult = write & always, exceptResult: UInt64 = 0
      all &= ~always
      while all != 0 {
        let bit = all & (0 &- all)
        let descriptor = Int32(truncatingIfNeeded: at &<< 6 &+ all.trailingZeroBitCount)
        all ^= bit
        var wanted: UInt32 = 0
        if read & bit != 0 { wanted |= Self.readEvents }
        if write & bit != 0 { wanted |= Self.writeEvents }
        if except & bit != 0 { wanted |= Self.exceptEvents }
        let isFirst = ready == 0 && readResult | writeResult | exceptResult == 0
        let events = try task.withFile(descriptor) { (file) throws(Errno) -> UInt32 in
          poller.poll(file, wanted: wanted, registers: registers && isFirst).rawValue
        }
        if events & Self.readEvents != 0 { readResult |= read & bit }
        if events & Self.writeEvents != 0 { writeResult |= write & bit }
        if events & Self.exceptEvents != 0 { exceptResult |= except & bit }
      }
      ready &+= readResult.nonzeroBitCount &+ writeResult.nonzeroBitCount &+ exceptResult.nonzeroBitCount
      store(readResult, 3, at)
      store(writeResult, 4, at)
      store(exceptResult, 5, at)
    }
    return ready
  }
}
