import CLinux
import Machine
import Synchronization

/// The tree below /proc/sys: sysctl(2). What can be written changes what it says; the rest tells what is.
enum ProcSysctl {
  static func fill(_ root: FixedDirectory) {
    fillKernel(root.directory("kernel"))
    fillFiles(root.directory("fs"))
    fillMemory(root.directory("vm"))
    fillNetwork(root.directory("net"))
  }

  private static func number(_ directory: FixedDirectory, _ name: StaticString, _ value: @escaping () -> Int) {
    directory.file(name) { (text) throws(Errno) in
      text.add(value())
      text.newline()
    }
  }

  private static func fillKernel(_ kernel: FixedDirectory) {
    name(kernel, "hostname", { systemNames.with { $0.host } }, { name in systemNames.with { $0.host = name } })
    name(kernel, "domainname", { systemNames.with { $0.domain } }, { name in systemNames.with { $0.domain = name } })
    kernel.file("ostype") { (text) throws(Errno) in
      text.add(SystemNames.system)
      text.newline()
    }
    kernel.file("osrelease") { (text) throws(Errno) in
      text.add(SystemNames.release)
      text.newline()
    }
    kernel.file("version") { (text) throws(Errno) in
      text.add(SystemNames.version)
      text.newline()
    }
    number(kernel, "pid_max") { Pids.maximum }
    number(kernel, "threads-max") { Pids.maximum }
    number(kernel, "ngroups_max") { Int(NGROUPS_MAX) }
    number(kernel, "cap_last_cap") { Int(CAP_LAST_CAP) }
    kernel.line("overflowuid", "65534")
    kernel.line("overflowgid", "65534")
    kernel.line("core_pattern", "core")
    kernel.line("core_uses_pid", "0")
    kernel.line("core_pipe_limit", "0")
    kernel.line("panic", "0")
    kernel.line("tainted", "0")
    kernel.line("kptr_restrict", "0")
    kernel.line("dmesg_restrict", "0")
    kernel.line("randomize_va_space", "2")
    kernel.line("ctrl-alt-del", "0")
    kernel.line("sysrq", "0")
    kernel.line("printk", "4\t4\t1\t7")
    kernel.line("sched_rr_timeslice_ms", "100")
    kernel.line("shmmax", "18446744073692774399")
    kernel.line("shmall", "18446744073692774399")
    kernel.line("shmmni", "4096")
    kernel.line("msgmax", "8192")
    kernel.line("msgmnb", "16384")
    kernel.line("msgmni", "32000")
    kernel.line("sem", "32000\t1024000000\t500\t32000")
    fillRandom(kernel.directory("random"))
  }

  private static func fillRandom(_ random: FixedDirectory) {
    random.line("entropy_avail", "256")
    random.line("poolsize", "256")
    let boot = uuid()
    random.file("boot_id") { (text) throws(Errno) in text.add(boot) }
    random.file("uuid") { (text) throws(Errno) in text.add(uuid()) }
  }
  /// A random UUID (version 4) and a newline.
  static func uuid() -> [UInt8] {
    let high = HostRandom.word() & 0xffff_ffff_ffff_0fff | 0x4000
    let low = HostRandom.word() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    var text = TextBuilder()
    text.add(hex: high >> 32, width: 8)
    text.add("-")
    text.add(hex: high >> 16 & 0xffff, width: 4)
    text.add("-")
    text.add(hex: high & 0xffff, width: 4)
    text.add("-")
    text.add(hex: low >> 48, width: 4)
    text.add("-")
    text.add(hex: low & 0xffff_ffff_ffff, width: 12)
    text.newline()
    return text.bytes
  }

  /// A name that root may change: up to 64 bytes, to the first newline or NUL.
  private static func name(
    _ directory: FixedDirectory, _ name: StaticString, _ get: @escaping () -> [UInt8],
    _ set: @escaping ([UInt8]) -> Void
  ) {
    directory.file(
      name, mode: 0o644,
      write: { (bytes) throws(Errno) in
        set([UInt8](bytes.prefix(while: { $0 != 0 && $0 != 10 }).prefix(64)))
      }
    ) { (text) throws(Errno) in
      text.add(get())
      text.newline()
    }
  }

  private static func fillFiles(_ fs: FixedDirectory) {
    fs.file(
      "pipe-max-size", mode: 0o644,
      write: { (bytes) throws(Errno) in
        let value = try parseWritten(bytes)
        guard value >= 4096, value <= 1 << 31 else { throw .invalid }
        pipeMaximumSize.store(UInt32(try Pipe.slots(for: UInt32(value)) * PipeRing.pageSize), ordering: .relaxed)
      }
    ) { (text) throws(Errno) in
      text.add(pipeMaximumSize.load(ordering: .relaxed))
      text.newline()
    }
    fs.line("pipe-user-pages-hard", "0")
    fs.line("pipe-user-pages-soft", "16384")
    fs.line("file-max", "9223372036854775807")
    fs.line("file-nr", "0\t0\t9223372036854775807")
    fs.line("nr_open", "1048576")
    fs.line("inode-nr", "0\t0")
    fs.line("inode-state", "0\t0\t0\t0\t0\t0\t0")
    fs.line("dentry-state", "0\t0\t45\t0\t0\t0")
    fs.line("overflowuid", "65534")
    fs.line("overflowgid", "65534")
    fs.line("suid_dumpable", "0")
    fs.line("protected_symlinks", "0")
    fs.line("protected_hardlinks", "0")
    fs.line("protected_fifos", "0")
    fs.line("protected_regular", "0")
    fs.line("mount-max", "100000")
    fs.line("leases-enable", "1")
    fs.line("lease-break-time", "45")
    number(fs.directory("epoll"), "max_user_watches") { EpollItem.maximum }
  }

  private static func fillMemory(_ vm: FixedDirectory) {
    vm.line("overcommit_memory", "0")
    vm.line("overcommit_ratio", "50")
    vm.line("overcommit_kbytes", "0")
    vm.line("max_map_count", "65530")
    vm.line("mmap_min_addr", "65536")
    vm.line("swappiness", "60")
    vm.line("dirty_ratio", "20")
    vm.line("dirty_background_ratio", "10")
    vm.line("vfs_cache_pressure", "100")
    vm.line("panic_on_oom", "0")
    vm.line("nr_hugepages", "0")
    vm.line("legacy_va_layout", "0")
    vm.line("mmap_rnd_bits", "28")
  }

  private static func fillNetwork(_ net: FixedDirectory) {
    let core = net.directory("core")
    core.line("somaxconn", "4096")
    core.line("rmem_default", "212992")
    core.line("rmem_max", "212992")
    core.line("wmem_default", "212992")
    core.line("wmem_max", "212992")
    core.line("optmem_max", "131072")
    net.directory("unix").line("max_dgram_qlen", "10")
  }
}
