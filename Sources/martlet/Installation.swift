import Glibc

/// Where the parts of Martlet lie: `../share/martlet`, seen from the tool's own binary.
struct Installation {
  let share: String

  init() throws(Failure) {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw Failure("cannot find my own binary: is /proc mounted? (\(Failure.reason))") }
    let path = HostText.string(buffer[..<count].map(UInt8.init(bitPattern:)))
    let parts = path.split(separator: "/").dropLast(2)
    self.init(share: "/" + (parts + ["share", "martlet"]).joined(separator: "/"))
  }

  init(share: String) {
    self.share = share
  }

  /// The kernel to start: the installed one, or what `MARTLET_KERNEL` says, a path or the word `checked`.
  func kernel(override: String?) -> String {
    switch override {
    case nil, "": share + "/kernel"
    case "checked": share + "/kernel.checked"
    case let path?: path
    }
  }

  func symbols(of kernel: String) -> Descriptor? {
    Descriptor.open(kernel + ".symbols", O_RDONLY)
  }

  /// The root of a machine that is told none. Without an MMU it is another one, whose programs can run there.
  func defaultRoot(_ mmu: MMU) throws(Failure) -> String {
    let (name, target) =
      switch mmu {
      case .host: ("root.tar", "build")
      case .none: ("root-nommu.tar", "root-nommu")
      }
    for ending in ["", ".zst", ".xz", ".gz"] {
      let path = "\(share)/\(name)\(ending)"
      if HostText.withCString(path, { access($0, F_OK) }) == 0 { return path }
    }
    throw Failure("the default root is missing (\(share)/\(name)): 'make \(target)' makes it, or give --root DIR")
  }
}
