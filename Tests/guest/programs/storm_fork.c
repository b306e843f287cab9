// Storms of fork, exec and exit. At the end: no descriptor more, no zombie, no child.
// guest: timeout=180
#include <spawn.h>

#include "check.h"

HELPER(exit) { return argc > 2 ? atoi(argv[2]) : 0; }

static int fds_before;
static void begin(void) { fds_before = count_fds(); }
static void nothing_left(void) {
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
  CHECK_EQ(count_fds(), fds_before);
}

TEST(fork_exit, FORKS | CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) _exit(i % 251);
    CHECK_EQ(wait_status(pid), exited(i % 251));
  }
  nothing_left();
}

TEST(fork_exec_exit, FORKS | CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      char code[8];
      snprintf(code, sizeof code, "%ld", i % 251);
      execl(check_self, check_self, "@exit", code, NULL);
      _exit(99);
    }
    CHECK_EQ(wait_status(pid), exited(i % 251));
  }
  nothing_left();
}

// Many at once, reaped in whatever order they end.
TEST(many_at_once, FORKS | CPUS) {
  begin();
  enum { BATCH = 32 };
  for (long round = 0; round * BATCH < storm() && !check_failures; round++) {
    pid_t pids[BATCH];
    for (int i = 0; i < BATCH; i++) {
      pids[i] = SYS(fork());
      if (pids[i] == 0) {
        if (i % 3 == 0) execl(check_self, check_self, "@exit", "7", NULL);
        _exit(7);
      }
    }
    for (int left = BATCH; left > 0; left--) {
      int status;
      pid_t pid = SYS(wait(&status));
      int known = 0;
      for (int i = 0; i < BATCH; i++)
        if (pids[i] == pid) pids[i] = 0, known = 1;
      CHECK(known);
      CHECK_EQ(status, exited(7));
    }
  }
  nothing_left();
}

// A chain: each child forks the next and waits for it.
static int chain(int depth) {
  if (depth == 0) return 5;
  pid_t pid = fork();
  if (pid < 0) return 90;
  if (pid == 0) _exit(chain(depth - 1));
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 91;
  return WEXITSTATUS(status);
}

TEST(chain, FORKS) {
  begin();
  for (long i = 0; i < storm() / 50; i++) CHECK_EQ(chain(20), 5);
  nothing_left();
}

// Orphans: the middle process leaves at once; all of them must end, seen by their pipe's end.
TEST(orphans, FORKS | CPUS) {
  begin();
  for (long i = 0; i < storm() / 10 && !check_failures; i++) {
    int ends[2];
    SYS(pipe(ends));
    pid_t pid = SYS(fork());
    if (pid == 0) {
      for (int j = 0; j < 5; j++)
        if (fork() == 0) {
          if (j % 2) execl(check_self, check_self, "@exit", "0", NULL);
          _exit(0);
        }
      _exit(0);
    }
    close(ends[1]);
    wait_ok(pid);
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 0);
    close(ends[0]);
  }
  nothing_left();
}

// Children killed at any moment of their life.
TEST(killed_children, FORKS | CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      if (i % 2) execl(check_self, check_self, "@exit", "0", NULL);
      for (volatile long j = 0; j < (i % 7) * 10000; j++) {}
      for (;;) pause();
    }
    if (i % 3) sched_yield();
    if (i % 5 == 0) usleep(i % 11 * 100);
    SYS(kill(pid, SIGKILL));
    int status = wait_status(pid);
    if (status != SIGKILL && !(i % 2 && status == 0)) FAIL("round %ld: status %#x", i, status);
  }
  nothing_left();
}

static void tick(int signal) { (void)signal; }
// The storm under a storm: a timer signal every 50 microseconds.
TEST(fork_exec_in_a_storm, FORKS | CPUS) {
  begin();
  on_signal(SIGALRM, tick, SA_RESTART);
  struct itimerval fast = {{0, 50}, {0, 50}}, off = {0};
  for (long i = 0; i < storm() && !check_failures; i++) {
    SYS(setitimer(ITIMER_REAL, &fast, NULL));
    pid_t pid = fork();
    if (pid < 0 && errno == EINTR) continue;
    REQUIRE(pid >= 0);
    if (pid == 0) {
      if (i % 2) execl(check_self, check_self, "@exit", "3", NULL);
      _exit(3);
    }
    CHECK_EQ(wait_status(pid), exited(3));
    SYS(setitimer(ITIMER_REAL, &off, NULL));
  }
  nothing_left();
}
