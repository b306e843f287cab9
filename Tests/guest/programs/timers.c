// Clocks, sleeps, interval and POSIX timers, timerfd, signalfd, alarm.
// guest: variants=static,musl
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "check.h"

static volatile int ticks;
static siginfo_t last;
static void tick(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  ticks++;
  last = *info;
}

TEST(clocks) {
  static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                     CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID,
                                     CLOCK_THREAD_CPUTIME_ID};
  struct timespec a, b, resolution;
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    SYS(clock_gettime(clocks[i], &a));
    SYS(syscall(SYS_clock_gettime, clocks[i], &b));  // past the vDSO
    CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
    CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
    SYS(clock_getres(clocks[i], &resolution));
    CHECK(resolution.tv_sec == 0 && resolution.tv_nsec > 0);
  }
  CHECK_ERR(clock_gettime(999, &a), EINVAL);
  struct timeval tv;
  SYS(gettimeofday(&tv, NULL));
  CHECK(labs(tv.tv_sec - time(NULL)) <= 1);
}

static void *watches_clock(void *unused) {
  long long before = 0;
  for (int i = 0; i < 100000; i++) {
    long long now = now_us();
    if (now < before) FAIL("the clock went back by %lld us", before - now);
    before = now;
  }
  return unused;
}

TEST(clock_never_goes_back, CPUS) {
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, watches_clock, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
}

TEST(setting_needs_privilege, FORKS) {
  pid_t pid;
  CHILD(pid) {
    if (getuid() == 0 && setresuid(12345, 12345, 12345)) _exit(0);
    struct timespec t = {1000000000, 0};
    CHECK_ERR(clock_settime(CLOCK_REALTIME, &t), EPERM);
    CHECK_ERR(clock_settime(CLOCK_MONOTONIC, &t), EINVAL);
  }
  wait_ok(pid);
}

TEST(sleeps, CPUS) {
  struct timespec t = {0, 20000000}, bad = {0, 1000000000}, negative = {-1, 0}, now;
  for (int i = 0; i < 5; i++) {
    long long start = now_us();
    SYS(nanosleep(&t, NULL));
    long long took = now_us() - start;
    CHECK(took >= 20000 && took < 5000000);
  }
  CHECK_ERR(nanosleep(&bad, NULL), EINVAL);
  CHECK_ERR(nanosleep(&negative, NULL), EINVAL);
  SYS(clock_gettime(CLOCK_MONOTONIC, &now));
  long long start = now_us();
  now.tv_nsec += 20000000;
  if (now.tv_nsec >= 1000000000) now.tv_sec++, now.tv_nsec -= 1000000000;
  CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL), 0);
  CHECK(now_us() - start >= 19000);
  CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL), 0);  // past: at once
  CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, 0, &(struct timespec){0, 1000}, NULL), 0);
  CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL), EINVAL);
}

TEST(interrupted_sleep_tells_the_rest) {
  on_siginfo(SIGALRM, tick, SA_RESTART);
  struct itimerval once = {{0, 0}, {0, 30000}};
  struct timespec t = {100, 0}, rest;
  SYS(setitimer(ITIMER_REAL, &once, NULL));
  CHECK_ERR(nanosleep(&t, &rest), EINTR);
  CHECK(rest.tv_sec == 99 && rest.tv_nsec > 0);
}

TEST(interval_timer) {
  on_siginfo(SIGALRM, tick, SA_RESTART);
  struct itimerval every = {{0, 5000}, {0, 5000}}, now, off = {0};
  ticks = 0;
  SYS(setitimer(ITIMER_REAL, &every, NULL));
  while (ticks < 20) pause();
  CHECK_EQ(last.si_code, SI_KERNEL);
  SYS(getitimer(ITIMER_REAL, &now));
  CHECK(now.it_interval.tv_usec == 5000 && now.it_value.tv_usec <= 5000);
  SYS(setitimer(ITIMER_REAL, &off, &now));
  CHECK_EQ(now.it_interval.tv_usec, 5000);
  int count = ticks;
  sleep_ms(20);
  CHECK_EQ(ticks, count);
  every.it_value.tv_usec = 1000000;
  CHECK_ERR(setitimer(ITIMER_REAL, &every, NULL), EINVAL);
  CHECK_ERR(setitimer(9, &off, NULL), EINVAL);
}

TEST(cpu_timers) {
  on_siginfo(SIGVTALRM, tick, 0);
  on_siginfo(SIGPROF, tick, 0);
  struct itimerval every = {{0, 10000}, {0, 10000}}, off = {0};
  for (int kind = ITIMER_VIRTUAL; kind <= ITIMER_PROF; kind++) {
    ticks = 0;
    SYS(setitimer(kind, &every, NULL));
    long long end = now_us() + 20000000;
    while (ticks < 3 && now_us() < end) {}
    CHECK(ticks >= 3);
    SYS(setitimer(kind, &off, NULL));
  }
}

TEST(alarms) {
  on_siginfo(SIGALRM, tick, 0);
  CHECK_EQ(alarm(100), 0);
  CHECK_EQ(alarm(50), 100);
  CHECK_EQ(alarm(0), 50);
  CHECK_EQ(alarm(0), 0);
  ticks = 0;
  alarm(1);
  CHECK_ERR(pause(), EINTR);
  CHECK_EQ(ticks, 1);
}

TEST(posix_timer, CPUS) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 42};
  on_siginfo(SIGRTMIN + 1, tick, 0);
  SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec every = {{0, 5000000}, {0, 5000000}}, now;
  ticks = 0;
  SYS(timer_settime(timer, 0, &every, NULL));
  while (ticks < 10) pause();
  CHECK_EQ(last.si_code, SI_TIMER);
  CHECK_EQ(last.si_value.sival_int, 42);
  SYS(timer_gettime(timer, &now));
  CHECK_EQ(now.it_interval.tv_nsec, 5000000);
  // Blocked, expirations add up to one signal with an overrun count.
  sigset_t set = set_of(SIGRTMIN + 1);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  sleep_ms(60);
  siginfo_t info;
  SYS(sigwaitinfo(&set, &info));
  CHECK(info.si_overrun >= 4);
  CHECK_EQ(timer_getoverrun(timer), info.si_overrun);
  SYS(timer_delete(timer));
  CHECK_ERR(syscall(SYS_timer_gettime, 12345, &now), EINVAL);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

TEST(posix_timer_absolute) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
  struct itimerspec at = {0}, now;
  SYS(clock_gettime(CLOCK_MONOTONIC, &at.it_value));
  at.it_value.tv_sec += 100;
  SYS(timer_settime(timer, TIMER_ABSTIME, &at, NULL));
  SYS(timer_gettime(timer, &now));
  CHECK(now.it_value.tv_sec >= 90 && now.it_value.tv_sec <= 100);
  SYS(timer_delete(timer));
  event.sigev_notify = 77;
  CHECK_ERR(timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
  CHECK_ERR(timer_create(999, NULL, &timer), EINVAL);
}

TEST(timer_descriptor) {
  int fd = SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  uint64_t count;
  CHECK_ERR(read(fd, &count, 8), EAGAIN);
  struct itimerspec every = {{0, 5000000}, {0, 1}}, now;
  SYS(timerfd_settime(fd, 0, &every, NULL));
  struct pollfd p = {fd, POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 20000), 1);
  sleep_ms(30);
  CHECK_EQ(read(fd, &count, 8), 8);
  CHECK(count >= 5);
  SYS(timerfd_gettime(fd, &now));
  CHECK_EQ(now.it_interval.tv_nsec, 5000000);
  fcntl(fd, F_SETFL, 0);
  CHECK_EQ(read(fd, &count, 8), 8);  // waits for the next one
  CHECK(count >= 1);
  CHECK_ERR(read(fd, &count, 4), EINVAL);
  CHECK_ERR(write(fd, &count, 8), EINVAL);
  every = (struct itimerspec){0};
  SYS(timerfd_settime(fd, 0, &every, &now));
  CHECK_EQ(poll(&p, 1, 20), 0);
  SYS(clock_gettime(CLOCK_MONOTONIC, &every.it_value));
  SYS(timerfd_settime(fd, TFD_TIMER_ABSTIME, &every, NULL));  // now
  CHECK_EQ(read(fd, &count, 8), 8);
  CHECK_EQ(count, 1);
  CHECK_ERR(timerfd_create(999, 0), EINVAL);
  CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 0x1), EINVAL);
  CHECK_ERR(timerfd_settime(0, 0, &every, NULL), EINVAL);
  close(fd);
}

TEST(signal_descriptor) {
  sigset_t set = set_of(SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  int fd = SYS(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  struct signalfd_siginfo info[3];
  CHECK_ERR(read(fd, info, sizeof info), EAGAIN);
  struct pollfd p = {fd, POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 0), 0);
  raise(SIGUSR1);
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 31});
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(read(fd, info, sizeof info), 2 * sizeof *info);
  CHECK_EQ(info[0].ssi_signo, SIGUSR1);
  CHECK_EQ(info[0].ssi_pid, getpid());
  CHECK_EQ(info[1].ssi_signo, SIGRTMIN + 1);
  CHECK_EQ(info[1].ssi_int, 31);
  CHECK_ERR(read(fd, info, 10), EINVAL);
  set = set_of(SIGUSR2);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  CHECK_EQ(signalfd(fd, &set, 0), fd);  // another set
  raise(SIGUSR1), raise(SIGUSR2);
  CHECK_EQ(read(fd, info, sizeof info), sizeof *info);
  CHECK_EQ(info[0].ssi_signo, SIGUSR2);
  set = set_of(SIGUSR1);
  CHECK_EQ(sigwaitinfo(&set, NULL), SIGUSR1);
  close(fd);
}

// Sleepers of different lengths end in their order.
static volatile int order;
static void *sleeps(void *ms) {
  sleep_ms((long)ms);
  return (void *)(long)__atomic_fetch_add(&order, 1, __ATOMIC_SEQ_CST);
}

TEST(sleepers_in_order, CPUS) {
  static const long ms[] = {250, 100, 400, 10, 700};
  static const long want[] = {2, 1, 3, 0, 4};
  pthread_t ids[5];
  order = 0;
  for (int i = 0; i < 5; i++) REQUIRE(pthread_create(&ids[i], NULL, sleeps, (void *)ms[i]) == 0);
  for (int i = 0; i < 5; i++) {
    void *place;
    pthread_join(ids[i], &place);
    CHECK_EQ(place, want[i]);
  }
}
