import Machine

/// Every system call of Linux on x86-64, by number. Constant data: no row is made at run time.
/// The numbers are those of <asm/unistd_64.h>; a test compares the names.
// One row, one line.
// swift-format-ignore
let syscallTable: InlineArray<451, SyscallEntry> = [
  SyscallEntry("read", "fd buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRead(t, a) },  // 0
  SyscallEntry("write", "fd buf:in size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysWrite(t, a) },  // 1
  SyscallEntry("open", "path flags:open mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysOpen(t, a) },  // 2
  SyscallEntry("close", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClose(t, a) },  // 3
  SyscallEntry("stat", "path stat") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysStat(t, a) },  // 4
  SyscallEntry("fstat", "fd stat") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFstat(t, a) },  // 5
  SyscallEntry("lstat", "path stat") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLstat(t, a) },  // 6
  SyscallEntry("poll", "ptr uint int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPoll(t, a) },  // 7
  SyscallEntry("lseek", "fd offset int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLseek(t, a) },  // 8
  SyscallEntry("mmap", "ptr size prot flags:mmap fd offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMmap(t, a) },  // 9
  SyscallEntry("mprotect", "ptr size prot") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMprotect(t, a) },  // 10
  SyscallEntry("munmap", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMunmap(t, a) },  // 11
  SyscallEntry("brk", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysBrk(t, a) },  // 12
  SyscallEntry("rt_sigaction", "signal ptr ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigaction(t, a) },  // 13
  SyscallEntry("rt_sigprocmask", "int ptr ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigprocmask(t, a) },  // 14
  SyscallEntry("rt_sigreturn", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigreturn(t, a) },  // 15
  SyscallEntry("ioctl", "fd hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysIoctl(t, a) },  // 16
  SyscallEntry("pread64", "fd buf:out size offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPread64(t, a) },  // 17
  SyscallEntry("pwrite64", "fd buf:in size offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPwrite64(t, a) },  // 18
  SyscallEntry("readv", "fd iovec:out int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysReadv(t, a) },  // 19
  SyscallEntry("writev", "fd iovec:in int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysWritev(t, a) },  // 20
  SyscallEntry("access", "path int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysAccess(t, a) },  // 21
  SyscallEntry("pipe", "fds:out") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPipe(t, a) },  // 22
  SyscallEntry("select", "int ptr ptr ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSelect(t, a) },  // 23
  SyscallEntry("sched_yield", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedYield(t, a) },  // 24
  SyscallEntry("mremap", "ptr size size hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMremap(t, a) },  // 25
  SyscallEntry("msync", "ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMsync(t, a) },  // 26
  SyscallEntry("mincore", "ptr size buf:out") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMincore(t, a) },  // 27
  SyscallEntry("madvise", "ptr size int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMadvise(t, a) },  // 28
  SyscallEntry("shmget", "hex size octal") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysShmget(t, a) },  // 29
  SyscallEntry("shmat", "int ptr octal") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysShmat(t, a) },  // 30
  SyscallEntry("shmctl", "int int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysShmctl(t, a) },  // 31
  SyscallEntry("dup", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysDup(t, a) },  // 32
  SyscallEntry("dup2", "fd fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysDup2(t, a) },  // 33
  SyscallEntry("pause", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPause(t, a) },  // 34
  SyscallEntry("nanosleep", "timespec ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysNanosleep(t, a) },  // 35
  SyscallEntry("getitimer", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetitimer(t, a) },  // 36
  SyscallEntry("alarm", "uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysAlarm(t, a) },  // 37
  SyscallEntry("setitimer", "int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetitimer(t, a) },  // 38
  SyscallEntry("getpid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetpid(t, a) },  // 39
  SyscallEntry("sendfile", "fd fd ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSendfile(t, a) },  // 40
  SyscallEntry("socket", "int int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSocket(t, a) },  // 41
  SyscallEntry("connect", "fd sockaddr int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysConnect(t, a) },  // 42
  SyscallEntry("accept", "fd ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysAccept(t, a) },  // 43
  SyscallEntry("sendto", "fd buf:in size hex sockaddr int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSendto(t, a) },  // 44
  SyscallEntry("recvfrom", "fd buf:out size hex ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRecvfrom(t, a) },  // 45
  SyscallEntry("sendmsg", "fd ptr hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSendmsg(t, a) },  // 46
  SyscallEntry("recvmsg", "fd ptr hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRecvmsg(t, a) },  // 47
  SyscallEntry("shutdown", "fd int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysShutdown(t, a) },  // 48
  SyscallEntry("bind", "fd sockaddr int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysBind(t, a) },  // 49
  SyscallEntry("listen", "fd int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysListen(t, a) },  // 50
  SyscallEntry("getsockname", "fd ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetsockname(t, a) },  // 51
  SyscallEntry("getpeername", "fd ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetpeername(t, a) },  // 52
  SyscallEntry("socketpair", "int int int fds:out") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSocketpair(t, a) },  // 53
  SyscallEntry("setsockopt", "fd int int ptr int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetsockopt(t, a) },  // 54
  SyscallEntry("getsockopt", "fd int int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetsockopt(t, a) },  // 55
  SyscallEntry("clone", "flags:clone ptr ptr ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClone(t, a) },  // 56
  SyscallEntry("fork", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFork(t, a) },  // 57
  SyscallEntry("vfork", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysVfork(t, a) },  // 58
  SyscallEntry("execve", "path argv ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysExecve(t, a) },  // 59
  SyscallEntry("exit", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysExit(t, a) },  // 60
  SyscallEntry("wait4", "pid wstatus flags:wait ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysWait4(t, a) },  // 61
  SyscallEntry("kill", "pid signal") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysKill(t, a) },  // 62
  SyscallEntry("uname", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUname(t, a) },  // 63
  SyscallEntry("semget"),  // 64
  SyscallEntry("semop"),  // 65
  SyscallEntry("semctl"),  // 66
  SyscallEntry("shmdt", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysShmdt(t, a) },  // 67
  SyscallEntry("msgget"),  // 68
  SyscallEntry("msgsnd"),  // 69
  SyscallEntry("msgrcv"),  // 70
  SyscallEntry("msgctl"),  // 71
  SyscallEntry("fcntl", "fd int hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFcntl(t, a) },  // 72
  SyscallEntry("flock", "fd int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFlock(t, a) },  // 73
  SyscallEntry("fsync", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFsync(t, a) },  // 74
  SyscallEntry("fdatasync", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFdatasync(t, a) },  // 75
  SyscallEntry("truncate", "path offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTruncate(t, a) },  // 76
  SyscallEntry("ftruncate", "fd offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFtruncate(t, a) },  // 77
  SyscallEntry("getdents", "fd ptr uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetdents(t, a) },  // 78
  SyscallEntry("getcwd", "buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetcwd(t, a) },  // 79
  SyscallEntry("chdir", "path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysChdir(t, a) },  // 80
  SyscallEntry("fchdir", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFchdir(t, a) },  // 81
  SyscallEntry("rename", "path path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRename(t, a) },  // 82
  SyscallEntry("mkdir", "path mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMkdir(t, a) },  // 83
  SyscallEntry("rmdir", "path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRmdir(t, a) },  // 84
  SyscallEntry("creat", "path mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysCreat(t, a) },  // 85
  SyscallEntry("link", "path path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLink(t, a) },  // 86
  SyscallEntry("unlink", "path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUnlink(t, a) },  // 87
  SyscallEntry("symlink", "path path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSymlink(t, a) },  // 88
  SyscallEntry("readlink", "path buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysReadlink(t, a) },  // 89
  SyscallEntry("chmod", "path mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysChmod(t, a) },  // 90
  SyscallEntry("fchmod", "fd mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFchmod(t, a) },  // 91
  SyscallEntry("chown", "path uid gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysChown(t, a) },  // 92
  SyscallEntry("fchown", "fd uid gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFchown(t, a) },  // 93
  SyscallEntry("lchown", "path uid gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLchown(t, a) },  // 94
  SyscallEntry("umask", "mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUmask(t, a) },  // 95
  SyscallEntry("gettimeofday", "ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGettimeofday(t, a) },  // 96
  SyscallEntry("getrlimit", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetrlimit(t, a) },  // 97
  SyscallEntry("getrusage", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetrusage(t, a) },  // 98
  SyscallEntry("sysinfo", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSysinfo(t, a) },  // 99
  SyscallEntry("times", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimes(t, a) },  // 100
  SyscallEntry("ptrace"),  // 101
  SyscallEntry("getuid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetuid(t, a) },  // 102
  SyscallEntry("syslog", "int buf:out int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSyslog(t, a) },  // 103
  SyscallEntry("getgid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetgid(t, a) },  // 104
  SyscallEntry("setuid", "uid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetuid(t, a) },  // 105
  SyscallEntry("setgid", "gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetgid(t, a) },  // 106
  SyscallEntry("geteuid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGeteuid(t, a) },  // 107
  SyscallEntry("getegid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetegid(t, a) },  // 108
  SyscallEntry("setpgid", "pid pid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetpgid(t, a) },  // 109
  SyscallEntry("getppid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetppid(t, a) },  // 110
  SyscallEntry("getpgrp", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetpgrp(t, a) },  // 111
  SyscallEntry("setsid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetsid(t, a) },  // 112
  SyscallEntry("setreuid", "uid uid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetreuid(t, a) },  // 113
  SyscallEntry("setregid", "gid gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetregid(t, a) },  // 114
  SyscallEntry("getgroups", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetgroups(t, a) },  // 115
  SyscallEntry("setgroups", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetgroups(t, a) },  // 116
  SyscallEntry("setresuid", "uid uid uid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetresuid(t, a) },  // 117
  SyscallEntry("getresuid", "ptr ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetresuid(t, a) },  // 118
  SyscallEntry("setresgid", "gid gid gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetresgid(t, a) },  // 119
  SyscallEntry("getresgid", "ptr ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetresgid(t, a) },  // 120
  SyscallEntry("getpgid", "pid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetpgid(t, a) },  // 121
  SyscallEntry("setfsuid", "uid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetfsuid(t, a) },  // 122
  SyscallEntry("setfsgid", "gid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetfsgid(t, a) },  // 123
  SyscallEntry("getsid", "pid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetsid(t, a) },  // 124
  SyscallEntry("capget", "ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysCapget(t, a) },  // 125
  SyscallEntry("capset", "ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysCapset(t, a) },  // 126
  SyscallEntry("rt_sigpending", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigpending(t, a) },  // 127
  SyscallEntry("rt_sigtimedwait", "ptr ptr timespec size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigtimedwait(t, a) },  // 128
  SyscallEntry("rt_sigqueueinfo", "pid signal ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigqueueinfo(t, a) },  // 129
  SyscallEntry("rt_sigsuspend", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtSigsuspend(t, a) },  // 130
  SyscallEntry("sigaltstack", "ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSigaltstack(t, a) },  // 131
  SyscallEntry("utime", "path ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUtime(t, a) },  // 132
  SyscallEntry("mknod", "path mode hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMknod(t, a) },  // 133
  SyscallEntry("uselib"),  // 134
  SyscallEntry("personality", "hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPersonality(t, a) },  // 135
  SyscallEntry("ustat"),  // 136
  SyscallEntry("statfs", "path ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysStatfs(t, a) },  // 137
  SyscallEntry("fstatfs", "fd ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFstatfs(t, a) },  // 138
  SyscallEntry("sysfs"),  // 139
  SyscallEntry("getpriority", "int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetpriority(t, a) },  // 140
  SyscallEntry("setpriority", "int int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetpriority(t, a) },  // 141
  SyscallEntry("sched_setparam", "pid ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedSetparam(t, a) },  // 142
  SyscallEntry("sched_getparam", "pid ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetparam(t, a) },  // 143
  SyscallEntry("sched_setscheduler", "pid int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedSetscheduler(t, a) },  // 144
  SyscallEntry("sched_getscheduler", "pid") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetscheduler(t, a) },  // 145
  SyscallEntry("sched_get_priority_max", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetPriorityMax(t, a) },  // 146
  SyscallEntry("sched_get_priority_min", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetPriorityMin(t, a) },  // 147
  SyscallEntry("sched_rr_get_interval", "pid ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedRrGetInterval(t, a) },  // 148
  SyscallEntry("mlock", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMlock(t, a) },  // 149
  SyscallEntry("munlock", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMunlock(t, a) },  // 150
  SyscallEntry("mlockall", "hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMlockall(t, a) },  // 151
  SyscallEntry("munlockall", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMunlockall(t, a) },  // 152
  SyscallEntry("vhangup"),  // 153
  SyscallEntry("modify_ldt"),  // 154
  SyscallEntry("pivot_root", "path path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPivotRoot(t, a) },  // 155
  SyscallEntry("_sysctl"),  // 156
  SyscallEntry("prctl", "int hex hex hex hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPrctl(t, a) },  // 157
  SyscallEntry("arch_prctl", "hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysArchPrctl(t, a) },  // 158
  SyscallEntry("adjtimex"),  // 159
  SyscallEntry("setrlimit", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetrlimit(t, a) },  // 160
  SyscallEntry("chroot", "path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysChroot(t, a) },  // 161
  SyscallEntry("sync", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSync(t, a) },  // 162
  SyscallEntry("acct"),  // 163
  SyscallEntry("settimeofday", "ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSettimeofday(t, a) },  // 164
  SyscallEntry("mount", "path path str hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMount(t, a) },  // 165
  SyscallEntry("umount2", "path hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUmount2(t, a) },  // 166
  SyscallEntry("swapon"),  // 167
  SyscallEntry("swapoff"),  // 168
  SyscallEntry("reboot", "hex hex hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysReboot(t, a) },  // 169
  SyscallEntry("sethostname", "buf:in size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSethostname(t, a) },  // 170
  SyscallEntry("setdomainname", "buf:in size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetdomainname(t, a) },  // 171
  SyscallEntry("iopl"),  // 172
  SyscallEntry("ioperm"),  // 173
  SyscallEntry("create_module"),  // 174
  SyscallEntry("init_module"),  // 175
  SyscallEntry("delete_module"),  // 176
  SyscallEntry("get_kernel_syms"),  // 177
  SyscallEntry("query_module"),  // 178
  SyscallEntry("quotactl"),  // 179
  SyscallEntry("nfsservctl"),  // 180
  SyscallEntry("getpmsg"),  // 181
  SyscallEntry("putpmsg"),  // 182
  SyscallEntry("afs_syscall"),  // 183
  SyscallEntry("tuxcall"),  // 184
  SyscallEntry("security"),  // 185
  SyscallEntry("gettid", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGettid(t, a) },  // 186
  SyscallEntry("readahead", "fd offset size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysReadahead(t, a) },  // 187
  SyscallEntry("setxattr", "path str buf:in size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetxattr(t, a) },  // 188
  SyscallEntry("lsetxattr", "path str buf:in size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLsetxattr(t, a) },  // 189
  SyscallEntry("fsetxattr", "fd str buf:in size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFsetxattr(t, a) },  // 190
  SyscallEntry("getxattr", "path str buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetxattr(t, a) },  // 191
  SyscallEntry("lgetxattr", "path str buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLgetxattr(t, a) },  // 192
  SyscallEntry("fgetxattr", "fd str buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFgetxattr(t, a) },  // 193
  SyscallEntry("listxattr", "path buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysListxattr(t, a) },  // 194
  SyscallEntry("llistxattr", "path buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLlistxattr(t, a) },  // 195
  SyscallEntry("flistxattr", "fd buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFlistxattr(t, a) },  // 196
  SyscallEntry("removexattr", "path str") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRemovexattr(t, a) },  // 197
  SyscallEntry("lremovexattr", "path str") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLremovexattr(t, a) },  // 198
  SyscallEntry("fremovexattr", "fd str") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFremovexattr(t, a) },  // 199
  SyscallEntry("tkill", "pid signal") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTkill(t, a) },  // 200
  SyscallEntry("time", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTime(t, a) },  // 201
  SyscallEntry("futex", "ptr int int timespec ptr int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFutex(t, a) },  // 202
  SyscallEntry("sched_setaffinity", "pid size ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedSetaffinity(t, a) },  // 203
  SyscallEntry("sched_getaffinity", "pid size ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetaffinity(t, a) },  // 204
  SyscallEntry("set_thread_area"),  // 205
  SyscallEntry("io_setup"),  // 206
  SyscallEntry("io_destroy"),  // 207
  SyscallEntry("io_getevents"),  // 208
  SyscallEntry("io_submit"),  // 209
  SyscallEntry("io_cancel"),  // 210
  SyscallEntry("get_thread_area"),  // 211
  SyscallEntry("lookup_dcookie"),  // 212
  SyscallEntry("epoll_create", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollCreate(t, a) },  // 213
  SyscallEntry("epoll_ctl_old"),  // 214
  SyscallEntry("epoll_wait_old"),  // 215
  SyscallEntry("remap_file_pages"),  // 216
  SyscallEntry("getdents64", "fd ptr uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetdents64(t, a) },  // 217
  SyscallEntry("set_tid_address", "ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetTidAddress(t, a) },  // 218
  SyscallEntry("restart_syscall", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRestartSyscall(t, a) },  // 219
  SyscallEntry("semtimedop"),  // 220
  SyscallEntry("fadvise64", "fd offset size int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFadvise64(t, a) },  // 221
  SyscallEntry("timer_create", "int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerCreate(t, a) },  // 222
  SyscallEntry("timer_settime", "int int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerSettime(t, a) },  // 223
  SyscallEntry("timer_gettime", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerGettime(t, a) },  // 224
  SyscallEntry("timer_getoverrun", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerGetoverrun(t, a) },  // 225
  SyscallEntry("timer_delete", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerDelete(t, a) },  // 226
  SyscallEntry("clock_settime", "int timespec") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClockSettime(t, a) },  // 227
  SyscallEntry("clock_gettime", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClockGettime(t, a) },  // 228
  SyscallEntry("clock_getres", "int ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClockGetres(t, a) },  // 229
  SyscallEntry("clock_nanosleep", "int int timespec ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClockNanosleep(t, a) },  // 230
  SyscallEntry("exit_group", "int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysExitGroup(t, a) },  // 231
  SyscallEntry("epoll_wait", "fd ptr int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollWait(t, a) },  // 232
  SyscallEntry("epoll_ctl", "fd int fd ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollCtl(t, a) },  // 233
  SyscallEntry("tgkill", "pid pid signal") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTgkill(t, a) },  // 234
  SyscallEntry("utimes", "path ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUtimes(t, a) },  // 235
  SyscallEntry("vserver"),  // 236
  SyscallEntry("mbind"),  // 237
  SyscallEntry("set_mempolicy"),  // 238
  SyscallEntry("get_mempolicy"),  // 239
  SyscallEntry("mq_open"),  // 240
  SyscallEntry("mq_unlink"),  // 241
  SyscallEntry("mq_timedsend"),  // 242
  SyscallEntry("mq_timedreceive"),  // 243
  SyscallEntry("mq_notify"),  // 244
  SyscallEntry("mq_getsetattr"),  // 245
  SyscallEntry("kexec_load"),  // 246
  SyscallEntry("waitid", "int pid ptr flags:wait ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysWaitid(t, a) },  // 247
  SyscallEntry("add_key"),  // 248
  SyscallEntry("request_key"),  // 249
  SyscallEntry("keyctl"),  // 250
  SyscallEntry("ioprio_set", "int int hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysIoprioSet(t, a) },  // 251
  SyscallEntry("ioprio_get", "int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysIoprioGet(t, a) },  // 252
  SyscallEntry("inotify_init", "") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysInotifyInit(t, a) },  // 253
  SyscallEntry("inotify_add_watch", "fd path hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysInotifyAddWatch(t, a) },  // 254
  SyscallEntry("inotify_rm_watch", "fd int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysInotifyRmWatch(t, a) },  // 255
  SyscallEntry("migrate_pages"),  // 256
  SyscallEntry("openat", "dirfd path flags:open mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysOpenat(t, a) },  // 257
  SyscallEntry("mkdirat", "dirfd path mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMkdirat(t, a) },  // 258
  SyscallEntry("mknodat", "dirfd path mode hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMknodat(t, a) },  // 259
  SyscallEntry("fchownat", "dirfd path uid gid hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFchownat(t, a) },  // 260
  SyscallEntry("futimesat", "dirfd path ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFutimesat(t, a) },  // 261
  SyscallEntry("newfstatat", "dirfd path stat hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysNewfstatat(t, a) },  // 262
  SyscallEntry("unlinkat", "dirfd path hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUnlinkat(t, a) },  // 263
  SyscallEntry("renameat", "dirfd path dirfd path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRenameat(t, a) },  // 264
  SyscallEntry("linkat", "dirfd path dirfd path hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysLinkat(t, a) },  // 265
  SyscallEntry("symlinkat", "path dirfd path") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSymlinkat(t, a) },  // 266
  SyscallEntry("readlinkat", "dirfd path buf:out size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysReadlinkat(t, a) },  // 267
  SyscallEntry("fchmodat", "dirfd path mode") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFchmodat(t, a) },  // 268
  SyscallEntry("faccessat", "dirfd path int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFaccessat(t, a) },  // 269
  SyscallEntry("pselect6", "int ptr ptr ptr timespec ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPselect6(t, a) },  // 270
  SyscallEntry("ppoll", "ptr uint timespec ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPpoll(t, a) },  // 271
  SyscallEntry("unshare", "flags:clone") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUnshare(t, a) },  // 272
  SyscallEntry("set_robust_list", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetRobustList(t, a) },  // 273
  SyscallEntry("get_robust_list", "pid ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetRobustList(t, a) },  // 274
  SyscallEntry("splice", "fd ptr fd ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSplice(t, a) },  // 275
  SyscallEntry("tee", "fd fd size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTee(t, a) },  // 276
  SyscallEntry("sync_file_range", "fd offset offset hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSyncFileRange(t, a) },  // 277
  SyscallEntry("vmsplice", "fd ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysVmsplice(t, a) },  // 278
  SyscallEntry("move_pages"),  // 279
  SyscallEntry("utimensat", "dirfd path timespec hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysUtimensat(t, a) },  // 280
  SyscallEntry("epoll_pwait", "fd ptr int int ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollPwait(t, a) },  // 281
  SyscallEntry("signalfd", "fd ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSignalfd(t, a) },  // 282
  SyscallEntry("timerfd_create", "int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerfdCreate(t, a) },  // 283
  SyscallEntry("eventfd", "uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEventfd(t, a) },  // 284
  SyscallEntry("fallocate", "fd hex offset offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFallocate(t, a) },  // 285
  SyscallEntry("timerfd_settime", "fd int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerfdSettime(t, a) },  // 286
  SyscallEntry("timerfd_gettime", "fd ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysTimerfdGettime(t, a) },  // 287
  SyscallEntry("accept4", "fd ptr ptr hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysAccept4(t, a) },  // 288
  SyscallEntry("signalfd4", "fd ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSignalfd4(t, a) },  // 289
  SyscallEntry("eventfd2", "uint hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEventfd2(t, a) },  // 290
  SyscallEntry("epoll_create1", "hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollCreate1(t, a) },  // 291
  SyscallEntry("dup3", "fd fd flags:open") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysDup3(t, a) },  // 292
  SyscallEntry("pipe2", "fds:out flags:open") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPipe2(t, a) },  // 293
  SyscallEntry("inotify_init1", "flags:open") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysInotifyInit1(t, a) },  // 294
  SyscallEntry("preadv", "fd iovec:out int offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPreadv(t, a) },  // 295
  SyscallEntry("pwritev", "fd iovec:in int offset") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPwritev(t, a) },  // 296
  SyscallEntry("rt_tgsigqueueinfo", "pid pid signal ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRtTgsigqueueinfo(t, a) },  // 297
  SyscallEntry("perf_event_open"),  // 298
  SyscallEntry("recvmmsg", "fd ptr uint hex timespec") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRecvmmsg(t, a) },  // 299
  SyscallEntry("fanotify_init"),  // 300
  SyscallEntry("fanotify_mark"),  // 301
  SyscallEntry("prlimit64", "pid int ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPrlimit64(t, a) },  // 302
  SyscallEntry("name_to_handle_at"),  // 303
  SyscallEntry("open_by_handle_at"),  // 304
  SyscallEntry("clock_adjtime"),  // 305
  SyscallEntry("syncfs", "fd") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSyncfs(t, a) },  // 306
  SyscallEntry("sendmmsg", "fd ptr uint hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSendmmsg(t, a) },  // 307
  SyscallEntry("setns", "fd flags:clone") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSetns(t, a) },  // 308
  SyscallEntry("getcpu", "ptr ptr ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetcpu(t, a) },  // 309
  SyscallEntry("process_vm_readv", "pid ptr int ptr int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysProcessVmReadv(t, a) },  // 310
  SyscallEntry("process_vm_writev", "pid ptr int ptr int int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysProcessVmWritev(t, a) },  // 311
  SyscallEntry("kcmp"),  // 312
  SyscallEntry("finit_module"),  // 313
  SyscallEntry("sched_setattr", "pid ptr uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedSetattr(t, a) },  // 314
  SyscallEntry("sched_getattr", "pid ptr size uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysSchedGetattr(t, a) },  // 315
  SyscallEntry("renameat2", "dirfd path dirfd path hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysRenameat2(t, a) },  // 316
  SyscallEntry("seccomp"),  // 317
  SyscallEntry("getrandom", "buf:out size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysGetrandom(t, a) },  // 318
  SyscallEntry("memfd_create", "str hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMemfdCreate(t, a) },  // 319
  SyscallEntry("kexec_file_load"),  // 320
  SyscallEntry("bpf"),  // 321
  SyscallEntry("execveat", "dirfd path argv ptr hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysExecveat(t, a) },  // 322
  SyscallEntry("userfaultfd"),  // 323
  SyscallEntry("membarrier", "int hex int") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMembarrier(t, a) },  // 324
  SyscallEntry("mlock2", "ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysMlock2(t, a) },  // 325
  SyscallEntry("copy_file_range", "fd ptr fd ptr size hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysCopyFileRange(t, a) },  // 326
  SyscallEntry("preadv2", "fd iovec:out int offset int hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPreadv2(t, a) },  // 327
  SyscallEntry("pwritev2", "fd iovec:in int offset int hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPwritev2(t, a) },  // 328
  SyscallEntry("pkey_mprotect"),  // 329
  SyscallEntry("pkey_alloc"),  // 330
  SyscallEntry("pkey_free"),  // 331
  SyscallEntry("statx", "dirfd path hex hex ptr") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysStatx(t, a) },  // 332
  SyscallEntry("io_pgetevents"),  // 333
  SyscallEntry("rseq"),  // 334
  SyscallEntry(""),  // 335
  SyscallEntry(""),  // 336
  SyscallEntry(""),  // 337
  SyscallEntry(""),  // 338
  SyscallEntry(""),  // 339
  SyscallEntry(""),  // 340
  SyscallEntry(""),  // 341
  SyscallEntry(""),  // 342
  SyscallEntry(""),  // 343
  SyscallEntry(""),  // 344
  SyscallEntry(""),  // 345
  SyscallEntry(""),  // 346
  SyscallEntry(""),  // 347
  SyscallEntry(""),  // 348
  SyscallEntry(""),  // 349
  SyscallEntry(""),  // 350
  SyscallEntry(""),  // 351
  SyscallEntry(""),  // 352
  SyscallEntry(""),  // 353
  SyscallEntry(""),  // 354
  SyscallEntry(""),  // 355
  SyscallEntry(""),  // 356
  SyscallEntry(""),  // 357
  SyscallEntry(""),  // 358
  SyscallEntry(""),  // 359
  SyscallEntry(""),  // 360
  SyscallEntry(""),  // 361
  SyscallEntry(""),  // 362
  SyscallEntry(""),  // 363
  SyscallEntry(""),  // 364
  SyscallEntry(""),  // 365
  SyscallEntry(""),  // 366
  SyscallEntry(""),  // 367
  SyscallEntry(""),  // 368
  SyscallEntry(""),  // 369
  SyscallEntry(""),  // 370
  SyscallEntry(""),  // 371
  SyscallEntry(""),  // 372
  SyscallEntry(""),  // 373
  SyscallEntry(""),  // 374
  SyscallEntry(""),  // 375
  SyscallEntry(""),  // 376
  SyscallEntry(""),  // 377
  SyscallEntry(""),  // 378
  SyscallEntry(""),  // 379
  SyscallEntry(""),  // 380
  SyscallEntry(""),  // 381
  SyscallEntry(""),  // 382
  SyscallEntry(""),  // 383
  SyscallEntry(""),  // 384
  SyscallEntry(""),  // 385
  SyscallEntry(""),  // 386
  SyscallEntry(""),  // 387
  SyscallEntry(""),  // 388
  SyscallEntry(""),  // 389
  SyscallEntry(""),  // 390
  SyscallEntry(""),  // 391
  SyscallEntry(""),  // 392
  SyscallEntry(""),  // 393
  SyscallEntry(""),  // 394
  SyscallEntry(""),  // 395
  SyscallEntry(""),  // 396
  SyscallEntry(""),  // 397
  SyscallEntry(""),  // 398
  SyscallEntry(""),  // 399
  SyscallEntry(""),  // 400
  SyscallEntry(""),  // 401
  SyscallEntry(""),  // 402
  SyscallEntry(""),  // 403
  SyscallEntry(""),  // 404
  SyscallEntry(""),  // 405
  SyscallEntry(""),  // 406
  SyscallEntry(""),  // 407
  SyscallEntry(""),  // 408
  SyscallEntry(""),  // 409
  SyscallEntry(""),  // 410
  SyscallEntry(""),  // 411
  SyscallEntry(""),  // 412
  SyscallEntry(""),  // 413
  SyscallEntry(""),  // 414
  SyscallEntry(""),  // 415
  SyscallEntry(""),  // 416
  SyscallEntry(""),  // 417
  SyscallEntry(""),  // 418
  SyscallEntry(""),  // 419
  SyscallEntry(""),  // 420
  SyscallEntry(""),  // 421
  SyscallEntry(""),  // 422
  SyscallEntry(""),  // 423
  SyscallEntry("pidfd_send_signal", "fd signal ptr uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPidfdSendSignal(t, a) },  // 424
  SyscallEntry("io_uring_setup"),  // 425
  SyscallEntry("io_uring_enter"),  // 426
  SyscallEntry("io_uring_register"),  // 427
  SyscallEntry("open_tree"),  // 428
  SyscallEntry("move_mount"),  // 429
  SyscallEntry("fsopen"),  // 430
  SyscallEntry("fsconfig"),  // 431
  SyscallEntry("fsmount"),  // 432
  SyscallEntry("fspick"),  // 433
  SyscallEntry("pidfd_open", "pid flags:open") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPidfdOpen(t, a) },  // 434
  SyscallEntry("clone3", "ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysClone3(t, a) },  // 435
  SyscallEntry("close_range", "fd fd hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysCloseRange(t, a) },  // 436
  SyscallEntry("openat2", "dirfd path ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysOpenat2(t, a) },  // 437
  SyscallEntry("pidfd_getfd", "fd fd uint") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysPidfdGetfd(t, a) },  // 438
  SyscallEntry("faccessat2", "dirfd path int hex") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysFaccessat2(t, a) },  // 439
  SyscallEntry("process_madvise"),  // 440
  SyscallEntry("epoll_pwait2", "fd ptr int timespec ptr size") { (t: Task, a: SyscallArguments) throws(Errno) -> SyscallOutcome in try sysEpollPwait2(t, a) },  // 441
  SyscallEntry("mount_setattr"),  // 442
  SyscallEntry("quotactl_fd"),  // 443
  SyscallEntry("landlock_create_ruleset"),  // 444
  SyscallEntry("landlock_add_rule"),  // 445
  SyscallEntry("landlock_restrict_self"),  // 446
  SyscallEntry("memfd_secret"),  // 447
  SyscallEntry("process_mrelease"),  // 448
  SyscallEntry("futex_waitv"),  // 449
  SyscallEntry("set_mempolicy_home_node"),  // 450
]
