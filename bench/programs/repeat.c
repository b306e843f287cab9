// repeat [once COMMAND ;]... [each COMMAND ;]... time COMMAND: how long a command takes.
//
// The `once` commands run at first, the `each` commands before each repetition, neither of them timed. What the timed
// command prints goes to the file `output`.
#include "bench.h"

#include <spawn.h>

static const double ENOUGH = 300e6;  // ns
enum { FEWEST = 3, MOST = 20 };

static double run(char **command) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "output", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child;
  double start = now();
  errno = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
  if (errno != 0) die(command[0]);
  int status;
  CHECK(waitpid(child, &status, 0));
  double elapsed = now() - start;
  if (status != 0) {
    fprintf(stderr, "%s: status %#x\n", command[0], status);
    exit(1);
  }
  posix_spawn_file_actions_destroy(&actions);
  return elapsed;
}

// Runs the commands of one kind, in order; the time of the last.
static double run_all(char **words, const char *kind) {
  double elapsed = 0;
  for (char **word = words; *word != NULL;) {
    char **command = word + 1, **end = command;
    while (*end != NULL && strcmp(*end, ";") != 0) end++;
    char *stop = *end;
    *end = NULL;
    if (strcmp(*word, kind) == 0) elapsed = run(command);
    *end = stop;
    word = stop == NULL ? end : end + 1;
  }
  return elapsed;
}

int main(int argc, char **argv) {
  char **words = argv + 1;
  double total = 0;
  if (argc < 3) return fprintf(stderr, "usage: repeat [once|each COMMAND ;]... time COMMAND\n"), 2;
  setenv("TMPDIR", getcwd(NULL, 0), 1);  // everything happens in the current directory, a compiler's files too
  run_all(words, "once");
  for (int i = 0; i < FEWEST || (i < MOST && total < ENOUGH); i++) {
    run_all(words, "each");
    double elapsed = run_all(words, "time");
    printf("%.0f ns\n", elapsed);
    total += elapsed;
  }
  return 0;
}
