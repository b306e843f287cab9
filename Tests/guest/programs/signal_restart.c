// Which calls start again after a handler with SA_RESTART, and which give EINTR all the same.
// guest: timeout=120
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <linux/futex.h>

#include "check.h"

static volatile int handled;
static void handler(int signal) {
  (void)signal;
  handled++;
}

static pid_t sleeper_tid;
static int wake_fd = -1;     // the waker writes a byte here after the signals
static int *wake_word;
enum { SIGNALS = 3 };

// Sends signals while the main thread sleeps in its call, then lets the call succeed.
static void *waker(void *unused) {
  for (int i = 0; i < SIGNALS; i++) {
    wait_sleeping(getpid(), sleeper_tid);
    int before = handled;
    syscall(SYS_tgkill, getpid(), sleeper_tid, SIGUSR1);
    if (!EVENTUALLY(handled > before)) FAIL("signal %d was not handled", i);
  }
  wait_sleeping(getpid(), sleeper_tid);
  if (wake_fd >= 0) write(wake_fd, "12345678", 8);
  if (wake_word) {
    *wake_word = 1;
    syscall(SYS_futex, wake_word, FUTEX_WAKE, 1);
  }
  return unused;
}

// With SA_RESTART: `value`, after all signals. Without: EINTR at the first one.
#define RESTARTS(call, value)                                                     \
  do {                                                                            \
    pthread_t id_;                                                                \
    sleeper_tid = syscall(SYS_gettid), handled = 0;                               \
    on_signal(SIGUSR1, handler, SA_RESTART);                                      \
    REQUIRE(pthread_create(&id_, NULL, waker, NULL) == 0);                        \
    CHECK_EQ(call, value);                                                        \
    pthread_join(id_, NULL);                                                      \
    CHECK_EQ(handled, SIGNALS);                                                   \
  } while (0)

static void *single(void *unused) {
  wait_sleeping(getpid(), sleeper_tid);
  syscall(SYS_tgkill, getpid(), sleeper_tid, SIGUSR1);
  return unused;
}
#define INTERRUPTED_WITH(flags, call)                                             \
  do {                                                                            \
    pthread_t id_;                                                                \
    sleeper_tid = syscall(SYS_gettid), handled = 0;                               \
    on_signal(SIGUSR1, handler, flags);                                           \
    REQUIRE(pthread_create(&id_, NULL, single, NULL) == 0);                       \
    CHECK_ERR(call, EINTR);                                                       \
    pthread_join(id_, NULL);                                                      \
    CHECK_EQ(handled, 1);                                                         \
  } while (0)
#define INTERRUPTED(call) INTERRUPTED_WITH(0, call)
// EINTR with SA_RESTART and without.
#define NEVER_RESTARTS(call)            \
  do {                                  \
    INTERRUPTED_WITH(SA_RESTART, call); \
    INTERRUPTED_WITH(0, call);          \
  } while (0)

static int ends[2];
static char bytes[8];
static void make_pipe(void) {
  SYS(pipe(ends));
  wake_fd = ends[1];
}

TEST(read_pipe, CPUS) {
  make_pipe();
  INTERRUPTED(read(ends[0], bytes, 8));
  RESTARTS(read(ends[0], bytes, 8), 8);
}

TEST(readv_pipe) {
  make_pipe();
  struct { void *base; size_t size; } vector[2] = {{bytes, 3}, {bytes + 3, 5}};
  INTERRUPTED(syscall(SYS_readv, ends[0], vector, 2));
  RESTARTS(syscall(SYS_readv, ends[0], vector, 2), 8);
}

static void *drainer(void *unused) {
  char block[4096];
  waker(NULL);
  for (int left = 65536 + 4096; left > 0;) left -= read(ends[0], block, sizeof block);
  return unused;
}

TEST(write_pipe) {
  make_pipe();
  wake_fd = -1;
  static char block[65536];
  CHECK_EQ(write(ends[1], block, 65536), 65536);
  INTERRUPTED(write(ends[1], block, 4096));
  pthread_t id;
  sleeper_tid = syscall(SYS_gettid), handled = 0;
  on_signal(SIGUSR1, handler, SA_RESTART);
  REQUIRE(pthread_create(&id, NULL, drainer, NULL) == 0);
  CHECK_EQ(write(ends[1], block, 4096), 4096);
  pthread_join(id, NULL);
  CHECK_EQ(handled, SIGNALS);
}

// A write that has done a part gives the part, not EINTR.
TEST(write_partial) {
  make_pipe();
  static char block[100000];
  pthread_t id;
  sleeper_tid = syscall(SYS_gettid), handled = 0;
  on_signal(SIGUSR1, handler, 0);
  REQUIRE(pthread_create(&id, NULL, single, NULL) == 0);
  CHECK_EQ(write(ends[1], block, sizeof block), 65536);
  pthread_join(id, NULL);
}

TEST(read_eventfd) {
  wake_fd = SYS(eventfd(0, 0));
  INTERRUPTED(read(wake_fd, bytes, 8));
  RESTARTS(read(wake_fd, bytes, 8), 8);
}

TEST(socket_pair) {
  int pair[2];
  SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  wake_fd = pair[1];
  INTERRUPTED(read(pair[0], bytes, 8));
  RESTARTS(read(pair[0], bytes, 8), 8);
  INTERRUPTED(recv(pair[0], bytes, 8, 0));
  RESTARTS(recv(pair[0], bytes, 8, 0), 8);
}

TEST(open_fifo) {
  SYS(mkfifo("fifo", 0600));
  INTERRUPTED(open("fifo", O_RDONLY));
  unlink("fifo");
}

TEST(futex_wait, CPUS) {
  static int word;
  wake_fd = -1, wake_word = &word;
  struct timespec long_time = {100, 0};
  INTERRUPTED(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL));
  RESTARTS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL), 0);
  word = 0;
  NEVER_RESTARTS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &long_time));
  RESTARTS(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, NULL, NULL, ~0), 0);
}

TEST(polls_never_restart, CPUS) {
  make_pipe();
  struct pollfd one = {ends[0], POLLIN, 0};
  NEVER_RESTARTS(poll(&one, 1, -1));
  NEVER_RESTARTS(poll(&one, 1, 100000));
  struct timespec t = {100, 0};
  NEVER_RESTARTS(ppoll(&one, 1, &t, NULL));
  NEVER_RESTARTS(ppoll(&one, 1, NULL, NULL));
}

TEST(selects_never_restart) {
  make_pipe();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  NEVER_RESTARTS(select(ends[0] + 1, &set, NULL, NULL, NULL));
  struct timespec t = {100, 0};
  NEVER_RESTARTS(pselect(ends[0] + 1, &set, NULL, NULL, &t, NULL));
}

TEST(epoll_never_restarts) {
  int epoll = SYS(epoll_create1(0));
  struct epoll_event event;
  NEVER_RESTARTS(epoll_wait(epoll, &event, 1, -1));
  NEVER_RESTARTS(epoll_pwait(epoll, &event, 1, 100000, NULL));
}

TEST(sleeps_never_restart) {
  struct timespec t = {100, 0}, rest = {0};
  NEVER_RESTARTS(nanosleep(&t, &rest));
  CHECK(rest.tv_sec >= 80 && rest.tv_sec <= 100);
  NEVER_RESTARTS(-(errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest), errno != 0));
  NEVER_RESTARTS(pause());
}

TEST(signal_waits_never_restart) {
  sigset_t set = set_of(SIGUSR2);
  NEVER_RESTARTS(sigwaitinfo(&set, NULL));
  sigset_t none = set_of(0);
  NEVER_RESTARTS(sigsuspend(&none));
}

TEST(wait_for_child, FORKS | CPUS) {
  make_pipe();
  pid_t pid;
  CHILD(pid) {
    close(ends[1]);
    read(ends[0], bytes, 1);  // until the parent lets go
    _exit(7);
  }
  int status = 0;
  siginfo_t info;
  INTERRUPTED(waitpid(pid, &status, 0));
  INTERRUPTED(waitid(P_PID, pid, &info, WEXITED));
  RESTARTS(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, exited(7));
}

TEST(locks, FORKS) {
  make_pipe();
  int fd = SYS(open("lock", O_CREAT | O_RDWR, 0600));
  struct flock lock = {.l_type = F_WRLCK};
  pid_t pid;
  int ready[2];
  SYS(pipe(ready));
  CHILD(pid) {
    int mine = SYS(open("lock", O_RDWR));
    SYS(fcntl(fd, F_SETLK, &lock));
    SYS(flock(mine, LOCK_EX));
    write(ready[1], "r", 1);
    close(ends[1]);
    read(ends[0], bytes, 8);
  }
  read(ready[0], bytes, 1);
  INTERRUPTED(fcntl(fd, F_SETLKW, &lock));
  INTERRUPTED(flock(fd, LOCK_EX));
  RESTARTS(fcntl(fd, F_SETLKW, &lock), 0);
  CHECK_EQ(flock(fd, LOCK_EX), 0);
  wait_ok(pid);
  unlink("lock");
}

// A signal without a handler (ignored, or stop and continue) does not interrupt anything.
static void *ignored_sender(void *unused) {
  for (int i = 0; i < 3; i++) {
    wait_sleeping(getpid(), sleeper_tid);
    kill(getpid(), SIGWINCH);
    kill(getpid(), SIGURG);
  }
  usleep(20000);
  write(wake_fd, "12345678", 8);
  return unused;
}

TEST(ignored_do_not_interrupt) {
  make_pipe();
  struct pollfd one = {ends[0], POLLIN, 0};
  sleeper_tid = syscall(SYS_gettid);
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, ignored_sender, NULL) == 0);
  CHECK_EQ(poll(&one, 1, -1), 1);
  pthread_join(id, NULL);
}
