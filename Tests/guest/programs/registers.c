// Registers, flags, red zone and vector state across system calls of every kind.
// guest: variants=static,dynamic,musl
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <linux/futex.h>

#include "probe.h"

static void begin(void) {
  vector_mask = vector_components();
  if (!vector_mask) SKIP("no XSAVE");
}

// The call with three patterns and the initial vector state; every result as wanted.
static void each(const char *what, long want, long nr, long a, long b, long c, long d, long e,
                 long f) {
  for (unsigned seed = 0; seed < 4; seed++) {
    long got = probed(what, seed, nr, a, b, c, d, e, f);
    if (got != want) FAIL("%s gave %ld, not %ld", what, got, want);
  }
}
#define EACH(want, nr, a, b, c, d, e, f) \
  each(#nr, want, nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
// Whatever the patterns are, unused arguments must come back as well.
#define JUNK 0x5a5a5a5a5a5a5a5a

TEST(identity) {
  begin();
  EACH(getpid(), SYS_getpid, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK);
  EACH(getuid(), SYS_getuid, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK);
  EACH(syscall(SYS_gettid), SYS_gettid, 1, 2, 3, 4, 5, 6);
  EACH(0, SYS_sched_yield, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK);
}

TEST(unknown_call) {
  begin();
  EACH(-ENOSYS, 100000, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK);
  EACH(-ENOSYS, -1, JUNK, JUNK, JUNK, JUNK, JUNK, JUNK);
}

TEST(read_write) {
  begin();
  int ends[2];
  char text[100] = "x";
  SYS(pipe(ends));
  for (unsigned seed = 0; seed < 4; seed++) {
    CHECK_EQ(probed("write", seed, SYS_write, ends[1], (long)text, 100, JUNK, JUNK, JUNK), 100);
    CHECK_EQ(probed("read", seed, SYS_read, ends[0], (long)text, 100, JUNK, JUNK, JUNK), 100);
  }
  EACH(-EBADF, SYS_read, 999, text, 1, JUNK, JUNK, JUNK);
  EACH(-EFAULT, SYS_write, ends[1], 8, 1, JUNK, JUNK, JUNK);
  close(ends[0]), close(ends[1]);
}

TEST(files) {
  begin();
  struct stat status;
  put_file("file", "abc", 3);
  int fd = SYS(open("file", O_RDWR));
  EACH(0, SYS_fstat, fd, &status, JUNK, JUNK, JUNK, JUNK);
  EACH(0, SYS_newfstatat, AT_FDCWD, "file", &status, 0, JUNK, JUNK);
  EACH(1, SYS_lseek, fd, 1, SEEK_SET, JUNK, JUNK, JUNK);
  EACH(0, SYS_ftruncate, fd, 70000, JUNK, JUNK, JUNK, JUNK);
  EACH(-ENOENT, SYS_openat, AT_FDCWD, "missing", O_RDONLY, JUNK, JUNK, JUNK);
  EACH(fd + 1, SYS_dup3, fd, fd + 1, 0, JUNK, JUNK, JUNK);
  char page[4096];
  EACH(4096, SYS_pread64, fd, page, 4096, 65536, JUNK, JUNK);
  EACH(4096, SYS_pwrite64, fd, page, 4096, 0, JUNK, JUNK);
  close(fd), close(fd + 1);
  unlink("file");
}

TEST(pipes) {
  begin();
  int ends[2];
  for (unsigned seed = 0; seed < 4; seed++) {
    CHECK_EQ(probed("pipe2", seed, SYS_pipe2, (long)ends, 0, JUNK, JUNK, JUNK, JUNK), 0);
    CHECK_EQ(probed("close", seed, SYS_close, ends[0], JUNK, JUNK, JUNK, JUNK, JUNK), 0);
    CHECK_EQ(probed("close", seed, SYS_close, ends[1], JUNK, JUNK, JUNK, JUNK, JUNK), 0);
  }
}

TEST(memory) {
  begin();
  for (unsigned seed = 0; seed < 4; seed++) {
    long at = probed("mmap", seed, SYS_mmap, 0, 65536, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at > 0);
    memset((void *)at, 1, 65536);
    CHECK_EQ(probed("mprotect", seed, SYS_mprotect, at, 4096, PROT_READ, JUNK, JUNK, JUNK), 0);
    CHECK_EQ(probed("madvise", seed, SYS_madvise, at + 4096, 4096, MADV_DONTNEED, JUNK, JUNK, JUNK), 0);
    CHECK_EQ(probed("munmap", seed, SYS_munmap, at, 65536, JUNK, JUNK, JUNK, JUNK), 0);
    long top = probed("brk", seed, SYS_brk, 0, JUNK, JUNK, JUNK, JUNK, JUNK);
    CHECK_EQ(probed("brk", seed, SYS_brk, top, JUNK, JUNK, JUNK, JUNK, JUNK), top);
  }
}

TEST(sleeping) {
  begin();
  struct timespec ms = {0, 1000000};
  unsigned word = 7;
  EACH(0, SYS_nanosleep, &ms, 0, JUNK, JUNK, JUNK, JUNK);
  EACH(0, SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ms, 0, JUNK, JUNK);
  EACH(-ETIMEDOUT, SYS_futex, &word, FUTEX_WAIT_PRIVATE, 7, &ms, JUNK, JUNK);
  EACH(-EAGAIN, SYS_futex, &word, FUTEX_WAIT_PRIVATE, 8, &ms, JUNK, JUNK);
  EACH(0, SYS_poll, 0, 0, 1, JUNK, JUNK, JUNK);
  EACH(0, SYS_pselect6, 0, 0, 0, 0, &ms, 0);
  int e = SYS(epoll_create1(0));
  struct epoll_event event;
  EACH(0, SYS_epoll_wait, e, &event, 1, 1, JUNK, JUNK);
  close(e);
}

TEST(signal_calls) {
  begin();
  sigset_t set = set_of(SIGUSR1), old;
  EACH(0, SYS_rt_sigprocmask, SIG_BLOCK, &set, &old, 8, JUNK, JUNK);
  EACH(0, SYS_rt_sigprocmask, SIG_SETMASK, &old, 0, 8, JUNK, JUNK);
  EACH(0, SYS_rt_sigaction, SIGUSR1, 0, 0, 8, JUNK, JUNK);
  EACH(0, SYS_kill, getpid(), 0, JUNK, JUNK, JUNK, JUNK);
  struct timespec ms = {0, 1000000};
  EACH(-EAGAIN, SYS_rt_sigtimedwait, &set, 0, &ms, 8, JUNK, JUNK);
}

static void *reader(void *ends) {
  char byte;
  for (int i = 0; i < 4; i++) {
    wait_sleeping(getpid(), getpid());
    CHECK_EQ(write(((int *)ends)[1], &byte, 1), 1);
    while (((volatile int *)ends)[2] == i) sched_yield();
  }
  return NULL;
}

// The call sleeps in the kernel while another thread runs, then is woken.
TEST(blocked_read, CPUS) {
  begin();
  int ends[3];
  char byte;
  pthread_t thread;
  SYS(pipe(ends));
  ends[2] = 0;
  pthread_create(&thread, NULL, reader, ends);
  for (unsigned seed = 0; seed < 4; seed++) {
    CHECK_EQ(probed("read", seed, SYS_read, ends[0], (long)&byte, 1, JUNK, JUNK, JUNK), 1);
    __atomic_add_fetch(&ends[2], 1, __ATOMIC_SEQ_CST);
  }
  pthread_join(thread, NULL);
}

// exec starts with clean vector state; the kernel must not leak the old program's.
HELPER(fresh) {
  static VectorImage now;
  vector_mask = vector_components();
  __asm__ volatile("xsave64 %0" : "+m"(now) : "a"((uint32_t)vector_mask & ~SSE & ~AVX), "d"(0));
  if (*(uint16_t *)now.bytes != 0x037f) FAIL("x87 control word %#x", *(uint16_t *)now.bytes);
  if (vector_mask & AVX512) {  // libc uses the low registers, nobody zmm16…31 of a small program
    unsigned offset, size, sum = 0;
    vector_find(7, &offset, &size);
    for (unsigned i = 64 * 8; i < size; i++) sum += now.bytes[offset + i];
    if (sum) FAIL("zmm24…31 are not zero after exec");
  }
  return check_failures != 0;
}

TEST(exec_starts_clean) {
  begin();
  char *args[] = {check_self, "@fresh", NULL};
  VectorImage image;
  vector_fill(&image, 3);
  pid_t pid = vfork();
  if (pid == 0) {
    vector_load(&image);
    execv(check_self, args);
    _exit(1);
  }
  wait_ok(pid);
}
