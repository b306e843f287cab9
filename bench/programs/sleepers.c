// sleepers COUNT: that many sleeping processes besides this one, for as long as its input is open. Says when they are there.
#include "bench.h"

#include <signal.h>
#include <spawn.h>

int main(int argc, char **argv) {
  extern char **environ;
  int count = argc > 1 ? atoi(argv[1]) : 0;
  pid_t children[count + 1];
  char byte;
  int pipes[2], told[2];
  if (argc > 2) {  // one of them: says that it runs, and sleeps until the other end is closed
    CHECK(write(1, "x", 1));
    while (read(0, &byte, 1) > 0) continue;
    return 0;
  }
  CHECK(pipe2(pipes, O_CLOEXEC));
  CHECK(pipe2(told, O_CLOEXEC));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes[0], 0);
  posix_spawn_file_actions_adddup2(&actions, told[1], 1);
  char *arguments[] = {argv[0], "0", "sleep", NULL};
  for (int i = 0; i < count; i++) {
    errno = posix_spawn(&children[i], "/proc/self/exe", &actions, NULL, arguments, environ);
    if (errno != 0) die("posix_spawn");
  }
  for (int i = 0; i < count; i++) CHECK(read(told[0], &byte, 1));
  CHECK(write(1, "ready\n", 6));
  while (read(0, &byte, 1) > 0) continue;
  close(pipes[1]);
  for (int i = 0; i < count; i++) reap(children[i]);
  return 0;
}
