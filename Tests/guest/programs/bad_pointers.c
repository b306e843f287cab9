// EFAULT for every system call that takes a pointer. See bad_pointers.h for the table's language.
// guest: variants=static
#include "bad_pointers.h"

static const Call file_calls[] = {
    {"read", SYS_read, "F b64 64", "="},
    {"read-pipe", SYS_read, "R b64 64", "="},
    {"read-large", SYS_read, "F b4000 4000", "="},
    {"pread64", SYS_pread64, "F b64 64 0", "="},
    {"readv", SYS_readv, "F r16 1", "="},
    {"write", SYS_write, "F r64 64", "="},
    {"write-pipe", SYS_write, "W r64 64", "="},
    {"pwrite64", SYS_pwrite64, "F r64 64 0", "="},
    {"writev", SYS_writev, "F r16 1", "="},
    {"open", SYS_open, "p 0", ""},
    {"open-new", SYS_open, "n 0102 0600", ""},
    {"openat", SYS_openat, "-100 p 0", ""},
    {"creat", SYS_creat, "n 0600", ""},
    {"stat", SYS_stat, "p b144", ""},
    {"lstat", SYS_lstat, "p b144", ""},
    {"fstat", SYS_fstat, "F b144", ""},
    {"newfstatat", SYS_newfstatat, "-100 p b144 0", ""},
    {"statx", SYS_statx, "-100 p 0 0x7ff b256", ""},
    {"statfs", SYS_statfs, "p b120", ""},
    {"fstatfs", SYS_fstatfs, "F b120", ""},
    {"access", SYS_access, "p 4", ""},
    {"faccessat", SYS_faccessat, "-100 p 4", ""},
    {"chmod", SYS_chmod, "p 0644", ""},
    {"fchmodat", SYS_fchmodat, "-100 p 0644", ""},
    {"chown", SYS_chown, "p -1 -1", ""},
    {"lchown", SYS_lchown, "p -1 -1", ""},
    {"fchownat", SYS_fchownat, "-100 p -1 -1 0", ""},
    {"truncate", SYS_truncate, "p 64", ""},
    {"utimensat", SYS_utimensat, "-100 p r32 0", ""},
    {"utimes", SYS_utimes, "p r32", ""},
    {"chdir", SYS_chdir, "p", ""},
    {"chroot", SYS_chroot, "p", ""},
    {"getcwd", SYS_getcwd, "b4000 4000", ""},
    {"readlink", SYS_readlink, "l b64 64", ""},
    {"readlinkat", SYS_readlinkat, "-100 l b64 64", ""},
    {"sendfile", SYS_sendfile, "W F r8 8", "="},
    {"copy_file_range", SYS_copy_file_range, "F r8 F r8=32 8 0", "="},
    {"getdents64", SYS_getdents64, "D b2000 2000", ""},
    {"fcntl-getlk", SYS_fcntl, "F 5 r32", ""},
    {"fcntl-setlk", SYS_fcntl, "F 6 r32", ""},
    {"ioctl-fionread", SYS_ioctl, "R 0x541b b4", ""},
    {"execve", SYS_execve, "p r8 r8", ""},
};
TEST(files, DIFF) { TABLE(file_calls); }

static const Call name_calls[] = {
    {"mkdir", SYS_mkdir, "n 0755", ""},
    {"mkdirat", SYS_mkdirat, "-100 n 0755", ""},
    {"mknod", SYS_mknod, "n 0100600 0", ""},
    {"mknodat", SYS_mknodat, "-100 n 0100600 0", ""},
    {"rmdir", SYS_rmdir, "p", ""},
    {"unlink", SYS_unlink, "n", ""},
    {"unlinkat", SYS_unlinkat, "-100 n 0", ""},
    {"link", SYS_link, "q n", ""},
    {"linkat", SYS_linkat, "-100 q -100 n 0", ""},
    {"symlink", SYS_symlink, "q n", ""},
    {"symlinkat", SYS_symlinkat, "q -100 n", ""},
    {"rename", SYS_rename, "p n", ""},
    {"renameat", SYS_renameat, "-100 p -100 n", ""},
    {"renameat2", SYS_renameat2, "-100 p -100 n 0", ""},
};
TEST(names, DIFF) { TABLE(name_calls); }

static const Call time_calls[] = {
    {"clock_gettime", SYS_clock_gettime, "1 b16", ""},
    {"clock_getres", SYS_clock_getres, "1 b16", ""},
    {"gettimeofday", SYS_gettimeofday, "b16 b8", ""},
    {"time", SYS_time, "b8", ""},
    {"nanosleep", SYS_nanosleep, "r16 b16", ""},
    {"clock_nanosleep", SYS_clock_nanosleep, "1 0 r16 b16", ""},
    {"getitimer", SYS_getitimer, "0 b32", ""},
    {"setitimer", SYS_setitimer, "0 r32 b32", ""},
    {"times", SYS_times, "b32", ""},
    {"timerfd_settime", SYS_timerfd_settime, "T 0 r32 b32", ""},
    {"timerfd_gettime", SYS_timerfd_gettime, "T b32", ""},
    {"timer_create", SYS_timer_create, "1 r64 b4", ""},
};
TEST(times, DIFF) { TABLE(time_calls); }

static const Call signal_calls[] = {
    {"rt_sigaction", SYS_rt_sigaction, "12 r32 b32 8", ""},
    {"rt_sigprocmask", SYS_rt_sigprocmask, "0 r8 b8 8", ""},
    {"rt_sigpending", SYS_rt_sigpending, "b8 8", ""},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, "r8 b128 r16 8", "2"},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, "@ 10 r128", ""},
    {"rt_sigsuspend", SYS_rt_sigsuspend, "r8 8", "x"},
    {"sigaltstack", SYS_sigaltstack, "r24 b24", ""},
    {"signalfd4", SYS_signalfd4, "-1 r8 8 0", ""},
};
TEST(signals, DIFF) { TABLE(signal_calls); }

static const Call process_calls[] = {
    {"getrlimit", SYS_getrlimit, "4 b16", ""},
    {"prlimit64", SYS_prlimit64, "0 4 r16 b16", ""},
    {"setrlimit", SYS_setrlimit, "4 r16", ""},
    {"getrusage", SYS_getrusage, "0 b144", ""},
    {"uname", SYS_uname, "b390", ""},
    {"sysinfo", SYS_sysinfo, "b112", ""},
    {"getresuid", SYS_getresuid, "b4 b4 b4", ""},
    {"getresgid", SYS_getresgid, "b4 b4 b4", ""},
    {"sched_getparam", SYS_sched_getparam, "0 b4", ""},
    {"sched_getaffinity", SYS_sched_getaffinity, "0 128 b128", ""},
    {"sched_setaffinity", SYS_sched_setaffinity, "0 128 r128", ""},
    {"sched_rr_get_interval", SYS_sched_rr_get_interval, "0 b16", ""},
    {"getcpu", SYS_getcpu, "b4 b4 0", ""},
    {"prctl-get-name", SYS_prctl, "16 b16", ""},
    {"prctl-set-name", SYS_prctl, "15 r16", ""},
    {"get_robust_list", SYS_get_robust_list, "0 b8 b8", ""},
    {"futex-wait", SYS_futex, "r4 0 1 0", ""},
    {"futex-wake", SYS_futex, "r4 1 1", ""},
    {"futex-wait-time", SYS_futex, "r4 0 0 r16", "3"},
    {"getrandom", SYS_getrandom, "b64 64 0", "="},
    {"arch_prctl", SYS_arch_prctl, "0x1003 b8", ""},
};
TEST(processes, DIFF) { TABLE(process_calls); }

static const Call ipc_calls[] = {
    {"pipe", SYS_pipe, "b8", ""},
    {"pipe2", SYS_pipe2, "b8 0", ""},
    {"poll", SYS_poll, "r8 1 0", ""},
    {"ppoll", SYS_ppoll, "r8 1 r16 r8 8", "2"},
    {"select", SYS_select, "1 r8 r8 r8 r16", "4"},
    {"pselect6", SYS_pselect6, "1 r8 r8 r8 r16 r16", "4"},
    {"epoll_ctl", SYS_epoll_ctl, "E 1 R r12", "x"},
    {"epoll_wait", SYS_epoll_wait, "E b12 1 0", ""},
    {"socketpair", SYS_socketpair, "1 1 0 b8", ""},
    {"bind", SYS_bind, "S r16 16", ""},
    {"connect", SYS_connect, "S r16=9 16", ""},
    {"getsockname", SYS_getsockname, "S b110 r4=110", ""},
    {"getpeername", SYS_getpeername, "S b110 r4=110", ""},
    {"getsockopt", SYS_getsockopt, "S 1 3 b4 r4=4", ""},
    {"setsockopt", SYS_setsockopt, "S 1 2 r4 4", ""},
    {"sendto", SYS_sendto, "S r64 64 0x4040 0 0", "="},
    {"recvfrom", SYS_recvfrom, "U b64 64 0x40 0 0", "="},
    {"sendmsg", SYS_sendmsg, "S r56 0x40", "="},
    {"ioctl-tiocgwinsz", SYS_ioctl, "Y 0x5413 b8", ""},
    {"ioctl-tcgets", SYS_ioctl, "Y 0x5401 b36", ""},
    {"ioctl-tiocswinsz", SYS_ioctl, "Y 0x5414 r8", ""},
    {"ioctl-tiocgptn", SYS_ioctl, "Y 0x80045430 b4", ""},
};
TEST(ipc, DIFF) { TABLE(ipc_calls); }

// What a vector of buffers holds is checked as well.
TEST(vectors, DIFF) {
  scene();
  for (unsigned kind = 0; kind < sizeof bad_kinds / sizeof *bad_kinds; kind++)
    for (int fd = 0; fd < 3; fd++)
      for (int place = 0; place < 2; place++) {
        restore();
        char buffer[32];
        memset(buffer, 'v', sizeof buffer);
        struct { void *base; size_t size; } vector[2] = {{buffer, 32}, {buffer, 32}};
        bool out = fd == 2;
        vector[place].base = pointer(out ? "r32" : "b32", 0, bad_kinds[kind]);
        int which = fd == 0 ? file : fd == 1 ? pipe_ends[0] : pipe_ends[1];
        long got = syscall(out ? SYS_writev : SYS_readv, which, vector, 2);
        say("vector %d %d %s: %ld, errno %d, at %ld, pipe has %d\n", fd, place, bad_kinds[kind], got,
            got < 0 ? errno : 0, (long)lseek(file, 0, SEEK_CUR), in_queue(pipe_ends[0]));
      }
  unlink("f"), unlink("g"), unlink("l");
}

// A child's status that cannot be stored: is the child gone all the same?
TEST(wait, FORKS | DIFF) {
  static const uintptr_t bad[] = {0x10, 0x400000001000, 0x8000000000000000};
  for (int i = 0; i < 3; i++)
    for (int call = 0; call < 2; call++) {
      pid_t pid = SYS(fork());
      if (pid == 0) _exit(0);
      long got = call ? syscall(SYS_waitid, P_PID, pid, bad[i], WEXITED, NULL) : syscall(SYS_wait4, pid, bad[i], 0, NULL);
      int error = got < 0 ? errno : 0;
      long again = waitpid(pid, NULL, 0);
      say("%s %d: errno %d, then %s\n", call ? "waitid" : "wait4", i, error, again == pid ? "there" : "gone");
      long usage = 0;
      pid = SYS(fork());
      if (pid == 0) _exit(0);
      usage = syscall(SYS_wait4, pid, NULL, 0, bad[i]);
      say("usage %d: errno %d, then %s\n", i, usage < 0 ? errno : 0, waitpid(pid, NULL, 0) == pid ? "there" : "gone");
    }
}

// Large transfers into memory that is mapped and never touched, on both sides of many pages.
TEST(fresh_pages) {
  enum { SIZE = 1 << 20 };
  char *from = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char *to = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int fd = SYS(open("big", O_CREAT | O_TRUNC | O_RDWR, 0600));
  CHECK_EQ(write(fd, from, SIZE), SIZE);  // zeros that were never made
  memset(from, 'x', SIZE);
  CHECK_EQ(pwrite(fd, from, SIZE, 0), SIZE);
  CHECK_EQ(pread(fd, to + 1, SIZE - 1, 0), SIZE - 1);
  for (int i = 1; i < SIZE; i += 511) CHECK_EQ(to[i], 'x');
  char *mapped = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
  CHECK_EQ(pread(fd, mapped, SIZE, 0), SIZE);
  char *shared = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK_EQ(pwrite(fd, shared, SIZE, 0), SIZE);  // a file onto itself
  int ends[2];
  SYS(pipe(ends));
  for (int i = 0; i < SIZE; i += 65536) {
    char *fresh = SYS(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_EQ(write(ends[1], shared + i, 65536), 65536);
    CHECK_EQ(read(ends[0], fresh, 65536), 65536);
    CHECK_EQ(fresh[65535], 'x');
    munmap(fresh, 65536);
  }
  close(fd);
  unlink("big");
}
