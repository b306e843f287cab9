/// What is known of the instructions around a site. None of it is a guess:
///
/// - Forward: from the site, an instruction, those that control can go on to, directly or by branches seen on the way.
///   Bytes behind an unconditional transfer that no such branch leads to may be data.
/// - Backward: an instruction has at most 15 bytes, so of any 16 places in a row in code one is where an instruction
///   begins. Decoding from each of 16 places a way before the site meets every place where one *may* begin; the readings
///   soon fall together. Where all are one, an instruction does begin; and if of all that were met only one ends at the
///   site, it is the one that stands before it.
///
/// Branches are looked for everywhere, in what may be data too: one too many does no harm.
struct CodeFlow {
  /// Where branches lead, those that may be none included.
  private(set) var targets: OffsetSet
  /// The one instruction that control can come to the site from in a straight line.
  private(set) var predecessor: (offset: Int, instruction: Instruction)?
  /// The one that control can come to that from in a straight line.
  private(set) var earlier: (offset: Int, instruction: Instruction)?
  /// The offset of five free bytes of padding that a short jump can reach.
  private(set) var padding: Int?

  static let jumpLength = 5
  private static let siteLength = 2, shortReach = 127

  init(_ window: borrowing CodeWindow, site: Int) {
    targets = OffsetSet(around: site)
    // Where control stops for good.
    var ends = OffsetSet(around: site)
    lookBack(window, site, &ends)
    lookAhead(window, site, &ends)
    let next = site &+ Self.siteLength
    findPadding(window, next, ends)
  }

  /// What is known where a whole function is, at the start of `window`.
  @inline(never)  // as in the planner
  init(_ window: borrowing CodeWindow, _ function: borrowing FunctionReading, _ site: FunctionReading.Site) {
    let (targets, ends) = function.surroundings(of: site.offset)
    self.targets = targets
    predecessor = site.predecessor
    findPadding(window, site.offset &+ Self.siteLength, ends)
  }

  private mutating func findPadding(_ window: borrowing CodeWindow, _ next: Int, _ ends: OffsetSet) {
    // Behind the site first: that is the more certain.
    padding = freePadding(window, next, ends, from: next)
    if padding == nil { padding = freePadding(window, next, ends, from: next &- Self.shortReach &- 16) }
  }

  private mutating func lookBack(_ window: borrowing CodeWindow, _ site: Int, _ ends: inout OffsetSet) {
    // Bit n: an instruction may begin n bytes from here.
    var starts: UInt32 = 0
    var found = 0
    // What ends at each of the last places, by the place.
    var endings = InlineArray<32, Ending>(repeating: Ending())
    for offset in max(0, site &- CodeWindow.reach)..<site {
      // At first, or when every reading was none: anything may begin here.
      if starts == 0 { starts = 0xffff }
      if starts & 1 != 0, let instruction = window.instruction(offset) {
        let end = offset &+ instruction.length
        if instruction.isRelative { targets.insert(end &+ instruction.distance) }
        if instruction.endsBlock {
          if starts == 1 { ends.insert(end) }
        } else if end == site {
          found &+= 1
          predecessor = (offset, instruction)
        } else {
          endings[end & 31].note(offset, end: end)
        }
        starts |= 1 &<< UInt32(instruction.length)
      }
      starts >>= 1
    }
    if found != 1 { predecessor = nil }
    guard let last = predecessor?.offset, let start = endings[last & 31].start(end: last) else { return }
    earlier = window.instruction(start).map { (start, $0) }
  }
  /// The instructions that end at a place.
  private struct Ending {
    var end = -1, last = 0, count = 0
    mutating func note(_ start: Int, end: Int) {
      count = self.end == end ? count &+ 1 : 1
      self.end = end
      last = start
    }
    /// Where the only one begins.
    func start(end: Int) -> Int? { self.end == end && count == 1 ? last : nil }
  }

  private mutating func lookAhead(_ window: borrowing CodeWindow, _ site: Int, _ ends: inout OffsetSet) {
    var reached = OffsetSet(around: site)
    var offset = site &+ Self.siteLength
    let last = min(window.count, offset &+ CodeWindow.reach)
    var isReached = true
    while offset < last {
      if reached.contains(offset) { isReached = true }
      guard let instruction = window.instruction(offset) else {
        offset &+= 1
        isReached = false
        continue
      }
      let end = offset &+ instruction.length
      if instruction.isRelative {
        targets.insert(end &+ instruction.distance)
        if isReached { reached.insert(end &+ instruction.distance) }
      }
      // A reading that is no more than that must not run over a place that is more.
      if !isReached, let next = reached.next(from: offset), next < end {
        offset = next
        continue
      }
      offset = end
      if isReached, instruction.endsBlock {
        ends.insert(end)
        isReached = false
      }
    }
  }

  /// Five bytes of the padding that begins at one of `ends` and goes up to the next 16-byte boundary, if it is that,
  /// nothing leads into it, and others have left so much. Springboards fill it from its start.
  private func freePadding(_ window: borrowing CodeWindow, _ next: Int, _ ends: OffsetSet, from first: Int) -> Int? {
    var start = max(0, first)
    while let end = ends.next(from: start), end <= next &+ Self.shortReach {
      start = end &+ 1
      guard let boundary = paddingEnd(window, from: end) else { continue }
      var free = end
      while free < boundary, window.current[free] == 0xe9 { free &+= Self.jumpLength }
      let distance = free &- next
      if free &+ Self.jumpLength <= boundary, distance >= -Self.shortReach &- 1, distance <= Self.shortReach,
        window.isUntouched(free..<free &+ Self.jumpLength)
      {
        return free
      }
    }
    return nil
  }

  /// Where the padding ends that begins at `end`, which control does not go on to: at a 16-byte boundary. nil: it is none.
  func paddingEnd(_ window: borrowing CodeWindow, from end: Int) -> Int? {
    let boundary = end &+ Int((0 &- window.address(end)) & 15)
    var offset = end
    while offset < boundary {
      guard let instruction = window.instruction(offset), instruction.isPadding else { return nil }
      offset &+= instruction.length
    }
    return boundary > window.count || targets.meets(end..<boundary) ? nil : boundary
  }
}
