import CTool
import Glibc

/// What `martlet doctor` looks at: the host as it describes itself in /proc and /sys, and its limits. nil: the host does not
/// say.
struct HostFacts {
  var check: HostCheck.Host
  /// The flags of the first processor in /proc/cpuinfo.
  var processor: Set<String> = []
  /// Of /proc/sys/kernel/seccomp/actions_avail.
  var seccompActions: Set<String>?
  /// landlock(7)'s ABI; 0: none.
  var landlock = 0
  var canMapPageZero = false
  /// The chosen word of /sys/kernel/mm/transparent_hugepage's files.
  var privateHugePages: String?
  var sharedHugePages: String?
  var processes: UInt64 = .max
  var descriptors: UInt64 = .max
  var mappings: Int?
  var hasTap = false

  static func current() -> HostFacts {
    var facts = HostFacts(check: HostCheck.current())
    let flags = text("/proc/cpuinfo")?.split(separator: "\n").first { $0.hasPrefix("flags") }
    facts.processor = Set((flags ?? "").split(separator: " ").map(String.init))
    facts.seccompActions = text("/proc/sys/kernel/seccomp/actions_avail").map {
      Set($0.split(separator: " ").map(String.init))
    }
    facts.landlock = Int(max(tool_landlock(), 0))
    facts.canMapPageZero = tool_can_map_page_zero() != 0
    facts.privateHugePages = choice("/sys/kernel/mm/transparent_hugepage/enabled")
    facts.sharedHugePages = choice("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    facts.processes = hardLimit(__RLIMIT_NPROC.rawValue)
    facts.descriptors = hardLimit(RLIMIT_NOFILE.rawValue)
    facts.mappings = text("/proc/sys/vm/max_map_count").flatMap { Int($0) }
    facts.hasTap = access("/dev/net/tun", R_OK | W_OK) == 0
    return facts
  }

  private static func hardLimit(_ resource: UInt32) -> UInt64 {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(resource), &limit)
    return UInt64(limit.rlim_max)
  }

  /// A small file, without the newline at its end.
  private static func text(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 1 << 20 {
      let count = fread(&part, 1, part.count, file)
      if count == 0 { break }
      bytes += part[..<count]
    }
    while bytes.last == 10 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
  /// The word in brackets: `always [madvise] never`.
  static func choice(in text: String) -> String? {
    text.split(separator: " ").first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
  }
  private static func choice(_ path: String) -> String? { text(path).flatMap { choice(in: $0) } }
}
