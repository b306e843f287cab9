// Pending and queued signals: order, values, sigtimedwait, sigsuspend, sigpending.
// guest: variants=static,dynamic,musl
#include <sys/resource.h>

#include "check.h"

static siginfo_t seen[64];
static volatile int count;
static void record(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  if (count < 64) seen[count] = *info;
  count++;
}

static void block(int a, int b) {
  sigset_t set = set_of(a);
  if (b) sigaddset(&set, b);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
}
static void unblock_all(void) {
  sigset_t none = set_of(0);
  SYS(sigprocmask(SIG_SETMASK, &none, NULL));
}
static void queue(int signal, int value) {
  SYS(sigqueue(getpid(), signal, (union sigval){.sival_int = value}));
}

TEST(value) {
  on_siginfo(SIGUSR1, record, 0);
  count = 0;
  queue(SIGUSR1, 4711);
  CHECK_EQ(count, 1);
  CHECK_EQ(seen[0].si_code, SI_QUEUE);
  CHECK_EQ(seen[0].si_value.sival_int, 4711);
  CHECK_EQ(seen[0].si_pid, getpid());
  CHECK_EQ(seen[0].si_uid, getuid());
}

// Of a program's own siginfo_t Linux reads its fields; what lies behind must be zero where the code does not say what it is.
TEST(layout) {
  uint32_t page = 4096, *end = SYS(mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SYS(munmap((char *)end + page, page));
  siginfo_t *info = (siginfo_t *)((char *)end + page - 48);
  on_siginfo(SIGUSR1, record, 0);
  count = 0;
  info->si_code = SI_QUEUE;
  info->si_value.sival_int = 12;
  CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, info), 0);
  CHECK_EQ(count, 1);
  CHECK_EQ(seen[0].si_value.sival_int, 12);
  info->si_code = 100;
  CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, info), EFAULT);
  siginfo_t whole = *seen;
  whole.si_code = 100;
  CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &whole), 0);
  CHECK_EQ(count, 2);
  ((char *)&whole)[127] = 1;
  CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &whole), E2BIG);
  whole.si_code = SI_TIMER;
  CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &whole), 0);
  CHECK_EQ(count, 3);
  munmap(end, page);
}

// An ordinary signal is pending once, with the first one's value.
TEST(ordinary_once) {
  on_siginfo(SIGUSR1, record, 0);
  block(SIGUSR1, 0);
  count = 0;
  for (int i = 0; i < 5; i++) queue(SIGUSR1, i);
  unblock_all();
  CHECK_EQ(count, 1);
  CHECK_EQ(seen[0].si_value.sival_int, 0);
}

// Realtime signals queue, first in first out.
TEST(realtime_queue) {
  on_siginfo(SIGRTMIN + 1, record, 0);
  block(SIGRTMIN + 1, 0);
  count = 0;
  for (int i = 0; i < 50; i++) queue(SIGRTMIN + 1, i);
  unblock_all();
  CHECK_EQ(count, 50);
  for (int i = 0; i < 50; i++) CHECK_EQ(seen[i].si_value.sival_int, i);
}

// The lowest number comes first; ordinary ones before realtime ones.
TEST(order_of_numbers) {
  sigset_t set = set_of(SIGRTMIN + 3);
  sigaddset(&set, SIGRTMIN + 1), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGRTMIN + 2);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  queue(SIGRTMIN + 3, 1), queue(SIGRTMIN + 1, 2), queue(SIGRTMIN + 2, 3), queue(SIGRTMIN + 1, 4);
  queue(SIGUSR2, 5);
  static const int want[] = {5, 2, 4, 3, 1};
  struct timespec none = {0, 0};
  siginfo_t info;
  for (int i = 0; i < 5; i++) {
    SYS(sigtimedwait(&set, &info, &none));
    CHECK_EQ(info.si_value.sival_int, want[i]);
  }
  CHECK_ERR(sigtimedwait(&set, &info, &none), EAGAIN);
  unblock_all();
}

TEST(pending) {
  sigset_t set;
  block(SIGUSR1, SIGRTMIN + 2);
  SYS(sigpending(&set));
  CHECK(!sigismember(&set, SIGUSR1));
  queue(SIGRTMIN + 2, 1), raise(SIGUSR1);
  SYS(sigpending(&set));
  CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGRTMIN + 2));
  CHECK(!sigismember(&set, SIGUSR2));
  sigset_t both = set_of(SIGUSR1);
  sigaddset(&both, SIGRTMIN + 2);
  CHECK_EQ(sigwaitinfo(&both, NULL), SIGUSR1);
  CHECK_EQ(sigwaitinfo(&both, NULL), SIGRTMIN + 2);
  unblock_all();
}

// For the thread first, then for the process.
TEST(thread_and_process) {
  block(SIGUSR1, 0);
  sigset_t set = set_of(SIGUSR1);
  siginfo_t info;
  SYS(kill(getpid(), SIGUSR1));
  SYS(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
  SYS(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8));  // libc's wrapper hides SI_TKILL
  CHECK_EQ(info.si_code, SI_TKILL);
  SYS(sigwaitinfo(&set, &info));
  CHECK_EQ(info.si_code, SI_USER);
  unblock_all();
}

TEST(timedwait_timeout) {
  sigset_t set = set_of(SIGUSR1);
  block(SIGUSR1, 0);
  struct timespec t = {0, 30000000}, bad = {0, 1000000000};
  long long start = now_us();
  CHECK_ERR(sigtimedwait(&set, NULL, &t), EAGAIN);
  CHECK(now_us() - start >= 30000);
  CHECK_ERR(sigtimedwait(&set, NULL, &bad), EINVAL);
  unblock_all();
}

static void *later(void *tid) {
  wait_sleeping(getpid(), (long)tid);
  sigqueue(getpid(), SIGRTMIN + 4, (union sigval){.sival_int = 12});
  return NULL;
}

TEST(timedwait_woken, CPUS) {
  sigset_t set = set_of(SIGRTMIN + 4);
  block(SIGRTMIN + 4, 0);
  for (int i = 0; i < 50; i++) {
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, later, (void *)syscall(SYS_gettid)) == 0);
    struct timespec t = {30, 0};
    siginfo_t info;
    CHECK_EQ(sigtimedwait(&set, &info, &t), SIGRTMIN + 4);
    CHECK_EQ(info.si_value.sival_int, 12);
    pthread_join(id, NULL);
  }
  unblock_all();
}

static void *usr_later(void *tid) {
  wait_sleeping(getpid(), (long)tid);
  syscall(SYS_tgkill, getpid(), (long)tid, SIGUSR1);
  return NULL;
}

// sigsuspend: the mask changes, the handler runs, the old mask is back: all at once.
TEST(suspend, CPUS) {
  on_siginfo(SIGUSR1, record, 0);
  block(SIGUSR1, SIGUSR2);
  for (int i = 0; i < 50; i++) {
    count = 0;
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, usr_later, (void *)syscall(SYS_gettid)) == 0);
    sigset_t only = set_of(SIGUSR2), now;
    CHECK_ERR(sigsuspend(&only), EINTR);
    CHECK_EQ(count, 1);
    sigprocmask(SIG_BLOCK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGUSR2));
    pthread_join(id, NULL);
  }
  unblock_all();
}

TEST(suspend_already_pending) {
  on_siginfo(SIGUSR1, record, 0);
  block(SIGUSR1, 0);
  for (int i = 0; i < 1000; i++) {
    count = 0;
    raise(SIGUSR1);
    CHECK_EQ(count, 0);
    sigset_t none = set_of(0);
    CHECK_ERR(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 1);
  }
  unblock_all();
}

TEST(queue_limit, FORKS) {
  pid_t pid;
  CHILD(pid) {
    struct rlimit limit = {20, 20};
    if (setresuid(12345, 12345, 12345)) _exit(0);
    SYS(setrlimit(RLIMIT_SIGPENDING, &limit));
    block(SIGRTMIN + 5, SIGUSR1);
    int sent = 0;
    while (sigqueue(getpid(), SIGRTMIN + 5, (union sigval){0}) == 0 && sent < 100) sent++;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(sent, 20);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);  // an ordinary kill always works
  }
  wait_ok(pid);
}

TEST(permissions, FORKS) {
  pid_t pid;
  CHILD(pid) {
    if (setresuid(12345, 12345, 12345)) _exit(0);
    CHECK_ERR(kill(getppid(), SIGUSR1), EPERM);
    CHECK_ERR(kill(getppid(), 0), EPERM);
    CHECK_ERR(kill(1 << 22, 0), ESRCH);
    CHECK_EQ(kill(getpid(), 0), 0);
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
    CHECK_ERR(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info), EPERM);
  }
  wait_ok(pid);
}
