// processes thread|fork, processes fork-exec|vfork-exec|spawn|fork-sh PROGRAM: from the start to the end of one.
#include "bench.h"

#include <pthread.h>
#include <spawn.h>

static char *arguments[4];
extern char **environ;

static void *end(void *unused) { return unused; }

static void thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, end, NULL) != 0) die("pthread_create");
  pthread_join(thread, NULL);
}

static void become(void) {
  execve(arguments[0], arguments, environ);
  _exit(127);
}

static void fork_exit(void) {
  pid_t child = CHECK(fork());
  if (child == 0) _exit(0);
  reap(child);
}

static void fork_exec(void) {
  pid_t child = CHECK(fork());
  if (child == 0) become();
  reap(child);
}

static void vfork_exec(void) {
  pid_t child = CHECK(vfork());
  if (child == 0) become();
  reap(child);
}

static void spawn(void) {
  pid_t child;
  errno = posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ);
  if (errno != 0) die("posix_spawn");
  reap(child);
}

static double do_thread(long n) { return TIMED(n, thread()); }
static double do_fork(long n) { return TIMED(n, fork_exit()); }
static double do_fork_exec(long n) { return TIMED(n, fork_exec()); }
static double do_vfork_exec(long n) { return TIMED(n, vfork_exec()); }
static double do_spawn(long n) { return TIMED(n, spawn()); }

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  arguments[0] = argc > 2 ? argv[2] : NULL;
  if (strcmp(name, "thread") == 0) measure(do_thread, 1);
  else if (strcmp(name, "fork") == 0) measure(do_fork, 1);
  else if (strcmp(name, "vfork-exec") == 0) measure(do_vfork_exec, 1);
  else if (strcmp(name, "spawn") == 0) measure(do_spawn, 1);
  else {
    if (strcmp(name, "fork-sh") == 0)
      arguments[2] = arguments[0], arguments[0] = "/bin/sh", arguments[1] = "-c";
    measure(do_fork_exec, 1);
  }
  return 0;
}
