// Helpers for the memory tests.
#pragma once
#include "check.h"

enum { PAGE = 4096 };
enum { NONE = PROT_NONE, RD = PROT_READ, RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };
enum { ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static inline char *map_pages(int count, int protection) {
  return SYS(mmap(NULL, count * PAGE, protection, ANON, -1, 0));
}
static inline int temporary(size_t size) {
  int fd = SYS(open("memory-file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  unlink("memory-file");
  if (size) SYS(ftruncate(fd, size));
  return fd;
}

// Whether the byte can be read: asked of the kernel, so that nothing faults.
static inline bool readable(const void *at) {
  static int ends[2];
  static pid_t owner;
  char byte;
  if (owner != getpid()) {
    SYS(pipe2(ends, O_CLOEXEC));
    owner = getpid();
  }
  if (write(ends[1], at, 1) != 1) return false;
  read(ends[0], &byte, 1);
  return true;
}
static inline bool writable(void *at) {
  static int ends[2];
  static pid_t owner;
  char byte = 'w';
  if (owner != getpid()) {
    SYS(pipe2(ends, O_CLOEXEC));
    owner = getpid();
  }
  write(ends[1], &byte, 1);
  if (read(ends[0], at, 1) == 1) return true;
  read(ends[0], &byte, 1);
  return false;
}

typedef struct {
  uintptr_t start, end;
  char permissions[8], name[256];
  unsigned long offset, inode;
} Mapping;

// The mapping of /proc/self/maps that holds the address.
static inline bool mapping_of(const void *at, Mapping *m) {
  char line[600];
  FILE *maps = fopen("/proc/self/maps", "r");
  if (!maps) FAIL("no /proc/self/maps"), check_leave();
  bool found = false;
  while (!found && fgets(line, sizeof line, maps)) {
    memset(m, 0, sizeof *m);
    unsigned major, minor;
    int n = sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %255[^\n]", &m->start, &m->end, m->permissions, &m->offset,
                   &major, &minor, &m->inode, m->name);
    if (n < 7) FAIL("maps line: %s", line);
    found = m->start <= (uintptr_t)at && (uintptr_t)at < m->end;
  }
  fclose(maps);
  return found;
}
