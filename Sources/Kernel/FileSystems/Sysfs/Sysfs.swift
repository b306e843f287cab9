import CLinux
import Machine

/// sysfs: sysfs(5), as much of it as libcs and coreutils ask for.
final class Sysfs: FileSystem {
  init() {
    super.init(type: "sysfs", magic: Int(SYSFS_MAGIC))
    source = ("sysfs" as StaticString).bytes
  }

  func makeRoot() -> FixedDirectory {
    let root = FixedDirectory(self, parent: 1)
    _ = root.directory("block")
    _ = root.directory("bus")
    let classes = root.directory("class")
    for name in ["block", "net", "tty"] as [StaticString] { _ = classes.directory(name) }
    let numbers = root.directory("dev")
    _ = numbers.directory("block")
    _ = numbers.directory("char")
    fillDevices(root.directory("devices"))
    _ = root.directory("firmware")
    _ = root.directory("fs")
    fillKernel(root.directory("kernel"))
    _ = root.directory("module")
    _ = root.directory("power")
    return root
  }

  private func fillDevices(_ devices: FixedDirectory) {
    let system = devices.directory("system")
    let cpus = system.directory("cpu")
    let count = Scheduler.processorCount
    let all = count >= 64 ? UInt64.max : 1 << UInt64(count) - 1
    func list(_ directory: FixedDirectory, _ name: StaticString, _ bits: UInt64) {
      directory.file(name) { (text) throws(Errno) in
        text.add(list: bits, below: 64)
        text.newline()
      }
    }
    func mask(_ directory: FixedDirectory, _ name: StaticString, _ bits: UInt64) {
      directory.file(name) { (text) throws(Errno) in
        text.add(hex: bits, width: (count + 3) / 4)
        text.newline()
      }
    }
    for name in ["online", "possible", "present"] as [StaticString] { list(cpus, name, all) }
    for name in ["offline", "isolated", "nohz_full"] as [StaticString] { list(cpus, name, 0) }
    cpus.line("kernel_max", "63")
    for id in 0..<count {
      let cpu = cpus.directory(Array("cpu\(id)".utf8))
      let topology = cpu.directory("topology")
      topology.file("core_id") { (text) throws(Errno) in
        text.add(id)
        text.newline()
      }
      topology.line("physical_package_id", "0")
      topology.line("die_id", "0")
      list(topology, "thread_siblings_list", 1 << UInt64(id))
      list(topology, "core_cpus_list", 1 << UInt64(id))
      list(topology, "core_siblings_list", all)
      list(topology, "package_cpus_list", all)
      mask(topology, "thread_siblings", 1 << UInt64(id))
      mask(topology, "core_cpus", 1 << UInt64(id))
      mask(topology, "core_siblings", all)
      mask(topology, "package_cpus", all)
    }
    let nodes = system.directory("node")
    for name in ["online", "possible", "has_cpu", "has_memory", "has_normal_memory"] as [StaticString] {
      nodes.line(name, "0")
    }
    let node = nodes.directory("node0")
    list(node, "cpulist", all)
    mask(node, "cpumap", all)
    node.line("distance", "10")
    _ = devices.directory("virtual")
  }

  private func fillKernel(_ kernel: FixedDirectory) {
    let memory = kernel.directory("mm")
    let huge = memory.directory("transparent_hugepage")
    huge.line("enabled", "always madvise [never]")
    huge.line("defrag", "always defer defer+madvise madvise [never]")
    huge.line("shmem_enabled", "always within_size advise [never] deny force")
    huge.line("hpage_pmd_size", "2097152")
    huge.line("use_zero_page", "0")
    _ = memory.directory("hugepages")
    _ = kernel.directory("debug")
    _ = kernel.directory("security")
  }
}

final class SysfsType: FileSystemType {
  private let root: Dentry
  init() {
    root = Dentry(root: Sysfs().makeRoot())
    super.init(name: "sysfs")
  }
  override func mount(source: [UInt8], flags: UInt, options: [UInt8]) throws(Errno) -> Dentry { root }
}
