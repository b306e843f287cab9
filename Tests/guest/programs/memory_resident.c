// What /proc tells of memory that is there: private memory counts once it is touched, until it is given back.
// guest: variants=static
#include "memory.h"

enum { KIB = 1024, MIB = 1024 * KIB };

/// The number behind `name` in a file of /proc.
static long number(const char *path, const char *name) {
  FILE *file = fopen(path, "r");
  REQUIRE(file != NULL);
  char line[512];
  long value = -1;
  while (value < 0 && fgets(line, sizeof line, file))
    if (!strncmp(line, name, strlen(name))) value = strtol(line + strlen(name), NULL, 10);
  fclose(file);
  if (value < 0) FAIL("%s has no %s", path, name);
  return value;
}

static void near(const char *what, long value, long expected) {
  if (value < expected - 2048 || value > expected + 2048) FAIL("%s is %ld KiB, not %ld", what, value, expected);
}

static void touch(char *p, size_t count) {
  for (size_t i = 0; i < count; i += 4096) p[i] = 1;
}

/// Rss in smaps of the mapping that begins at `p`.
static long resident(const void *p) {
  FILE *file = fopen("/proc/self/smaps", "r");
  REQUIRE(file != NULL);
  char line[512], start[32];
  snprintf(start, sizeof start, "%lx-", (unsigned long)p);
  long value = -1;
  bool is_here = false;
  while (fgets(line, sizeof line, file)) {
    if (!strncmp(line, start, strlen(start))) is_here = true;
    else if (is_here && sscanf(line, "Rss: %ld", &value) == 1) break;
  }
  fclose(file);
  return value;
}

TEST(touched) {
  long before = number("/proc/self/status", "RssAnon:"), all = number("/proc/self/status", "VmRSS:");
  char *p = map_pages(64 * MIB / PAGE, RW);
  SYS(madvise(p, 64 * MIB, MADV_NOHUGEPAGE));
  SYS(mprotect(p + 48 * MIB, 16 * MIB, NONE));
  near("RssAnon when mapped", number("/proc/self/status", "RssAnon:"), before);
  touch(p, 32 * MIB);
  near("RssAnon when touched", number("/proc/self/status", "RssAnon:"), before + 32 * KIB);
  near("VmRSS when touched", number("/proc/self/status", "VmRSS:"), all + 32 * KIB);
  near("smaps", resident(p), 32 * KIB);
  SYS(madvise(p + 8 * MIB, 24 * MIB, MADV_DONTNEED));
  near("RssAnon when given back", number("/proc/self/status", "RssAnon:"), before + 8 * KIB);
  near("smaps when given back", resident(p), 8 * KIB);
  if (number("/proc/self/status", "VmHWM:") < number("/proc/self/status", "VmRSS:")) FAIL("the peak is below it");
  SYS(munmap(p, 64 * MIB));
  near("RssAnon in the end", number("/proc/self/status", "RssAnon:"), before);
}

TEST(of_another, FORKS) {
  int ready[2];
  SYS(pipe(ready));
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char *p = mmap(NULL, 32 * MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch(p, 32 * MIB);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    pause();
    _exit(0);
  }
  char byte;
  CHECK_EQ(SYS(read(ready[0], &byte, 1)), 1);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", child);
  if (number(path, "RssAnon:") < 32 * KIB) FAIL("RssAnon is %ld KiB", number(path, "RssAnon:"));
  SYS(kill(child, SIGKILL));
  SYS(waitpid(child, NULL, 0));
}

// Others use the host's memory too.
TEST(free_memory, MARTLET) {
  long before = number("/proc/meminfo", "MemFree:");
  char *p = map_pages(64 * MIB / PAGE, RW);
  touch(p, 64 * MIB);
  number("/proc/self/statm", "");
  near("MemFree", number("/proc/meminfo", "MemFree:"), before - 64 * KIB);
  SYS(munmap(p, 64 * MIB));
  number("/proc/self/statm", "");
  near("MemFree in the end", number("/proc/meminfo", "MemFree:"), before);
}

/// Takes memory until it is killed: `hog MIB`, then stays.
HELPER(hog) {
  size_t count = (size_t)atoi(argv[2]) * MIB;
  char *p = mmap(NULL, count, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return 1;
  for (size_t i = 0; i < count; i += MIB) {
    touch(p + i, MIB);
    usleep(5000);
  }
  for (int i = 0; i < 500; i++) usleep(10000);
  return 3;
}

/// Takes memory, which children then share: `share MIB`.
HELPER(share) {
  size_t count = (size_t)atoi(argv[2]) * MIB;
  char *p = mmap(NULL, count, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return 1;
  touch(p, count);
  for (int i = 0; i < 3; i++)
    if (fork() == 0) {
      for (int j = 0; j < 300; j++) usleep(10000);
      _exit(0);
    }
  int status = 0;
  for (int i = 0; i < 3; i++)
    if (wait(&status) < 0 || status != 0) return 2;
  return 3;
}
