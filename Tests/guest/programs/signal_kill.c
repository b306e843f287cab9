// kill to a process, a group, everybody; tgkill; which thread takes a signal.
#include "check.h"

// `count` children in a group of their own, each waiting for a signal.
static pid_t group(pid_t *pids, int count) {
  for (int i = 0; i < count; i++) {
    int ready[2];
    char byte;
    SYS(pipe(ready));
    pids[i] = SYS(fork());
    if (pids[i] == 0) {
      setpgid(0, i ? pids[0] : 0);
      write(ready[1], "r", 1);
      for (;;) pause();
    }
    SYS(read(ready[0], &byte, 1));
    close(ready[0]), close(ready[1]);
  }
  return pids[0];
}

TEST(one_process, FORKS) {
  pid_t pid;
  group(&pid, 1);
  CHECK_EQ(kill(pid, 0), 0);
  SYS(kill(pid, SIGTERM));
  CHECK_EQ(wait_status(pid), SIGTERM);
  CHECK_ERR(kill(pid, 0), ESRCH);
}

TEST(zombie_can_be_killed, FORKS) {
  pid_t pid = SYS(fork());
  if (pid == 0) _exit(0);
  siginfo_t info;
  SYS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  CHECK_EQ(kill(pid, SIGKILL), 0);
  wait_ok(pid);
}

TEST(a_group, FORKS | CPUS) {
  pid_t pids[5], leader = group(pids, 5);
  SYS(kill(-leader, SIGUSR1));
  for (int i = 0; i < 5; i++) CHECK_EQ(wait_status(pids[i]), SIGUSR1);
  CHECK_ERR(kill(-leader, SIGUSR1), ESRCH);
}

TEST(killpg_survivor, FORKS) {
  pid_t pids[3], leader = group(pids, 3);
  SYS(kill(leader, SIGKILL));
  CHECK_EQ(wait_status(leader), SIGKILL);
  SYS(killpg(leader, SIGHUP));  // the group outlives its leader
  for (int i = 1; i < 3; i++) CHECK_EQ(wait_status(pids[i]), SIGHUP);
}

TEST(own_group, FORKS) {
  pid_t pid;
  CHILD(pid) {
    setpgid(0, 0);
    pid_t child = SYS(fork());
    if (child == 0)
      for (;;) pause();
    on_signal(SIGTERM, SIG_IGN, 0);
    SYS(kill(0, SIGTERM));  // the child has the default action: forked before it was ignored
    CHECK_EQ(wait_status(child), SIGTERM);
  }
  wait_ok(pid);
}

TEST(errors, FORKS) {
  CHECK_ERR(kill(getpid(), 65), EINVAL);
  CHECK_ERR(kill(getpid(), -1), EINVAL);
  CHECK_ERR(kill(0x3fffffff, 0), ESRCH);
  CHECK_ERR(kill(-0x3fffffff, 0), ESRCH);
  CHECK_ERR(kill(INT_MIN, 0), ESRCH);
  CHECK_ERR(syscall(SYS_tgkill, getpid(), getpid(), 65), EINVAL);
  CHECK_ERR(syscall(SYS_tgkill, getpid(), 0, 0), EINVAL);
  CHECK_ERR(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0), ESRCH);
  CHECK_ERR(syscall(SYS_tkill, -1, SIGUSR1), EINVAL);
  pid_t pid;
  group(&pid, 1);
  CHECK_ERR(syscall(SYS_tgkill, getpid(), pid, 0), ESRCH);  // a thread, but not of this process
  CHECK_EQ(syscall(SYS_tgkill, pid, pid, SIGTERM), 0);
  CHECK_EQ(wait_status(pid), SIGTERM);
}

static volatile pid_t taken_by;
static void take(int signal) {
  (void)signal;
  taken_by = syscall(SYS_gettid);
}
static volatile int go_on = 1;
static volatile pid_t thread_tid;
static void *idle_thread(void *unused) {
  thread_tid = syscall(SYS_gettid);
  while (go_on) usleep(1000);
  return unused;
}

TEST(to_a_thread, CPUS) {
  on_signal(SIGUSR1, take, 0);
  pthread_t id;
  go_on = 1, thread_tid = 0;
  REQUIRE(pthread_create(&id, NULL, idle_thread, NULL) == 0);
  REQUIRE(EVENTUALLY(thread_tid != 0));
  for (int i = 0; i < 20; i++) {
    taken_by = 0;
    SYS(syscall(SYS_tgkill, getpid(), thread_tid, SIGUSR1));
    CHECK(EVENTUALLY(taken_by == thread_tid));
    taken_by = 0;
    REQUIRE(pthread_kill(pthread_self(), SIGUSR1) == 0);
    CHECK_EQ(taken_by, getpid());
  }
  go_on = 0;
  pthread_join(id, NULL);
}

// A signal for the process goes to a thread that does not block it.
TEST(to_whoever_can, CPUS) {
  on_signal(SIGUSR1, take, 0);
  pthread_t id;
  go_on = 1, thread_tid = 0;
  REQUIRE(pthread_create(&id, NULL, idle_thread, NULL) == 0);
  REQUIRE(EVENTUALLY(thread_tid != 0));
  sigset_t set = set_of(SIGUSR1);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  for (int i = 0; i < 20; i++) {
    taken_by = 0;
    SYS(kill(getpid(), SIGUSR1));
    CHECK(EVENTUALLY(taken_by == thread_tid));
  }
  go_on = 0;
  pthread_join(id, NULL);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

// Blocked by every thread it waits until one unblocks it.
TEST(waits_for_unblocking) {
  on_signal(SIGUSR1, take, 0);
  sigset_t set = set_of(SIGUSR1);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  taken_by = 0;
  SYS(kill(getpid(), SIGUSR1));
  CHECK_EQ(taken_by, 0);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
  CHECK_EQ(taken_by, getpid());
}

// Signals by the thousand between two processes; each realtime one arrives.
static volatile int received;
static void receive(int signal) {
  (void)signal;
  received++;
}

TEST(many_between_processes, FORKS | CPUS) {
  int total = storm() < 1000 ? 1000 : 5000;
  on_signal(SIGRTMIN + 1, receive, 0);
  sigset_t set = set_of(SIGRTMIN + 1), old;
  SYS(sigprocmask(SIG_BLOCK, &set, &old));
  pid_t pid;
  CHILD(pid) {
    received = 0;
    while (received < total) sigsuspend(&old);
    CHECK_EQ(received, total);
  }
  for (int i = 0; i < total; i++)
    while (sigqueue(pid, SIGRTMIN + 1, (union sigval){0})) {
      REQUIRE(errno == EAGAIN);
      usleep(100);
    }
  wait_ok(pid);
  SYS(sigprocmask(SIG_SETMASK, &old, NULL));
}

// -1 means everybody but oneself and process 1. Natively that would be the whole machine: the
// MARTLET flag is what keeps this from running there.
TEST(everybody, FORKS | MARTLET) {
  pid_t pids[4];
  group(pids, 4);
  on_signal(SIGTERM, SIG_IGN, 0);
  SYS(kill(-1, SIGTERM));
  for (int i = 0; i < 4; i++) CHECK_EQ(wait_status(pids[i]), SIGTERM);
  CHECK_EQ(kill(1, 0), 0);
}

// Process 1 takes no signal that it has no handler for.
TEST(init_is_protected, FORKS | MARTLET) {
  CHECK_EQ(kill(1, SIGKILL), 0);
  CHECK_EQ(kill(1, SIGTERM), 0);
  usleep(10000);
  CHECK_EQ(kill(1, 0), 0);
}
