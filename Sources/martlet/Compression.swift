import Glibc

/// How an archive is packed, by its first bytes, and the host's program that unpacks it.
enum Compression: String, CaseIterable {
  case gzip, xz, zstd, bzip2

  var magic: [UInt8] {
    switch self {
    case .gzip: [0x1f, 0x8b]
    case .xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
    case .zstd: [0x28, 0xb5, 0x2f, 0xfd]
    case .bzip2: [0x42, 0x5a, 0x68]
    }
  }

  var package: String { self == .xz ? "xz-utils" : rawValue }

  static func detect(_ start: [UInt8]) -> Compression? {
    allCases.first { start.starts(with: $0.magic) }
  }

  /// Unpacks a whole file into a memory file, the program's stdout.
  /// - Returns: What went wrong, in the program's words; nil when all went well.
  func unpack(_ source: Descriptor, into target: Descriptor, progress: Progress) throws(Failure) -> String? {
    guard let program = HostPath.program(rawValue) else {
      throw Failure("unpacking the root needs \(rawValue), which is not installed: run 'apt-get install \(package)'")
    }
    let complaints = try Descriptor.memory("\(rawValue)-messages")
    let child = Child.start(
      program, [rawValue, "-dc"], environment: ["LC_ALL=C"],
      descriptors: [source.number, target.number, complaints.number], first: 0)
    guard let child else { throw Failure("cannot start \(program): \(Failure.reason)") }
    while true {
      switch child.wait(milliseconds: Progress.interval) {
      case nil: progress.update(target.status().map { "\($0.st_size >> 20) MiB" } ?? "")
      case .exited(0)?: return nil
      case .exited?, .killed?: return Compression.firstLine(complaints, program: rawValue)
      }
    }
  }

  private static func firstLine(_ complaints: Descriptor, program: String) -> String {
    let text = String(decoding: complaints.read(at: 0, count: 4096) ?? [], as: UTF8.self)
    var line = text.split(separator: "\n").first.map(String.init) ?? "failed"
    for prefix in ["\(program): ", "(stdin): ", "stdin: ", "/*stdin*\\ : "] where line.hasPrefix(prefix) {
      line.removeFirst(prefix.count)
    }
    return "\(program) says: \(line)"
  }
}

extension HostPath {
  /// Finds a program as a shell does.
  static func program(_ name: String) -> String? {
    let path = HostText.environment("PATH") ?? "/usr/bin:/bin"
    for folder in path.split(separator: ":") where HostText.withCString("\(folder)/\(name)", { access($0, X_OK) }) == 0
    {
      return "\(folder)/\(name)"
    }
    return nil
  }
}
