// growth WHAT COUNT CALL: a call's time while there is much of something: files in its directory, open descriptors, sleeping
// processes, other processes that make the same call on files of their own.
#include "bench.h"

#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;
static char name[64];
static int file;

static double do_open(long n) { return TIMED(n, close(CHECK(open(name, O_RDONLY)))); }

static double do_stat(long n) {
  struct stat status;
  return TIMED(n, CHECK(stat(name, &status)));
}

static double do_read(long n) {
  char byte;
  return TIMED(n, CHECK(pread(file, &byte, 1, 0)));
}

static double do_null(long n) { return TIMED(n, syscall(SYS_getppid)); }

static const struct {
  const char *name;
  double (*operation)(long);
} CALLS[] = {{"open", do_open}, {"stat", do_stat}, {"read", do_read}, {"null", do_null}};

static void make(const char *format, int number) {
  snprintf(name, sizeof name, format, number);
  file = CHECK(open(name, O_RDWR | O_CREAT, 0600));
  CHECK(write(file, "x", 1));
}

// The name in the middle is the one that is used.
static void files(int count) {
  CHECK(mkdir("files", 0700));
  for (int i = 0; i < count; i++) {
    make("files/%d", i);
    close(file);
  }
  make("files/%d", count / 2);
}

static void descriptors(int count) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = limit.rlim_max;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit));
  make("file%d", 0);
  for (int i = 0; i < count; i++) file = CHECK(dup(file));
}

// Starts another one of this program, which says so and goes on until its input is closed. `end` is this side's of that.
static pid_t start(const char *role, const char *call, int number, int *end) {
  int in[2], out[2];
  char text[16], byte;
  CHECK(pipe2(in, O_CLOEXEC));
  CHECK(pipe2(out, O_CLOEXEC));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  snprintf(text, sizeof text, "%d", number);
  char *arguments[] = {"growth", (char *)role, text, (char *)call, NULL};
  pid_t child;
  errno = posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ);
  if (errno != 0) die("posix_spawn");
  close(in[0]);
  close(out[1]);
  CHECK(read(out[0], &byte, 1));
  close(out[0]);
  *end = in[1];
  return child;
}

// What another one does: sleeps, or makes the call.
static int other(const char *role, int number, double (*operation)(long)) {
  char byte;
  make("other%d", number);
  if (strcmp(role, "sleep") == 0) {
    CHECK(write(1, "x", 1));
    while (read(0, &byte, 1) > 0) continue;
    return 0;
  }
  CHECK(fcntl(0, F_SETFL, O_NONBLOCK));
  operation(1000);
  CHECK(write(1, "x", 1));
  while (read(0, &byte, 1) < 0) operation(10000);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return fprintf(stderr, "usage: growth files|descriptors|sleeping|busy COUNT CALL\n"), 2;
  int count = atoi(argv[2]);
  double (*operation)(long) = NULL;
  for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
    if (strcmp(argv[3], CALLS[i].name) == 0) operation = CALLS[i].operation;
  if (!operation) return 2;
  bool busy = strcmp(argv[1], "busy") == 0;
  if (strcmp(argv[1], "sleep") == 0 || strcmp(argv[1], "work") == 0) return other(argv[1], count, operation);
  if (strcmp(argv[1], "files") == 0) {
    files(count);
    measure(operation, 1);
  } else if (strcmp(argv[1], "descriptors") == 0) {
    descriptors(count);
    measure(operation, 1);
  } else {
    pid_t children[count + 1];
    int ends[count + 1];
    make("file%d", 0);
    for (int i = 0; i < count; i++) children[i] = start(busy ? "work" : "sleep", argv[3], i, &ends[i]);
    measure(operation, 1);
    for (int i = 0; i < count; i++) close(ends[i]);
    for (int i = 0; i < count; i++) reap(children[i]);
  }
  return 0;
}
