// /proc/self/maps tells the truth after each change.
// guest: variants=static,dynamic
#include "memory.h"

static void shows(const void *at, uintptr_t start, uintptr_t end, const char *permissions) {
  Mapping m;
  if (!mapping_of(at, &m)) FAIL("%p is in no mapping", at);
  else {
    // Neighbours of the same kind may be one mapping with it.
    if (m.start > start) FAIL("start %#lx, not %#lx", m.start, start);
    if (m.end < end) FAIL("end %#lx, not %#lx", m.end, end);
    if (strcmp(m.permissions, permissions)) FAIL("permissions %s, not %s", m.permissions, permissions);
  }
}

TEST(anonymous) {
  char *p = map_pages(8, RW);
  uintptr_t at = (uintptr_t)p;
  Mapping m;
  shows(p, at, at + 8 * PAGE, "rw-p");
  SYS(mprotect(p + 2 * PAGE, PAGE, RD));
  shows(p, at, at + 2 * PAGE, "rw-p");
  shows(p + 2 * PAGE, at + 2 * PAGE, at + 3 * PAGE, "r--p");
  REQUIRE(mapping_of(p + 2 * PAGE, &m));
  CHECK(m.start == at + 2 * PAGE && m.end == at + 3 * PAGE);
  SYS(mprotect(p + 2 * PAGE, PAGE, RX));
  shows(p + 2 * PAGE, at + 2 * PAGE, at + 3 * PAGE, "r-xp");
  SYS(mprotect(p + 2 * PAGE, PAGE, NONE));
  shows(p + 2 * PAGE, at + 2 * PAGE, at + 3 * PAGE, "---p");
  SYS(munmap(p + 4 * PAGE, PAGE));
  CHECK(!mapping_of(p + 4 * PAGE, &m));
  shows(p + 5 * PAGE, at + 5 * PAGE, at + 8 * PAGE, "rw-p");
  SYS(munmap(p, 8 * PAGE));
  for (int i = 0; i < 8; i++) CHECK(!mapping_of(p + i * PAGE, &m));
}

TEST(file) {
  put_file("mapped-file", "x", 1);
  int fd = SYS(open("mapped-file", O_RDWR));
  struct stat status;
  SYS(fstat(fd, &status));
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 3 * PAGE));
  Mapping m;
  REQUIRE(mapping_of(p, &m));
  CHECK(!strcmp(m.permissions, "rw-s"));
  CHECK_EQ(m.offset, 3 * PAGE);
  CHECK_EQ(m.inode, status.st_ino);
  CHECK(strstr(m.name, "/mapped-file") != NULL);
  SYS(unlink("mapped-file"));
  REQUIRE(mapping_of(p, &m));
  CHECK(strstr(m.name, "/mapped-file (deleted)") != NULL);
  SYS(munmap(p, PAGE));
  REQUIRE(mapping_of(p + PAGE, &m));
  CHECK_EQ(m.offset, 4 * PAGE);
}

TEST(own_parts) {
  Mapping m;
  int local;
  REQUIRE(mapping_of(&local, &m));
  CHECK(!strcmp(m.name, "[stack]"));
  CHECK(!strncmp(m.permissions, "rw", 2));
  REQUIRE(mapping_of((void *)shows, &m));
  CHECK(!strcmp(m.permissions, "r-xp"));
  CHECK(strstr(m.name, "memory_maps") != NULL);
  void *block = malloc(100);
  if (mapping_of(sbrk(0) - 1, &m)) CHECK(!strcmp(m.name, "[heap]"));
  free(block);
}

TEST(remap) {
  char *p = map_pages(4, RW), *q = map_pages(16, NONE);
  SYS(munmap(q, 16 * PAGE));
  REQUIRE(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
  Mapping m;
  CHECK(!mapping_of(p, &m));
  shows(q, (uintptr_t)q, (uintptr_t)q + 8 * PAGE, "rw-p");
}

// Sorted, without overlaps, every line whole; also when read a few bytes at a time.
TEST(form) {
  int fd = SYS(open("/proc/self/maps", O_RDONLY));
  static char text[262144];
  size_t size = 0;
  ssize_t n;
  while ((n = read(fd, text + size, 7)) > 0 && size < sizeof text - 8) size += n;
  close(fd);
  uintptr_t last = 0;
  for (char *line = text; line < text + size; line = strchr(line, '\n') + 1) {
    uintptr_t start, end;
    REQUIRE(sscanf(line, "%lx-%lx ", &start, &end) == 2);
    CHECK(start >= last && end > start);
    last = end;
    REQUIRE(strchr(line, '\n'));
  }
}

TEST(nothing_of_the_kernel) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[600];
  while (fgets(line, sizeof line, maps)) {
    uintptr_t start = strtoul(line, NULL, 16);
    if ((start >= 0x400000000000 && start < 0x500000000000) || (start >= 0x680000000000 && start < 0x700000000000))
      FAIL("shows %s", line);
  }
  fclose(maps);
}

TEST(child_has_the_same, FORKS) {
  char *p = map_pages(3, RD);
  SYS(mprotect(p + PAGE, PAGE, RW));
  pid_t pid;
  CHILD(pid) {
    Mapping m;
    REQUIRE(mapping_of(p + PAGE, &m));
    CHECK(m.start == (uintptr_t)p + PAGE && m.end == (uintptr_t)p + 2 * PAGE);
    CHECK(!strcmp(m.permissions, "rw-p"));
  }
  wait_ok(pid);
}

TEST(statm_and_status) {
  unsigned long size = 0, resident = 0, size2 = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  REQUIRE(f && fscanf(f, "%lu %lu", &size, &resident) == 2);
  fclose(f);
  CHECK(size > 0 && resident > 0 && resident <= size);
  map_pages(1000, RW);
  f = fopen("/proc/self/statm", "r");
  REQUIRE(f && fscanf(f, "%lu", &size2) == 1);
  fclose(f);
  CHECK(size2 >= size + 1000);
}
