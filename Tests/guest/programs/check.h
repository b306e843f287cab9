// A tiny test kit: cases that check themselves and print `ok NAME` or `not ok NAME: what`.
//
//     TEST(name) { CHECK_EQ(getppid(), 1); }            a case; flags may follow the name:
//     TEST(name, FORKS | CPUS) { ... }
//     HELPER(name) { ... }                              `PROGRAM @name ARGS…` runs this instead
//
// `PROGRAM` runs every case, `PROGRAM CASE…` the named ones, `PROGRAM --list` lists them.
// The harness reads the flags out of the source (see conftest.py):
//     FORKS  needs fork (mmu=host only)    CPUS  run with 1, 2 and 4 processors
//     DIFF   stdout must be the same natively and in Martlet
//     MARTLET  must not run natively (some would signal every process of the machine): skipped
//              unless uname says that this is Martlet, whatever the command line or environment
#pragma once
#include <features.h>
// glibc tells the compiler that raise, kill… run no code of this file; here they run handlers.
#undef __LEAF
#define __LEAF
#undef __LEAF_ATTR
#define __LEAF_ATTR
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FORKS = 1, CPUS = 2, DIFF = 4, MARTLET = 8 };

typedef struct {
  const char *name;
  void (*run)(void);
  int line, flags;
} Case;

typedef struct {
  const char *name;
  int (*run)(int argc, char **argv);
} Helper;

#define TEST(id, ...)                                                                       \
  static void test_##id(void);                                                              \
  static const Case case_##id = {#id, test_##id, __LINE__, ##__VA_ARGS__};                   \
  __attribute__((section("check_cases"), used)) static const Case *const at_##id = &case_##id; \
  static void test_##id(void)

#define HELPER(id)                                                                          \
  static int helper_##id(int argc, char **argv);                                            \
  static const Helper help_##id = {#id, helper_##id};                                       \
  __attribute__((section("check_helpers"), used)) static const Helper *const hat_##id = &help_##id; \
  static int helper_##id(int argc __attribute__((unused)), char **argv __attribute__((unused)))

extern const Case *const __start_check_cases[] __attribute__((weak));
extern const Case *const __stop_check_cases[] __attribute__((weak));
extern const Helper *const __start_check_helpers[] __attribute__((weak));
extern const Helper *const __stop_check_helpers[] __attribute__((weak));

static const char *check_name = "?";
static volatile int check_failures, check_skipped;
static jmp_buf check_exit;
static pid_t check_pid;
static char check_self[PATH_MAX];  // this program's path, for exec

// One write per line, so that lines of several processes do not mix.
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
  char line[1024];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(line, sizeof line, format, list);
  va_end(list);
  if (n > (int)sizeof line - 1) n = sizeof line - 1;
  while (write(1, line, n) < 0 && errno == EINTR) {}
}

__attribute__((format(printf, 3, 4))) static inline void check_fail(const char *file, int line,
                                                             const char *format, ...) {
  char what[700];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  if (__atomic_add_fetch(&check_failures, 1, __ATOMIC_SEQ_CST) > 20) return;
  const char *base = strrchr(file, '/');
  say("not ok %s: %s:%d: %s\n", check_name, base ? base + 1 : file, line, what);
}

// Leaves the case: by a jump in the thread that runs it, by ending the process elsewhere.
__attribute__((noreturn)) static inline void check_leave(void) {
  if (getpid() == check_pid && syscall(SYS_gettid) == check_pid) longjmp(check_exit, 1);
  _exit(99);
}

#define FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) ((condition) ? (void)0 : FAIL("%s (errno %d)", #condition, errno))
#define REQUIRE(condition) \
  ((condition) ? (void)0 : (FAIL("%s (errno %d)", #condition, errno), check_leave()))
#define CHECK_EQ(got, want)                                                                 \
  do {                                                                                      \
    long got_ = (long)(got), want_ = (long)(want);                                          \
    if (got_ != want_)                                                                      \
      FAIL("%s is %ld (%#lx), not %s = %ld (%#lx)", #got, got_, got_, #want, want_, want_); \
  } while (0)
// The call must fail with this errno.
#define CHECK_ERR(call, error)                                                              \
  do {                                                                                      \
    errno = 0;                                                                              \
    long got_ = (long)(call);                                                               \
    int error_ = errno;                                                                     \
    if (got_ != -1) FAIL("%s gave %ld, not %s", #call, got_, #error);                       \
    else if (error_ != (error)) FAIL("%s: errno %d, not %s (%d)", #call, error_, #error, error); \
  } while (0)
// The call must not give -1; its value.
#define SYS(call)                                                                           \
  ({                                                                                        \
    __typeof__(call) got_ = (call);                                                         \
    if ((long)got_ == -1) FAIL("%s: errno %d (%s)", #call, errno, strerror(errno)), check_leave(); \
    got_;                                                                                   \
  })
#define SKIP(why)                                                                           \
  do {                                                                                      \
    say("ok %s # SKIP %s\n", check_name, why);                                              \
    check_skipped = 1;                                                                      \
    longjmp(check_exit, 1);                                                                 \
  } while (0)

// CHILD(pid) { … } runs the block in a forked child, which exits 0, or 99 after a failed check.
#define CHILD(pid) \
  for (pid = check_fork(); pid == 0; _exit(check_failures ? 99 : 0))

static inline pid_t check_fork(void) {
  pid_t pid = SYS(fork());
  if (pid == 0) check_failures = 0;
  return pid;
}

static inline int wait_status(pid_t pid) {
  int status = -1;
  pid_t got;
  while ((got = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {}
  if (got != pid) FAIL("waitpid(%d) gave %d, errno %d", pid, got, errno);
  return status;
}
static inline void wait_ok_at(pid_t pid, const char *file, int line) {
  int status = wait_status(pid);
  if (status) check_fail(file, line, "the child's status is %#x", status);
}
#define wait_ok(pid) wait_ok_at(pid, __FILE__, __LINE__)
#define exited(code) ((code) << 8)

static inline long env_number(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text && *text ? atol(text) : otherwise;
}
static inline long rounds(void) { return env_number("GUEST_ROUNDS", 20000); }
static inline long storm(void) { return env_number("GUEST_STORM", 500); }
// Documented differences from native may ask these.
static inline bool in_martlet(void) { return getenv("GUEST_IN_MARTLET") != NULL; }
// Page 0 is mapped, and the processor has no protection key to hide it: docs/differences.md.
static inline bool null_is_readable(void) { return getenv("GUEST_NULL_IS_READABLE") != NULL; }
static inline bool without_mmu(void) {
  const char *mmu = getenv("GUEST_MMU");
  return mmu && !strcmp(mmu, "none");
}

static inline long long now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}
static inline void sleep_ms(long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&t, &t) < 0 && errno == EINTR) {}
}
// True as soon as the condition holds, false if it does not for 20 seconds.
#define EVENTUALLY(condition)                                                               \
  ({                                                                                        \
    long long end_ = now_us() + 20000000;                                                   \
    bool ok_;                                                                               \
    while (!(ok_ = (condition)) && now_us() < end_) sleep_ms(1);                            \
    ok_;                                                                                    \
  })

// The state letter of a process or thread out of /proc, or '?'.
static inline char state_of(pid_t pid, pid_t tid) {
  char path[64], text[256] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return '?';
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  char *end = n > 0 ? strrchr(text, ')') : NULL;
  return end ? end[2] : '?';
}
// Waits until the task sleeps; without a /proc it hopes for the best.
static inline void wait_sleeping(pid_t pid, pid_t tid) {
  if (access("/proc/self/stat", R_OK)) sleep_ms(100);
  else if (!EVENTUALLY(state_of(pid, tid) == 'S')) FAIL("task %d never slept", tid);
}

static inline int count_fds(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

static inline void on_signal(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  SYS(sigaction(signal, &action, NULL));
}
static inline void on_siginfo(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  SYS(sigaction(signal, &action, NULL));
}
static inline sigset_t set_of(int signal) {
  sigset_t set;
  sigemptyset(&set);
  if (signal) sigaddset(&set, signal);
  return set;
}

static inline void put_file(const char *path, const void *data, size_t size) {
  int fd = SYS(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644));
  REQUIRE(write(fd, data, size) == (ssize_t)size);
  close(fd);
}

static int check_by_line(const void *a, const void *b) {
  return (*(const Case *const *)a)->line - (*(const Case *const *)b)->line;
}

static bool check_is_martlet(void) {
  struct utsname name;
  return uname(&name) == 0 && strstr(name.release, "martlet") != NULL;
}

static int check_run(const Case *test) {
  if ((test->flags & MARTLET) && !check_is_martlet()) {
    say("ok %s # SKIP not in Martlet\n", test->name);
    return 0;
  }
  check_name = test->name;
  check_failures = check_skipped = 0;
  check_pid = getpid();
  if (setjmp(check_exit) == 0) test->run();
  struct itimerval off = {0};
  setitimer(ITIMER_REAL, &off, NULL);
  if (check_failures) return 1;
  if (!check_skipped) say("ok %s\n", test->name);
  return 0;
}

int main(int argc, char **argv) {
  if (argv[0] && argv[0][0] == '/') snprintf(check_self, sizeof check_self, "%s", argv[0]);
  else if (readlink("/proc/self/exe", check_self, sizeof check_self - 1) < 0) check_self[0] = 0;
  if (argc > 1 && argv[1][0] == '@') {
    for (const Helper *const *h = __start_check_helpers; h < __stop_check_helpers; h++)
      if (!strcmp((*h)->name, argv[1] + 1)) {
        check_name = (*h)->name;
        return (*h)->run(argc, argv);
      }
    return 98;
  }
  int count = __stop_check_cases - __start_check_cases, failed = 0;
  const Case *cases[count + 1];
  if (count) memcpy(cases, __start_check_cases, count * sizeof *cases);
  qsort(cases, count, sizeof *cases, check_by_line);
  for (int i = 0; i < count; i++) {
    bool wanted = argc == 1 && !(cases[i]->flags & MARTLET);
    for (int j = 1; j < argc; j++) wanted |= !strcmp(argv[j], cases[i]->name);
    if (argc > 1 && !strcmp(argv[1], "--list")) say("%s\n", cases[i]->name);
    else if (wanted) failed |= check_run(cases[i]);
  }
  return failed;
}
