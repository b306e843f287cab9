import CLinux

/// A host call that the machine makes: the whole list is the sandbox's boundary. The seccomp filter is made from it, and
/// docs/host-calls.md prints it.
struct AllowedCall: Sendable {
  let number: Int32
  let name: StaticString
  let reason: StaticString
  /// Which argument is compared, -1 for none, and the values that it may have.
  var argument: Int = -1
  var values: InlineArray<8, UInt32> = InlineArray(repeating: 0)
  var valueCount = 0

  init(_ number: Int32, _ name: StaticString, _ reason: StaticString) {
    self.number = number
    self.name = name
    self.reason = reason
  }
  init(_ number: Int32, _ name: StaticString, _ reason: StaticString, argument: Int, _ allowed: [UInt32]) {
    self.init(number, name, reason)
    self.argument = argument
    valueCount = allowed.count
    for i in 0..<allowed.count { values[i] = allowed[i] }
  }
}

/// Sorted by number: the filter searches it.
func allowedCalls() -> [AllowedCall] {
  [
    AllowedCall(__NR_read, "read", "hostfs, console, control socket, pipes on 0, 1, 2"),
    AllowedCall(__NR_write, "write", "console, log, reports, pipes on 0, 1, 2"),
    AllowedCall(__NR_close, "close", "descriptors of hostfs"),
    AllowedCall(__NR_fstat, "fstat", "what descriptors 0, 1, 2 are; hostfs"),
    AllowedCall(__NR_poll, "poll", "readiness of 0, 1, 2 where epoll refuses them"),
    AllowedCall(__NR_lseek, "lseek", "seekable descriptors 0, 1, 2; holes of host files"),
    AllowedCall(__NR_mmap, "mmap", "guest memory"),
    AllowedCall(__NR_mprotect, "mprotect", "guest memory"),
    AllowedCall(__NR_munmap, "munmap", "guest memory"),
    AllowedCall(__NR_rt_sigaction, "rt_sigaction", "the handlers, at boot"),
    AllowedCall(__NR_rt_sigprocmask, "rt_sigprocmask", "around clone"),
    AllowedCall(__NR_rt_sigreturn, "rt_sigreturn", "the end of a handler that interrupted the kernel"),
    AllowedCall(
      __NR_ioctl, "ioctl", "the terminal's size and modes, bytes waiting; never TIOCSTI", argument: 1,
      [UInt32(TCGETS), UInt32(TIOCGWINSZ), UInt32(FIONREAD), LINUX_TCGETS2]),
    AllowedCall(__NR_pread64, "pread64", "hostfs"),
    AllowedCall(__NR_pwrite64, "pwrite64", "hostfs; fresh pages of the page cache"),
    AllowedCall(__NR_sched_yield, "sched_yield", "a spinlock whose holder lost its CPU"),
    AllowedCall(__NR_mremap, "mremap", "guest memory"),
    AllowedCall(__NR_msync, "msync", "guest memory"),
    AllowedCall(__NR_mincore, "mincore", "guest memory"),
    AllowedCall(__NR_madvise, "madvise", "guest memory"),
    AllowedCall(__NR_getpid, "getpid", "a carrier's first steps"),
    AllowedCall(__NR_sendfile, "sendfile", "hostfs to kernel memory"),
    AllowedCall(
      __NR_clone, "clone", "carriers and address spaces: the flags of CloneKind only", argument: 0,
      [UInt32(CloneKind.thread.flags), UInt32(CloneKind.process.flags), UInt32(CloneKind.pool.flags)]),
    AllowedCall(__NR_exit, "exit", "a carrier leaves"),
    AllowedCall(__NR_wait4, "wait4", "the reaper"),
    AllowedCall(
      __NR_fcntl, "fcntl", "status flags of descriptors 0, 1, 2", argument: 1, [UInt32(F_GETFL), UInt32(F_GETFD)]),
    AllowedCall(__NR_fsync, "fsync", "hostfs"),
    AllowedCall(__NR_fdatasync, "fdatasync", "hostfs"),
    AllowedCall(__NR_ftruncate, "ftruncate", "hostfs"),
    AllowedCall(__NR_fchmod, "fchmod", "hostfs"),
    AllowedCall(__NR_fchown, "fchown", "hostfs"),
    AllowedCall(__NR_getrusage, "getrusage", "the largest resident size of a process"),
    AllowedCall(__NR_sysinfo, "sysinfo", "load and memory of the host"),
    AllowedCall(__NR_getppid, "getppid", "an orphan leaves"),
    AllowedCall(__NR_sigaltstack, "sigaltstack", "a carrier's first steps"),
    AllowedCall(__NR_fstatfs, "fstatfs", "hostfs"),
    AllowedCall(
      __NR_prctl, "prctl", "PDEATHSIG of every process, the I/O thread's timer slack", argument: 0,
      [UInt32(PR_SET_PDEATHSIG), UInt32(PR_SET_TIMERSLACK)]),
    AllowedCall(__NR_gettid, "gettid", "a carrier's first steps"),
    AllowedCall(__NR_fsetxattr, "fsetxattr", "hostfs"),
    AllowedCall(__NR_fgetxattr, "fgetxattr", "hostfs"),
    AllowedCall(__NR_flistxattr, "flistxattr", "hostfs"),
    AllowedCall(__NR_fremovexattr, "fremovexattr", "hostfs"),
    AllowedCall(__NR_futex, "futex", "batons, idle vCPUs, service threads"),
    AllowedCall(__NR_sched_setaffinity, "sched_setaffinity", "a hand-over stays on one CPU"),
    AllowedCall(__NR_getdents64, "getdents64", "hostfs"),
    AllowedCall(
      __NR_restart_syscall, "restart_syscall", "the host's own: an idle wait goes on after a stop from outside"),
    AllowedCall(__NR_clock_gettime, "clock_gettime", "time"),
    AllowedCall(__NR_exit_group, "exit_group", "a process or the machine ends"),
    AllowedCall(__NR_epoll_wait, "epoll_wait", "the I/O thread"),
    AllowedCall(__NR_epoll_ctl, "epoll_ctl", "the I/O thread"),
    AllowedCall(__NR_tgkill, "tgkill", "kicks: SIGURG only", argument: 2, [UInt32(SIGURG)]),
    AllowedCall(__NR_mkdirat, "mkdirat", "hostfs"),
    AllowedCall(__NR_mknodat, "mknodat", "hostfs: FIFOs and sockets as files"),
    AllowedCall(__NR_fchownat, "fchownat", "hostfs"),
    AllowedCall(__NR_newfstatat, "newfstatat", "hostfs"),
    AllowedCall(__NR_unlinkat, "unlinkat", "hostfs"),
    AllowedCall(__NR_linkat, "linkat", "hostfs"),
    AllowedCall(__NR_symlinkat, "symlinkat", "hostfs"),
    AllowedCall(__NR_readlinkat, "readlinkat", "hostfs"),
    AllowedCall(__NR_fchmodat, "fchmodat", "hostfs: where fchmodat2 is not there"),
    AllowedCall(__NR_utimensat, "utimensat", "hostfs"),
    AllowedCall(__NR_fallocate, "fallocate", "freeing kernel memory; hostfs"),
    AllowedCall(__NR_timerfd_settime, "timerfd_settime", "the earliest timer of busy vCPUs"),
    AllowedCall(__NR_syncfs, "syncfs", "hostfs"),
    AllowedCall(__NR_renameat2, "renameat2", "hostfs"),
    AllowedCall(__NR_getrandom, "getrandom", "AT_RANDOM, /dev/urandom"),
    AllowedCall(__NR_copy_file_range, "copy_file_range", "hostfs"),
    AllowedCall(__NR_preadv2, "preadv2", "hostfs, without blocking"),
    AllowedCall(__NR_pwritev2, "pwritev2", "hostfs, without blocking"),
    AllowedCall(__NR_statx, "statx", "hostfs"),
    AllowedCall(__NR_openat2, "openat2", "hostfs: below the directories that were given"),
    AllowedCall(452, "fchmodat2", "hostfs: chmod of a file that is not open"),
  ]
}
