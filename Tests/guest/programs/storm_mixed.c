// Processes of several threads that fork, exec and exit while their siblings run and sleep.
// guest: variants=static,dynamic timeout=180
#include "check.h"

HELPER(exit) { return argc > 2 ? atoi(argv[2]) : 0; }
HELPER(alone) {  // after exec there is one thread, and its id is the process's
  return syscall(SYS_gettid) == getpid() && state_of(getpid(), getpid()) != '?' ? atoi(argv[2]) : 77;
}

static int sleep_pipe[2];
static void *spins(void *unused) {
  for (;;) __asm__ volatile("pause");
  return unused;
}
static void *calls(void *unused) {
  for (;;) syscall(SYS_getppid);
  return unused;
}
static void *reads(void *unused) {
  char byte;
  read(sleep_pipe[0], &byte, 1);
  return unused;
}
static void *naps(void *unused) {
  for (;;) usleep(100);
  return unused;
}
static void *(*const siblings[])(void *) = {spins, calls, reads, naps};
enum { SIBLINGS = sizeof siblings / sizeof *siblings };

static void *leave(void *code) {
  syscall(SYS_exit_group, (long)code);
  return NULL;
}
static void *exec_alone(void *code) {
  char text[8];
  snprintf(text, sizeof text, "%ld", (long)code);
  execl(check_self, check_self, "@alone", text, NULL);
  _exit(78);
}
static void *fork_and_leave(void *code) {
  pid_t pid = fork();
  if (pid < 0) _exit(79);
  if (pid == 0) _exit(syscall(SYS_gettid) == getpid() ? 11 : 12);
  int status = 0;
  waitpid(pid, &status, 0);
  _exit(status == exited(11) ? (long)code : 80);
}

// In a child: siblings of every kind, then `what` in a thread that is not the leader.
static void storming(void *(*what)(void *), bool from_leader) {
  SYS(pipe(sleep_pipe));
  for (long i = 0; i < storm() / 5 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      for (int j = 0; j < SIBLINGS; j++)
        if (pthread_create(&id, NULL, siblings[j], NULL)) _exit(81);
      if (i % 3 == 0) usleep(i % 7 * 50);
      if (from_leader) what((void *)(i % 50));
      if (pthread_create(&id, NULL, what, (void *)(i % 50))) _exit(82);
      for (;;) pause();
    }
    int status = wait_status(pid);
    if (status != exited(i % 50)) FAIL("round %ld: status %#x", i, status);
  }
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
  close(sleep_pipe[0]), close(sleep_pipe[1]);
}

TEST(exit_group_from_leader, FORKS | CPUS) { storming(leave, true); }
TEST(exit_group_from_thread, FORKS | CPUS) { storming(leave, false); }
TEST(exec_from_leader, FORKS | CPUS) { storming(exec_alone, true); }
TEST(exec_from_thread, FORKS | CPUS) { storming(exec_alone, false); }
TEST(fork_from_leader, FORKS | CPUS) { storming(fork_and_leave, true); }
TEST(fork_from_thread, FORKS | CPUS) { storming(fork_and_leave, false); }

// The exit of any one of four threads, all at once: the first code wins, and it is one of theirs.
TEST(everybody_leaves, FORKS | CPUS) {
  for (long i = 0; i < storm() / 5 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      for (long j = 1; j < 5; j++) pthread_create(&id, NULL, leave, (void *)(20 + j));
      leave((void *)20);
    }
    int status = wait_status(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) / 5 != 4) FAIL("status %#x", status);
  }
}

// Everybody execs at once: one wins.
TEST(everybody_execs, FORKS | CPUS) {
  for (long i = 0; i < storm() / 10 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      for (long j = 1; j < 4; j++) pthread_create(&id, NULL, exec_alone, (void *)20);
      exec_alone((void *)20);
    }
    CHECK_EQ(wait_status(pid), exited(20));
  }
}

// Killed from outside at any moment.
TEST(killed_with_siblings, FORKS | CPUS) {
  SYS(pipe(sleep_pipe));
  for (long i = 0; i < storm() / 5 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      for (int j = 0; j < SIBLINGS; j++) pthread_create(&id, NULL, siblings[j], NULL);
      for (;;) pause();
    }
    usleep(i % 20 * 50);
    SYS(kill(pid, SIGKILL));
    CHECK_EQ(wait_status(pid), SIGKILL);
  }
}

// The leader ends first (SYS_exit); the process lives as long as its last thread.
static void *outlives(void *code) {
  usleep(2000);
  _exit((long)code);
}

TEST(leader_exits_first, FORKS | CPUS) {
  for (long i = 0; i < storm() / 10 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      pthread_create(&id, NULL, outlives, (void *)33);
      syscall(SYS_exit, 5);
    }
    CHECK_EQ(wait_status(pid), exited(33));
  }
}

// exec by a thread after the leader has gone.
static void *late_exec(void *unused) {
  (void)unused;
  usleep(1000);
  return exec_alone((void *)44);
}

TEST(exec_after_leader_is_gone, FORKS) {
  for (long i = 0; i < storm() / 10 && !check_failures; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) {
      pthread_t id;
      pthread_create(&id, NULL, late_exec, NULL);
      syscall(SYS_exit, 5);
    }
    CHECK_EQ(wait_status(pid), exited(44));
  }
}

// Threads of one process fork all at once, and allocate while they do.
static void *forker(void *unused) {
  (void)unused;
  for (long i = 0; i < storm() / 20 && !check_failures; i++) {
    free(malloc(5000 + i * 100));
    pid_t pid = fork();
    if (pid == 0) _exit(i % 100);
    if (pid < 0) FAIL("fork: errno %d", errno);
    else CHECK_EQ(wait_status(pid), exited(i % 100));
  }
  return NULL;
}

TEST(forking_threads, FORKS | CPUS) {
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, forker, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
}
