// Storms of vfork and posix_spawn: what a machine without an MMU has.
// guest: variants=static,dynamic,musl timeout=180
#include <spawn.h>

#include "check.h"

extern char **environ;

HELPER(exit) { return argc > 2 ? atoi(argv[2]) : 0; }
HELPER(say) {
  say("%s\n", argv[2]);
  return 0;
}

static int fds_before;
static void begin(void) { fds_before = count_fds(); }
static void nothing_left(void) {
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
  CHECK_EQ(count_fds(), fds_before);
}

TEST(vfork_exit, CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    pid_t pid = vfork();
    if (pid == 0) _exit(i % 251);
    REQUIRE(pid > 0);
    CHECK_EQ(wait_status(pid), exited(i % 251));
  }
  nothing_left();
}

TEST(vfork_exec, CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    char code[8];
    snprintf(code, sizeof code, "%ld", i % 251);
    char *args[] = {check_self, "@exit", code, NULL};
    pid_t pid = vfork();
    if (pid == 0) {
      execv(check_self, args);
      _exit(99);
    }
    REQUIRE(pid > 0);
    CHECK_EQ(wait_status(pid), exited(i % 251));
  }
  nothing_left();
}

TEST(vfork_exec_fails) {
  begin();
  char *args[] = {"none", NULL};
  for (long i = 0; i < storm() && !check_failures; i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      execv("/nonexistent/program", args);
      _exit(errno == ENOENT ? 44 : 45);
    }
    CHECK_EQ(wait_status(pid), exited(44));
  }
  nothing_left();
}

TEST(posix_spawn, CPUS) {
  begin();
  for (long i = 0; i < storm() && !check_failures; i++) {
    char code[8];
    snprintf(code, sizeof code, "%ld", i % 251);
    char *args[] = {check_self, "@exit", code, NULL};
    pid_t pid;
    REQUIRE(posix_spawn(&pid, check_self, NULL, NULL, args, environ) == 0);
    CHECK_EQ(wait_status(pid), exited(i % 251));
  }
  nothing_left();
}

TEST(posix_spawn_missing) {
  pid_t pid;
  char *args[] = {"none", NULL};
  CHECK_EQ(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, args, environ), ENOENT);
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(posix_spawn_into_pipe, CPUS) {
  begin();
  for (long i = 0; i < storm() / 5 && !check_failures; i++) {
    int ends[2];
    char text[24], got[32] = "";
    SYS(pipe2(ends, O_CLOEXEC));
    snprintf(text, sizeof text, "%ld", i);
    char *args[] = {check_self, "@say", text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    pid_t pid;
    REQUIRE(posix_spawn(&pid, check_self, &actions, NULL, args, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    CHECK(read(ends[0], got, sizeof got - 1) > 0);
    CHECK_EQ(atol(got), i);
    CHECK_EQ(read(ends[0], got, 1), 0);
    close(ends[0]);
    wait_ok(pid);
  }
  nothing_left();
}

TEST(posix_spawn_attributes) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  char *args[] = {check_self, "@exit", "6", NULL};
  pid_t pid;
  REQUIRE(posix_spawn(&pid, check_self, NULL, &attributes, args, environ) == 0);
  posix_spawnattr_destroy(&attributes);
  CHECK_EQ(wait_status(pid), exited(6));
}

static void *spawner(void *unused) {
  (void)unused;
  for (long i = 0; i < storm() / 8 && !check_failures; i++) {
    char *args[] = {check_self, "@exit", "9", NULL};
    pid_t pid;
    if (posix_spawn(&pid, check_self, NULL, NULL, args, environ)) FAIL("posix_spawn");
    else CHECK_EQ(wait_status(pid), exited(9));
  }
  return NULL;
}

TEST(spawning_threads, CPUS) {
  begin();
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, spawner, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  nothing_left();
}

// While a vfork child has not yet left, its parent sleeps and its siblings run.
static volatile int running = 1;
static volatile long turns;
static void *turner(void *unused) {
  (void)unused;
  while (running) turns++;
  return NULL;
}

TEST(siblings_run_during_vfork, CPUS) {
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, turner, NULL) == 0);
  static volatile int child_done;
  pid_t pid = vfork();
  if (pid == 0) {
    long before = turns;
    for (int i = 0; i < 10000 && turns == before; i++) usleep(1000);
    child_done = turns != before ? 1 : 2;
    _exit(0);
  }
  CHECK_EQ(child_done, 1);
  wait_ok(pid);
  running = 0;
  pthread_join(id, NULL);
}
