// mmap and munmap: addresses, flags, errors, holes.
// guest: variants=static,dynamic,musl roots=default,host
#include "memory.h"

TEST(anonymous) {
  char *p = map_pages(16, RW);
  CHECK_EQ((uintptr_t)p % PAGE, 0);
  for (int i = 0; i < 16 * PAGE; i++) CHECK_EQ(p[i], 0);
  memset(p, 5, 16 * PAGE);
  SYS(munmap(p, 16 * PAGE));
  CHECK(!readable(p));
}

TEST(sizes_round_up) {
  char *p = SYS(mmap(NULL, 1, RW, ANON, -1, 0));
  p[4095] = 1;
  SYS(munmap(p, 1));
  CHECK(!readable(p + 4095));
  p = map_pages(3, RW);
  SYS(munmap(p, PAGE + 1));  // takes two
  CHECK(!readable(p + PAGE) && readable(p + 2 * PAGE));
}

TEST(errors) {
  int fd = temporary(PAGE), null = SYS(open("/dev/null", O_RDWR));
  CHECK_ERR((long)mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);        // neither kind
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, 999, 0), EBADF);
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 100), EINVAL);        // offset
  CHECK_ERR((long)mmap((void *)100, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
  CHECK_ERR((long)mmap(NULL, 1ul << 47, RW, ANON, -1, 0), ENOMEM);
  CHECK_ERR((long)mmap(NULL, ~0ul - 100, RW, ANON, -1, 0), ENOMEM);
  CHECK_ERR((long)mmap((void *)0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, null, 0), ENODEV);
  int readonly = SYS(open("ro", O_RDONLY | O_CREAT, 0600)), writeonly = SYS(open("ro", O_WRONLY));
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_SHARED, readonly, 0), EACCES);
  CHECK_ERR((long)mmap(NULL, PAGE, RD, MAP_SHARED, writeonly, 0), EACCES);
  CHECK_ERR((long)mmap(NULL, PAGE, RD, MAP_PRIVATE, writeonly, 0), EACCES);
  SYS(mmap(NULL, PAGE, RW, MAP_PRIVATE, readonly, 0));
  unlink("ro");
  int dir = SYS(open(".", O_RDONLY));
  CHECK_ERR((long)mmap(NULL, PAGE, RD, MAP_PRIVATE, dir, 0), ENODEV);
  CHECK_ERR(munmap((void *)100, PAGE), EINVAL);
  CHECK_ERR(munmap((void *)0x10000, 0), EINVAL);
  CHECK_EQ(munmap((void *)0x10000000, PAGE), 0);  // nothing there is fine
}

TEST(fixed_replaces) {
  char *p = map_pages(4, RW);
  memset(p, 1, 4 * PAGE);
  REQUIRE(mmap(p + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
  CHECK_EQ(p[0], 1);
  CHECK_EQ(p[PAGE], 0);
  CHECK_EQ(p[3 * PAGE - 1], 0);
  CHECK_EQ(p[3 * PAGE], 1);
}

TEST(fixed_noreplace) {
  char *p = map_pages(4, RW);
  p[PAGE] = 9;
  CHECK_ERR((long)mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  CHECK_ERR((long)mmap(p - PAGE, 8 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  CHECK_EQ(p[PAGE], 9);
  SYS(munmap(p + PAGE, PAGE));
  CHECK(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + PAGE);
}

TEST(hints) {
  char *p = map_pages(4, RW);
  SYS(munmap(p + PAGE, PAGE));
  CHECK(mmap(p + PAGE, PAGE, RW, ANON, -1, 0) == p + PAGE);   // free: taken
  char *q = SYS(mmap(p, PAGE, RW, ANON, -1, 0));              // not free: elsewhere
  CHECK(q < p || q >= p + 4 * PAGE);
  char *low = (char *)0x123450000000;
  CHECK(mmap(low, PAGE, RW, ANON, -1, 0) == low);
  SYS(munmap(low, PAGE));
  char *crooked = SYS(mmap(low + 10, PAGE, RW, ANON, -1, 0));  // rounded
  CHECK_EQ((uintptr_t)crooked % PAGE, 0);
}

// What Go, Java and the sanitizers do: large reservations at addresses of their choice.
TEST(reservations) {
  char *p = SYS(mmap(NULL, 64ul << 30, NONE, ANON | MAP_NORESERVE, -1, 0));
  SYS(mprotect(p + (32ul << 30), 16 * PAGE, RW));
  p[32ul << 30] = 1;
  REQUIRE(mmap(p + (1ul << 30), 1 << 20, RW, ANON | MAP_FIXED, -1, 0) == p + (1ul << 30));
  p[1ul << 30] = 2;
  CHECK(!readable(p) && !readable(p + (63ul << 30)));
  SYS(munmap(p, 64ul << 30));
  CHECK(!readable(p + (1ul << 30)));
  char *go = (char *)0xc000000000;
  CHECK(mmap(go, 64 << 20, NONE, ANON, -1, 0) == go);
  REQUIRE(mmap(go, 4 << 20, RW, ANON | MAP_FIXED, -1, 0) == go);
  go[(4 << 20) - 1] = 1;
  SYS(munmap(go, 64 << 20));
  char *shadow = (char *)0x7fff8000;
  if (mmap(shadow, 1ul << 30, RW, ANON | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == shadow) {
    shadow[1 << 29] = 1;
    SYS(munmap(shadow, 1ul << 30));
  }
}

TEST(holes) {
  char *p = map_pages(64, RW);
  memset(p, 1, 64 * PAGE);
  for (int i = 1; i < 64; i += 2) SYS(munmap(p + i * PAGE, PAGE));
  for (int i = 0; i < 64; i++) CHECK_EQ(readable(p + i * PAGE), i % 2 == 0);
  SYS(munmap(p, 64 * PAGE));  // over the holes
  for (int i = 0; i < 64; i++) CHECK(!readable(p + i * PAGE));
}

TEST(populate) {
  char *p = SYS(mmap(NULL, 16 * PAGE, RW, ANON | MAP_POPULATE, -1, 0));
  unsigned char in[16];
  SYS(mincore(p, 16 * PAGE, in));
  for (int i = 0; i < 16; i++) CHECK(in[i] & 1);
}

TEST(map_32bit) {
  char *p = SYS(mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0));
  CHECK((uintptr_t)p < 1ul << 31);
  p[0] = 1;
  SYS(munmap(p, PAGE));
}

TEST(dev_zero) {
  int fd = SYS(open("/dev/zero", O_RDWR));
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0));
  CHECK_EQ(p[PAGE], 0);
  p[PAGE] = 1;
  close(fd);
  CHECK_EQ(p[PAGE], 1);
}

TEST(survives_close_and_unlink) {
  int fd = temporary(2 * PAGE);
  pwrite(fd, "hello", 5, PAGE);
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
  close(fd);
  CHECK(!strcmp(p + PAGE, "hello"));
  p[PAGE] = 'j';
  CHECK(!strcmp(p + PAGE, "jello"));
}

TEST(offset) {
  int fd = temporary(4 * PAGE);
  for (int i = 0; i < 4; i++) pwrite(fd, &(char){'a' + i}, 1, i * PAGE);
  char *p = SYS(mmap(NULL, 2 * PAGE, RD, MAP_SHARED, fd, 2 * PAGE));
  CHECK_EQ(p[0], 'c');
  CHECK_EQ(p[PAGE], 'd');
}

TEST(break) {
  char *top = (char *)syscall(SYS_brk, 0);
  REQUIRE(syscall(SYS_brk, top + 10 * PAGE) == (long)(top + 10 * PAGE));
  for (int i = 0; i < 10 * PAGE; i += 100) CHECK_EQ(top[i], 0);
  memset(top, 7, 10 * PAGE);
  REQUIRE(syscall(SYS_brk, top) == (long)top);
  REQUIRE(syscall(SYS_brk, top + 10 * PAGE) == (long)(top + 10 * PAGE));
  CHECK_EQ(top[5 * PAGE], 0);  // fresh pages
  REQUIRE(syscall(SYS_brk, top + 5) == (long)(top + 5));
  CHECK_EQ(syscall(SYS_brk, (char *)0x1000), (long)(top + 5));       // refused: unchanged
  CHECK_EQ(syscall(SYS_brk, (char *)0x700000000000), (long)(top + 5));
  REQUIRE(syscall(SYS_brk, top) == (long)top);
}

// Into the kernel's own range nothing can be mapped: in Martlet only, as it is free natively.
TEST(kernel_range, MARTLET) {
  char *kernel = (char *)0x400000000000;
  CHECK_ERR((long)mmap(kernel, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
  char *p = SYS(mmap(kernel, PAGE, RW, ANON, -1, 0));
  CHECK((uintptr_t)p < 0x400000000000 || (uintptr_t)p >= 0x500000000000);
}

static void *maps_and_unmaps(void *unused) {
  for (long i = 0; i < rounds() / 20; i++) {
    char *p = SYS(mmap(NULL, (1 + i % 8) * PAGE, RW, ANON, -1, 0));
    p[0] = 1, p[i % 8 * PAGE] = 2;
    SYS(munmap(p, (1 + i % 8) * PAGE));
  }
  return unused;
}

TEST(threads, CPUS) {
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, maps_and_unmaps, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
}
