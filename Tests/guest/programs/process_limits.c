// Resource limits, times, priorities, scheduling, prctl, ids of a process.
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/utsname.h>

#include "check.h"

TEST(get_and_set, FORKS) {
  pid_t pid;
  CHILD(pid) {
    for (int what = 0; what < RLIM_NLIMITS; what++) {
      struct rlimit limit;
      SYS(getrlimit(what, &limit));
      CHECK(limit.rlim_cur <= limit.rlim_max);
      SYS(setrlimit(what, &limit));
    }
    struct rlimit limit = {10, 5};
    CHECK_ERR(setrlimit(RLIMIT_CPU, &limit), EINVAL);
    CHECK_ERR(getrlimit(RLIM_NLIMITS, &limit), EINVAL);
    struct rlimit small = {5, 10}, old;
    SYS(prlimit(0, RLIMIT_CORE, &small, &old));
    SYS(prlimit(getpid(), RLIMIT_CORE, NULL, &old));
    CHECK(old.rlim_cur == 5 && old.rlim_max == 10);
    if (setresuid(12345, 12345, 12345) == 0) {
      limit = (struct rlimit){5, 11};
      CHECK_ERR(setrlimit(RLIMIT_CORE, &limit), EPERM);
      CHECK_ERR(prlimit(getppid(), RLIMIT_CORE, NULL, &old), EPERM);
    }
    CHECK_ERR(prlimit(0x3fffffff, RLIMIT_CORE, NULL, &old), ESRCH);
  }
  wait_ok(pid);
}

TEST(open_files, FORKS) {
  pid_t pid;
  CHILD(pid) {
    struct rlimit limit = {30, 30};
    SYS(setrlimit(RLIMIT_NOFILE, &limit));
    int fd, last = -1;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    CHECK_EQ(errno, EMFILE);
    CHECK_EQ(last, 29);
    int ends[2];
    CHECK_ERR(pipe(ends), EMFILE);
    CHECK_ERR(dup(0), EMFILE);
    CHECK_ERR(dup2(0, 30), EBADF);
    CHECK_ERR(fcntl(0, F_DUPFD, 30), EINVAL);
    close(last);
    CHECK_ERR(pipe(ends), EMFILE);  // needs two: and must not keep one
    CHECK_EQ(open("/dev/null", O_RDONLY), 29);
  }
  wait_ok(pid);
}

static volatile int xfsz;
static void on_xfsz(int signal) {
  (void)signal;
  xfsz++;
}

TEST(file_size, FORKS) {
  pid_t pid;
  CHILD(pid) {
    struct rlimit limit = {1000, 1000};
    char block[600] = "";
    int fd = SYS(open("limited", O_CREAT | O_RDWR, 0600));
    on_signal(SIGXFSZ, on_xfsz, 0);
    SYS(setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_EQ(write(fd, block, 600), 600);
    CHECK_EQ(write(fd, block, 600), 400);
    CHECK_EQ(xfsz, 0);
    CHECK_ERR(write(fd, block, 600), EFBIG);
    CHECK_EQ(xfsz, 1);
    CHECK_ERR(ftruncate(fd, 2000), EFBIG);
    CHECK_EQ(xfsz, 2);
    CHECK_EQ(ftruncate(fd, 1000), 0);
    unlink("limited");
  }
  wait_ok(pid);
}

TEST(cpu_time, FORKS) {
  pid_t pid = SYS(fork());
  if (pid == 0) {
    struct rlimit limit = {1, 2}, none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_CPU, &limit);
    for (;;) __asm__ volatile("");
  }
  CHECK_EQ(wait_status(pid) & 0x7f, SIGXCPU);
}

TEST(address_space, FORKS) {
  pid_t pid;
  CHILD(pid) {
    struct rlimit limit = {64 << 20, 64 << 20};
    SYS(setrlimit(RLIMIT_AS, &limit));
    CHECK(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK_EQ(errno, ENOMEM);
    void *p = SYS(mmap(NULL, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SYS(munmap(p, 16 << 20));
  }
  wait_ok(pid);
}

TEST(data_segment, FORKS) {
  pid_t pid;
  CHILD(pid) {
    struct rlimit limit = {4 << 20, 4 << 20};
    SYS(setrlimit(RLIMIT_DATA, &limit));
    long top = syscall(SYS_brk, 0);
    CHECK_EQ(syscall(SYS_brk, top + (8 << 20)), top);
  }
  wait_ok(pid);
}

TEST(process_count, FORKS) {
  if (getuid() != 0) SKIP("needs root");
  pid_t pid;
  CHILD(pid) {
    SYS(setresuid(23456, 23456, 23456));
    struct rlimit limit = {4, 4};
    SYS(setrlimit(RLIMIT_NPROC, &limit));
    pid_t children[20];
    int made = 0;
    while (made < 20 && (children[made] = fork()) >= 0)
      if (children[made++] == 0)
        for (;;) pause();
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(made, 3);
    for (int i = 0; i < made; i++) kill(children[i], SIGKILL), wait_status(children[i]);
    children[0] = SYS(fork());
    if (children[0] == 0) _exit(0);
    wait_ok(children[0]);
  }
  wait_ok(pid);
}

TEST(times, FORKS) {
  struct tms start, end;
  clock_t a = times(&start);
  long long until = now_us() + 100000;
  while (now_us() < until) getppid();
  clock_t b = times(&end);
  CHECK(b - a >= 9);
  CHECK(end.tms_utime + end.tms_stime > start.tms_utime + start.tms_stime);
  struct rusage usage;
  SYS(getrusage(RUSAGE_SELF, &usage));
  CHECK(usage.ru_maxrss > 100);
  SYS(getrusage(RUSAGE_THREAD, &usage));
  struct timespec cpu, thread;
  SYS(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &thread));
  SYS(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu));
  CHECK(cpu.tv_sec * 1000000000LL + cpu.tv_nsec >= thread.tv_sec * 1000000000LL + thread.tv_nsec);
}

TEST(nice, FORKS) {
  pid_t pid;
  CHILD(pid) {
    int before = getpriority(PRIO_PROCESS, 0);
    SYS(setpriority(PRIO_PROCESS, 0, before + 3 > 19 ? 19 : before + 3));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before + 3 > 19 ? 19 : before + 3);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20 - getpriority(PRIO_PROCESS, 0));
    SYS(setpriority(PRIO_PROCESS, 0, 100));  // clamped
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    pid_t child;
    CHILD(child) CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    wait_ok(child);
    if (setresuid(12345, 12345, 12345) == 0) CHECK_ERR(setpriority(PRIO_PROCESS, 0, 5), EACCES);
    CHECK_ERR(getpriority(9, 0), EINVAL);
    errno = 0;
    CHECK_ERR(getpriority(PRIO_PROCESS, 0x3fffffff), ESRCH);
  }
  wait_ok(pid);
}

TEST(scheduling) {
  struct sched_param param = {0};
  CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
  CHECK_EQ(syscall(SYS_sched_getparam, 0, &param), 0);
  CHECK_EQ(param.sched_priority, 0);
  CHECK_EQ(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
  CHECK_EQ(syscall(SYS_sched_get_priority_min, SCHED_OTHER), 0);
  CHECK_EQ(sched_yield(), 0);
  cpu_set_t set;
  SYS(sched_getaffinity(0, sizeof set, &set));
  CHECK(CPU_COUNT(&set) >= 1);
  cpu_set_t old = set;
  int cpu = sched_getcpu();
  CHECK(cpu >= 0 && CPU_ISSET(cpu, &set));
  CPU_ZERO(&set);
  CHECK_ERR(sched_setaffinity(0, sizeof set, &set), EINVAL);
  CPU_SET(cpu, &set);
  SYS(sched_setaffinity(0, sizeof set, &set));
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(sched_getcpu(), cpu);
    sched_yield();
  }
  SYS(sched_setaffinity(0, sizeof old, &old));
  CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 1, &set), EINVAL);
  CHECK_ERR(sched_getaffinity(0x3fffffff, sizeof set, &set), ESRCH);
}

TEST(names) {
  char name[20] = "";
  SYS(prctl(PR_SET_NAME, "a name that is too long"));
  SYS(prctl(PR_GET_NAME, name));
  CHECK(!strcmp(name, "a name that is "));
  CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
  CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  CHECK_ERR(prctl(0x7fff), EINVAL);
  struct utsname u;
  SYS(uname(&u));
  CHECK(!strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64"));
  if (in_martlet()) CHECK(!strcmp(u.release, "6.12.0-martlet"));
}

TEST(credentials, FORKS) {
  if (getuid() != 0) SKIP("needs root");
  pid_t pid;
  CHILD(pid) {
    uid_t r, e, s;
    gid_t groups[3] = {5, 6, 7}, got[8];
    SYS(setgroups(3, groups));
    CHECK_EQ(getgroups(8, got), 3);
    CHECK(got[0] == 5 && got[1] == 6 && got[2] == 7);
    CHECK_EQ(getgroups(0, NULL), 3);
    CHECK_ERR(getgroups(2, got), EINVAL);
    SYS(setresgid(10, 11, 12));
    SYS(setresuid(1000, 1001, 1002));
    SYS(getresuid(&r, &e, &s));
    CHECK(r == 1000 && e == 1001 && s == 1002);
    CHECK_EQ(getegid(), 11);
    CHECK_ERR(setresuid(0, -1, -1), EPERM);
    CHECK_ERR(setgroups(0, NULL), EPERM);
    SYS(setresuid(1001, 1002, 1000));
    SYS(seteuid(1001));
    CHECK_EQ(geteuid(), 1001);
    SYS(setreuid(-1, 1000));
    CHECK_EQ(geteuid(), 1000);
    CHECK_ERR(setuid(5), EPERM);
    CHECK_EQ(setfsuid(-1), 1000);
    CHECK_ERR(chroot("/"), EPERM);
  }
  wait_ok(pid);
}
