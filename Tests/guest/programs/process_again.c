// A program that runs again finds its memory as the file has it, whatever an earlier run did to it, and runs what the file
// has now.
#include <spawn.h>
#include <stdio.h>

#include "check.h"

enum { PAGE = 4096 };
extern char **environ;

#define ALONE __attribute__((noinline, noclone, aligned(PAGE)))
ALONE static int answer(void) {
  __asm__ volatile("" ::: "memory");
  return 42;
}
ALONE static int after(void) {
  __asm__ volatile("" ::: "memory");
  return 43;
}
static const char table[2 * PAGE] __attribute__((aligned(PAGE))) = {[0] = 1, [PAGE] = 2};
static const volatile char marker[] = "marker of process_again: 1";
static int number = 1, zero;

static void at(void *address, int (*call)(void *)) {
  if (call(address) != 0) _exit(100);
}
static int writable(void *p) { return mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC); }
static int unreadable(void *p) { return mprotect(p, PAGE, PROT_NONE); }
static int gone(void *p) { return munmap(p, PAGE); }
static int unforked(void *p) { return madvise(p, PAGE, MADV_DONTFORK); }
static int replaced(void *p) {
  return mmap(p, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p ? 0 : -1;
}

// Does something to its own memory, and exits.
HELPER(meddle) {
  void *code = (void *)(uintptr_t)answer, *constants = (void *)(uintptr_t)table;
  switch (atoi(argv[2])) {
    case 0:
      at(code, writable);
      memcpy(code, "\xb8\x07\0\0\0\xc3", 6);  // mov $7, %eax; ret
      return answer() == 7 ? 0 : 1;
    case 1:
      at(code, writable);
      memcpy(code, "\xb8\x07\0\0\0\xc3", 6);
      return mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0 && answer() == 7 ? 0 : 1;
    case 2: at(code, unreadable); return 0;
    case 3: at(code, gone); return 0;
    case 4: at(code, replaced); return 0;
    case 5: at(code, unforked); return 0;
    case 6:
      at(constants, writable);
      ((char *)constants)[0] = 9;
      return 0;
    case 7: at(constants, gone); return 0;
    case 8: at(constants, replaced); return 0;
    case 9: at(constants, unforked); return 0;
    case 10:
      number = 2;
      zero = 3;
      return 0;
    default: return 99;
  }
}
enum { WAYS = 11 };

// Whether all is as the file has it.
HELPER(state) {
  const volatile char *constants = table;
  if (answer() != 42 || after() != 43) return 2;
  if (constants[0] != 1 || constants[1] != 0 || constants[PAGE] != 2) return 3;
  if (number != 1 || zero != 0) return 4;
  if (without_mmu()) return 0;
  pid_t child = fork();
  if (child == 0) _exit(answer() + constants[PAGE]);
  return WEXITSTATUS(wait_status(child)) == 44 ? 0 : 5;
}
// Tells where it lies.
HELPER(where) {
  const char *place = table;
  return write(atoi(argv[2]), &place, sizeof place) == sizeof place ? 0 : 1;
}
HELPER(marker) { return marker[sizeof marker - 2] - '0'; }

static int forked(const char *path, char **arguments) {
  pid_t child = SYS(fork());
  if (child == 0) {
    execve(path, arguments, environ);
    _exit(120);
  }
  int status = wait_status(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
static int spawned(const char *path, char **arguments) {
  pid_t child;
  CHECK_EQ(posix_spawn(&child, path, NULL, NULL, arguments, environ), 0);
  int status = wait_status(child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(const char *path, char **arguments) {
  return without_mmu() ? spawned(path, arguments) : forked(path, arguments);
}

// What is right below the stack: mode 0 maps something there, 1 looks whether it still is.
HELPER(below_the_stack) {
  unsigned long start = 0, end, here = (unsigned long)&start;
  char line[256];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= here && here < end) break;
  char *below = (char *)start - 2 * PAGE;
  if (*argv[2] == '0') {
    if (mmap(below, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != below) return 1;
    *below = 7;
    return 0;
  }
  int ends[2];
  char byte = 0;
  if (pipe(ends)) return 2;
  if (write(ends[1], below, 1) == 1) read(ends[0], &byte, 1);  // Linux's stack grows, ours is not there
  return byte == 0 ? 0 : 3;
}
TEST(the_gap_below_the_stack) {
  for (int round = 0; round < 3; round++)
    for (int mode = 0; mode < 2; mode++) {
      char number[2] = {(char)('0' + mode)}, *below[] = {"x", "@below_the_stack", number, NULL};
      CHECK_EQ(spawned(check_self, below), 0);
      CHECK_EQ(spawned(check_self, below), 0);
    }
}

TEST(nothing_is_left, CPUS) {
  for (int round = 0; round < 3; round++) {
    for (int way = 0; way < WAYS; way++) {
      char number[4];
      sprintf(number, "%d", way);
      char *meddle[] = {"x", "@meddle", number, NULL}, *state[] = {"x", "@state", NULL};
      CHECK_EQ(run(check_self, meddle), 0);
      CHECK_EQ(spawned(check_self, state), 0);
      CHECK_EQ(spawned(check_self, meddle), 0);
      CHECK_EQ(run(check_self, state), 0);
      CHECK_EQ(run(check_self, state), 0);
    }
  }
}

static void copy(const char *target, char digit) {
  int in = SYS(open(check_self, O_RDONLY)), out = SYS(open(target, O_WRONLY | O_CREAT, 0755));
  struct stat status;
  SYS(fstat(in, &status));
  char *bytes = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, in, 0);
  CHECK(bytes != MAP_FAILED);
  char *found = memmem(bytes, status.st_size, (const char *)marker, sizeof marker - 2);
  CHECK(found != NULL);
  found[sizeof marker - 2] = digit;
  CHECK_EQ(write(out, bytes, status.st_size), status.st_size);
  SYS(munmap(bytes, status.st_size));
  close(in);
  close(out);
}

TEST(the_file_as_it_is_now) {
  char *arguments[] = {"x", "@marker", NULL};
  copy("again", '1');
  for (int i = 0; i < 3; i++) CHECK_EQ(spawned("./again", arguments), 1);
  copy("again", '2');  // in place
  for (int i = 0; i < 3; i++) CHECK_EQ(run("./again", arguments), 2);
  copy("other", '3');
  SYS(rename("other", "again"));
  for (int i = 0; i < 3; i++) CHECK_EQ(spawned("./again", arguments), 3);
  unlink("again");
}

// More programs than anything is kept of, two runs of each at a time.
TEST(many_programs, CPUS) {
  enum { PROGRAMS = 16 };
  char name[] = "program-a", *arguments[] = {"x", "@state", NULL};
  for (int i = 0; i < PROGRAMS; i++) {
    name[sizeof name - 2] = 'a' + i;
    copy(name, '1');
  }
  for (int round = 0; round < 4; round++) {
    for (int i = 0; i < PROGRAMS; i++) {
      name[sizeof name - 2] = 'a' + i;
      pid_t first, second;
      CHECK_EQ(posix_spawn(&first, name, NULL, NULL, arguments, environ), 0);
      CHECK_EQ(posix_spawn(&second, name, NULL, NULL, arguments, environ), 0);
      CHECK_EQ(wait_status(first), 0);
      CHECK_EQ(wait_status(second), 0);
    }
  }
  for (int i = 0; i < PROGRAMS; i++) {
    name[sizeof name - 2] = 'a' + i;
    unlink(name);
  }
}

// Where nothing runs any more, others may map something; what runs next lies elsewhere then.
TEST(its_place_can_be_had) {
  int ends[2];
  SYS(pipe(ends));
  char number[12], *where[] = {"x", "@where", number, NULL}, *state[] = {"x", "@state", NULL};
  sprintf(number, "%d", ends[1]);
  for (int round = 0; round < 3; round++) {
    char *place;
    for (int i = 0; i < 2; i++) {
      CHECK_EQ(spawned(check_self, where), 0);
      CHECK_EQ(read(ends[0], &place, sizeof place), (ssize_t)sizeof place);
    }
    if (place == table) return;  // not position-independent
    char *mine = mmap(place, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(mine == place);
    CHECK_EQ(*mine, 0);
    *mine = 7;
    for (int i = 0; i < 3; i++) CHECK_EQ(spawned(check_self, state), 0);
    CHECK_EQ(*mine, 7);
    SYS(munmap(mine, PAGE));
  }
}
