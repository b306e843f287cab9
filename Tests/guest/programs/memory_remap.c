// mremap in all its forms.
#include "memory.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static void fill(char *p, int count) {
  for (int i = 0; i < count; i++) memset(p + i * PAGE, 'a' + i, PAGE);
}
static void filled(const char *p, int count) {
  for (int i = 0; i < count; i++)
    if (p[i * PAGE] != 'a' + i || p[i * PAGE + PAGE - 1] != 'a' + i) FAIL("page %d", i);
}

TEST(shrink) {
  char *p = map_pages(8, RW);
  fill(p, 8);
  CHECK(mremap(p, 8 * PAGE, 3 * PAGE, 0) == p);
  filled(p, 3);
  CHECK(!readable(p + 3 * PAGE));
}

TEST(grow_in_place) {
  char *p = map_pages(8, RW);
  fill(p, 8);
  SYS(munmap(p + 4 * PAGE, 4 * PAGE));
  CHECK(mremap(p, 4 * PAGE, 7 * PAGE, 0) == p);
  filled(p, 4);
  CHECK_EQ(p[4 * PAGE], 0);
  CHECK_EQ(p[7 * PAGE - 1], 0);
}

TEST(no_room) {
  char *p = map_pages(8, RW);
  SYS(mprotect(p + 4 * PAGE, PAGE, RD));
  CHECK_ERR((long)mremap(p, 4 * PAGE, 6 * PAGE, 0), ENOMEM);
}

TEST(may_move) {
  char *p = map_pages(8, RW);
  fill(p, 8);
  SYS(mprotect(p + 4 * PAGE, 4 * PAGE, RD));
  char *q = SYS(mremap(p, 4 * PAGE, 100 * PAGE, MREMAP_MAYMOVE));
  CHECK(q != p);
  filled(q, 4);
  CHECK_EQ(q[99 * PAGE], 0);
  CHECK(!readable(p));
  CHECK(readable(p + 4 * PAGE));
  q[99 * PAGE] = 1;
}

TEST(fixed) {
  char *p = map_pages(4, RW), *to = map_pages(8, RW);
  fill(p, 4), memset(to, 'z', 8 * PAGE);
  CHECK(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * PAGE) == to + 2 * PAGE);
  filled(to + 2 * PAGE, 4);
  CHECK(to[0] == 'z' && to[6 * PAGE] == 'z');
  CHECK(!readable(p));
  CHECK_ERR((long)mremap(to, PAGE, PAGE, MREMAP_FIXED, p), EINVAL);
  CHECK_ERR((long)mremap(to, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE), EINVAL);  // overlap
}

TEST(dontunmap) {
  char *p = map_pages(4, RW);
  fill(p, 4);
  char *q = mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
  REQUIRE(q != MAP_FAILED);
  filled(q, 4);
  CHECK_EQ(p[0], 0);  // still mapped, empty
  p[PAGE] = 1;
  CHECK_ERR((long)mremap(p, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), EINVAL);
}

TEST(shared_file) {
  int fd = temporary(8 * PAGE);
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
  fill(p, 2);
  char *q = SYS(mremap(p, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
  filled(q, 2);
  q[7 * PAGE] = 'x';
  char byte = 0;
  pread(fd, &byte, 1, 7 * PAGE);
  CHECK_EQ(byte, 'x');
}

// Old size 0 makes a second mapping of the same shared pages.
TEST(duplicate_shared) {
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  fill(p, 2);
  char *q = SYS(mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE));
  CHECK(q != p);
  filled(q, 2);
  q[5] = '!';
  CHECK_EQ(p[5], '!');
  CHECK_ERR((long)mremap(map_pages(1, RW), 0, PAGE, MREMAP_MAYMOVE), EINVAL);
}

TEST(errors) {
  char *p = map_pages(4, RW);
  CHECK_ERR((long)mremap(p + 1, PAGE, PAGE, 0), EINVAL);
  CHECK_ERR((long)mremap(p, PAGE, 0, 0), EINVAL);
  CHECK_ERR((long)mremap(p, PAGE, PAGE, 0x80), EINVAL);
  SYS(munmap(p + PAGE, PAGE));
  CHECK_ERR((long)mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
  CHECK_ERR((long)mremap(p, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), EFAULT);  // over a hole
  CHECK(mremap(p, PAGE, 1ul << 47, MREMAP_MAYMOVE) == MAP_FAILED);  // EINVAL since 6.17, else ENOMEM
  CHECK(errno == ENOMEM || errno == EINVAL);
}

TEST(keeps_protection) {
  char *p = map_pages(4, RW);
  fill(p, 4);
  SYS(mprotect(p, 4 * PAGE, RD));
  char *q = SYS(mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE));
  filled(q, 4);
  CHECK(readable(q + 63 * PAGE) && !writable(q + 63 * PAGE) && !writable(q));
}

// realloc of large blocks is mremap.
TEST(realloc) {
  size_t size = 1 << 20;
  char *p = malloc(size);
  memset(p, 'r', size);
  for (int i = 0; i < 6; i++) {
    p = realloc(p, size * 2);
    REQUIRE(p);
    for (size_t j = 0; j < size; j += 997) CHECK_EQ(p[j], 'r');
    memset(p + size, 'r', size);
    size *= 2;
  }
  free(p);
}
