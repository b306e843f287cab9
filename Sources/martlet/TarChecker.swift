/// Walks an archive from header to header before the kernel sees it, so that a broken one is named by its member.
struct TarChecker {
  struct Fault: Error, Equatable {
    var member: String?
    var problem: String

    /// For a message: `at member 'usr/bin/x': the archive ends here`.
    var text: String { member.map { "at member '\($0)': \(problem)" } ?? problem }
  }

  /// Names and extended headers beyond this are nonsense.
  static let longestExtension: UInt64 = 1 << 20

  private let read: (UInt64, Int) -> [UInt8]?
  private let size: UInt64
  private var window: [UInt8] = []
  private var windowStart: UInt64 = 0
  private var previous: String?
  private var hasRootDirectory = false
  private var linkTargets: Set<[UInt8]> = []

  /// - Parameters:
  ///   - size: The archive's size in bytes.
  ///   - read: Reads up to a number of bytes at an offset; nil when the host cannot.
  init(size: UInt64, read: @escaping (UInt64, Int) -> [UInt8]?) {
    self.size = size
    self.read = read
  }

  /// Throws the first fault there is. O(size of the headers).
  mutating func check(progress: () -> Void = {}) throws(Fault) {
    try walk(progress: progress) { checker, name, link, kind throws(Fault) in
      let parts = TarChecker.components(name)
      if parts.contains(Array("..".utf8)) { throw checker.fault(name, "its path climbs out of the root") }
      if let first = parts.first, ["bin", "usr", "etc"].contains(where: { Array($0.utf8) == first }) {
        checker.hasRootDirectory = true
      }
      if kind == .hardLink { checker.linkTargets.insert(TarChecker.joined(link)) }
    }
    guard hasRootDirectory else {
      throw Fault(problem: "it is not a root: there is none of bin, usr and etc at its top")
    }
    if !linkTargets.isEmpty { try checkLinks(progress: progress) }
  }

  /// A hard link must come after what it links to.
  private mutating func checkLinks(progress: () -> Void) throws(Fault) {
    var seen: Set<[UInt8]> = []
    try walk(progress: progress) { checker, name, link, kind throws(Fault) in
      if kind == .hardLink && !seen.contains(TarChecker.joined(link)) {
        throw checker.fault(name, "it links to '\(TarChecker.display(link))', which does not come before it")
      }
      let name = TarChecker.joined(name)
      if kind != .directory && checker.linkTargets.contains(name) { seen.insert(name) }
    }
  }

  private mutating func walk(
    progress: () -> Void,
    visit: (inout TarChecker, [UInt8], [UInt8], TarHeader.Kind) throws(Fault) -> Void
  ) throws(Fault) {
    var offset: UInt64 = 0
    var pending = Extensions()
    var count = 0
    previous = nil
    while true {
      let block = try bytes(at: offset, count: TarHeader.size)
      guard block.count == TarHeader.size else {
        throw Fault(member: previous, problem: "the archive ends after it, without its end mark")
      }
      if block.allSatisfy({ $0 == 0 }) {
        if pending.isOpen { throw Fault(member: previous, problem: "the archive ends in the middle of a header") }
        return
      }
      let header = TarHeader(block)
      guard header.checksumIsRight else { throw broken(offset) }
      guard let kind = header.kind else { throw fault(header.name, "its type is unknown (\(header.typeFlag))") }
      let size = pending.size ?? header.size
      guard let size else { throw fault(header.name, "its size is not a number") }
      offset += UInt64(TarHeader.size)
      let length = kind.hasData ? size : 0
      let name = pending.name ?? header.name
      let rest = self.size - min(offset, self.size)
      guard length <= rest else {
        throw fault(name, "the archive is cut short: \(rest) of its \(length) bytes are there")
      }
      switch kind {
      case .pax, .paxGlobal, .gnuLongName, .gnuLongLink:
        guard length <= TarChecker.longestExtension else { throw fault(name, "its extended header is too long") }
        let data = try bytes(at: offset, count: Int(length))
        guard pending.add(kind, Array(data)) else { throw fault(name, "its extended header is broken") }
        if pending.isSparse { throw sparse(name) }
      case .gnuSparse:
        throw sparse(name)
      default:
        guard !name.isEmpty else { throw broken(offset - UInt64(TarHeader.size)) }
        try visit(&self, name, pending.link ?? header.link, kind)
        previous = TarChecker.display(name)
        pending = Extensions()
        count += 1
        if count % 256 == 0 { progress() }
      }
      offset += (length + 511) / 512 * 512
    }
  }

  private func fault(_ name: [UInt8], _ problem: String) -> Fault {
    Fault(member: TarChecker.display(name), problem: problem)
  }

  private func sparse(_ name: [UInt8]) -> Fault {
    fault(name, "it is a sparse file, which is not supported: make the archive without --sparse")
  }

  private func broken(_ offset: UInt64) -> Fault {
    guard let previous else { return Fault(problem: "it is not a tar archive") }
    return Fault(member: previous, problem: "the header after it, at byte \(offset), is broken")
  }

  /// Headers lie close together where members are small: read ahead.
  private mutating func bytes(at offset: UInt64, count: Int) throws(Fault) -> ArraySlice<UInt8> {
    if offset < windowStart || offset + UInt64(count) > windowStart + UInt64(window.count) {
      guard let next = read(offset, max(count, 16 << 10)) else {
        throw Fault(member: previous, problem: "the host cannot read on: \(Failure.reason)")
      }
      window = next
      windowStart = offset
    }
    let start = Int(offset - windowStart)
    return window[start..<min(start + count, window.count)]
  }

  private static func components(_ name: [UInt8]) -> [[UInt8]] {
    name.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != [UInt8(ascii: ".")] }
  }

  private static func joined(_ name: [UInt8]) -> [UInt8] {
    Array(components(name).joined(separator: [UInt8(ascii: "/")]))
  }

  private static func display(_ name: [UInt8]) -> String {
    String(decoding: name.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
  }
}
