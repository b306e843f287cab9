// hot_calls: makes the calls whose locked instructions test_counts.py counts, each between two breakpoints, for `step`.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char buffer[65536];
static struct stat status;

// A stretch in which the machine has something else to do does not count, so there are several of each.
enum { TIMES = 5 };

static long made(const char *name, long result) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", name, strerror(errno));
  exit(1);
}
#define BREAKPOINT(name) __asm__ volatile("int3" :: "D"(name) : "memory")
#define STEP(name, ...) ({ \
  BREAKPOINT(name); \
  long result_ = syscall(__VA_ARGS__); \
  BREAKPOINT(0); \
  made(name, result_); })
#define COUNT(name, ...) do { \
  for (int i = 0; i < 3; i++) made(name, syscall(__VA_ARGS__)); \
  for (int i = 0; i < TIMES; i++) STEP(name, __VA_ARGS__); \
  } while (0)

static int opened(const char *path) { return made(path, open(path, O_RDWR | O_CREAT, 0644)); }

static void count_open(const char *name, const char *close_name, const char *path, int flags) {
  for (int i = 0; i < 3; i++) close(made(name, syscall(SYS_open, path, flags)));
  for (int i = 0; i < TIMES; i++) {
    long fd = STEP(name, SYS_open, path, flags);
    STEP(close_name, SYS_close, fd);
  }
}

// A turn of two threads: this one wakes the other and waits, the other does the same.
static int words[2], pipes[2][2];
static void wake(int which) {
  __atomic_store_n(&words[which], 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &words[which], FUTEX_WAKE_PRIVATE, 1);
}
static void await(int which) {
  while (!__atomic_exchange_n(&words[which], 0, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, &words[which], FUTEX_WAIT_PRIVATE, 0, NULL);
}
static void *other(void *with_pipes) {
  char byte;
  for (;;)
    if (with_pipes) {
      made("read", syscall(SYS_read, pipes[0][0], &byte, 1));
      made("write", syscall(SYS_write, pipes[1][1], &byte, 1));
    } else {
      await(0);
      wake(1);
    }
  return NULL;
}
static void turn(bool with_pipes) {
  char byte;
  if (with_pipes) {
    made("write", syscall(SYS_write, pipes[0][1], "x", 1));
    made("read", syscall(SYS_read, pipes[1][0], &byte, 1));
  } else {
    wake(0);
    await(1);
  }
}
static void count_turns(const char *name, bool with_pipes) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, other, with_pipes ? pipes : NULL) != 0) exit(1);
  for (int i = 0; i < 3; i++) turn(with_pipes);
  for (int i = 0; i < TIMES; i++) {
    BREAKPOINT(name);
    turn(with_pipes);
    BREAKPOINT(0);
  }
}

int main(void) {
  made("mkdir", mkdir("d", 0755));
  made("mkdir", mkdir("d/e", 0755));
  made("symlink", symlink("d/e/file", "link"));
  int file = opened("d/e/file"), null = opened("/dev/null"), zero = opened("/dev/zero"), ends[2];
  made("write", write(file, buffer, sizeof buffer));
  made("pipe", pipe(ends));
  made("write", write(ends[1], buffer, 4096));

  COUNT("getpid", SYS_getpid);
  COUNT("getppid", SYS_getppid);
  made("lseek", lseek(file, 0, SEEK_SET));
  COUNT("read-file", SYS_read, file, buffer, 1);
  COUNT("read-pipe", SYS_read, ends[0], buffer, 1);
  COUNT("read-zero", SYS_read, zero, buffer, 1);
  COUNT("read-null", SYS_read, null, buffer, 1);
  COUNT("pread-file", SYS_pread64, file, buffer, 1, 0);
  COUNT("pread-zero", SYS_pread64, zero, buffer, 1, 0);
  COUNT("write-file", SYS_write, file, buffer, 1);
  COUNT("write-pipe", SYS_write, ends[1], buffer, 1);
  COUNT("write-null", SYS_write, null, buffer, 1);
  COUNT("write-zero", SYS_write, zero, buffer, 1);
  COUNT("lseek-file", SYS_lseek, file, 1, SEEK_SET);
  COUNT("lseek-null", SYS_lseek, null, 1, SEEK_SET);
  COUNT("fstat-file", SYS_fstat, file, &status);
  COUNT("fstat-pipe", SYS_fstat, ends[0], &status);
  COUNT("fstat-null", SYS_fstat, null, &status);
  COUNT("stat", SYS_stat, "d/e/file", &status);
  COUNT("stat-at", SYS_newfstatat, AT_FDCWD, "d/e/file", &status, 0);
  COUNT("lstat-link", SYS_lstat, "link", &status);
  struct statx extended;
  COUNT("statx", SYS_statx, AT_FDCWD, "d/e/file", 0, STATX_BASIC_STATS, &extended);
  COUNT("access", SYS_access, "d/e/file", R_OK);
  COUNT("readlink", SYS_readlink, "link", buffer, 100);
  count_open("open", "close", "d/e/file", O_RDONLY);
  count_open("open-write", "close-write", "d/e/file", O_WRONLY);
  for (int i = 0; i < 2; i++) made("pipe", pipe(pipes[i]));
  count_turns("turn-futex", false);
  count_turns("turn-pipe", true);
  puts("done");
  return 0;
}
