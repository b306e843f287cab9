import CTool
import Glibc

/// Can this host run Martlet at all?
enum HostCheck {
  static let leastAddressSpace: UInt64 = 256 << 30

  struct Host {
    var machine: String
    var release: String
    var hasFSGSBase: Bool
    var addressSpace: UInt64
    var fileSize: UInt64
  }

  static func current() -> Host {
    var name = utsname()
    uname(&name)
    let machine = withUnsafePointer(to: &name.machine) { text($0) }
    let release = withUnsafePointer(to: &name.release) { text($0) }
    var space = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space)
    return Host(
      machine: machine, release: release, hasFSGSBase: tool_hwcap2() & 2 != 0,
      addressSpace: UInt64(space.rlim_cur), fileSize: raisedFileSize())
  }

  /// The first reason why this host cannot, with what to do about it.
  static func problem(of host: Host) -> String? {
    if host.machine != "x86_64" { return "Martlet needs an x86-64 host, this is \(host.machine)" }
    let version = host.release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    if version.count == 2, (version[0], version[1]) < (5, 11) {
      return "the host's kernel \(host.release) is too old: Martlet needs Linux 5.11 or later"
    }
    if !host.hasFSGSBase {
      return "the host lacks the FSGSBASE instructions: Martlet needs a processor of 2014 or later, "
        + "and a host kernel without 'nofsgsbase'"
    }
    if host.addressSpace < leastAddressSpace {
      return "the limit on address space is \(host.addressSpace >> 20) MiB: "
        + "Martlet needs 256 GiB, so run 'ulimit -v unlimited' first"
    }
    if host.fileSize < UInt64.max {
      return "there is a limit on file size (\(host.fileSize) bytes), which bounds the machine's memory as well: "
        + "run 'ulimit -f unlimited' first"
    }
    return nil
  }

  /// The soft limit goes up to the hard one, which is returned. Our own memory files count as files.
  private static func raisedFileSize() -> UInt64 {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
    getrlimit(resource, &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource, &limit)
    return UInt64(limit.rlim_max)
  }

  private static func text<T>(_ field: UnsafePointer<T>) -> String {
    field.withMemoryRebound(to: CChar.self, capacity: MemoryLayout<T>.size) { String(cString: $0) }
  }
}
