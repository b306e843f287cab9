// mprotect and what it does to mappings; madvise, mincore, mlock, msync.
#include <sys/resource.h>

#include "faults.h"
#include "memory.h"

TEST(split_and_join) {
  char *p = map_pages(16, RW);
  memset(p, 1, 16 * PAGE);
  SYS(mprotect(p + 4 * PAGE, 4 * PAGE, RD));
  SYS(mprotect(p + 6 * PAGE, 4 * PAGE, NONE));
  static const int want[16] = {3, 3, 3, 3, 1, 1, 0, 0, 0, 0, 3, 3, 3, 3, 3, 3};
  for (int i = 0; i < 16; i++) {
    CHECK_EQ(readable(p + i * PAGE), want[i] != 0);
    CHECK_EQ(writable(p + i * PAGE), want[i] == 3);
  }
  SYS(mprotect(p, 16 * PAGE, RW));
  for (int i = 0; i < 16; i++) CHECK_EQ(p[i * PAGE + 1], 1);
  Mapping m;
  REQUIRE(mapping_of(p + 8 * PAGE, &m));
  CHECK(m.start <= (uintptr_t)p && m.end >= (uintptr_t)p + 16 * PAGE);  // one mapping again
}

TEST(every_page_its_own) {
  char *p = map_pages(500, RW);
  for (int i = 0; i < 500; i += 2) SYS(mprotect(p + i * PAGE, PAGE, RD));
  for (int i = 0; i < 500; i++) CHECK_EQ(writable(p + i * PAGE), i % 2);
  SYS(munmap(p, 500 * PAGE));
}

TEST(errors) {
  char *p = map_pages(4, RW);
  CHECK_ERR(mprotect(p + 1, PAGE, RD), EINVAL);
  CHECK_ERR(mprotect(p, PAGE, 0x1000000), EINVAL);
  CHECK_EQ(mprotect(p, 0, RD), 0);
  SYS(munmap(p + 2 * PAGE, PAGE));
  CHECK_ERR(mprotect(p, 4 * PAGE, RD), ENOMEM);
  CHECK(!writable(p) && writable(p + 3 * PAGE));  // done as far as the hole
  int fd = SYS(open("ro", O_RDONLY | O_CREAT, 0600));
  unlink("ro");
  char *q = SYS(mmap(NULL, PAGE, RD, MAP_SHARED, fd, 0));
  CHECK_ERR(mprotect(q, PAGE, RW), EACCES);
}

TEST(private_file_becomes_writable) {
  int fd = temporary(PAGE);
  pwrite(fd, "abc", 3, 0);
  char *p = SYS(mmap(NULL, PAGE, RD, MAP_PRIVATE, fd, 0)), back[4] = "";
  CHECK(!writable(p + 10));
  SYS(mprotect(p, PAGE, RW));
  p[0] = 'X';
  pread(fd, back, 3, 0);
  CHECK(!strcmp(back, "abc"));
  SYS(mprotect(p, PAGE, RD));
  CHECK(!strcmp(p, "Xbc"));
}

// Another thread sees the change at once.
static char *volatile watched;
static volatile int faulted, watching;
static void *watch(void *unused) {
  FAULTS(for (watching = 1;;) * (volatile char *)watched = 1);
  FAULT_IS(SIGSEGV, SEGV_ACCERR, watched);
  faulted = 1;
  return unused;
}

TEST(seen_by_other_threads, CPUS) {
  fault_catch(0);
  for (int i = 0; i < 50; i++) {
    pthread_t id;
    watched = map_pages(1, RW);
    faulted = watching = 0;
    REQUIRE(pthread_create(&id, NULL, watch, NULL) == 0);
    REQUIRE(EVENTUALLY(watching));
    SYS(mprotect(watched, PAGE, RD));
    pthread_join(id, NULL);
    CHECK(faulted);
    SYS(munmap(watched, PAGE));
  }
}

TEST(dontneed) {
  char *p = map_pages(4, RW);
  memset(p, 1, 4 * PAGE);
  SYS(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
  CHECK(p[0] == 1 && p[PAGE] == 0 && p[3 * PAGE - 1] == 0 && p[3 * PAGE] == 1);
  int fd = temporary(PAGE);
  pwrite(fd, "file", 4, 0);
  char *q = SYS(mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
  q[0] = 'X';
  SYS(madvise(q, PAGE, MADV_DONTNEED));
  CHECK(!strcmp(q, "file"));  // the file's again
  char *s = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
  s[0] = 'S';
  SYS(madvise(s, PAGE, MADV_DONTNEED));
  CHECK(!strcmp(s, "Sile"));  // shared data stay
  CHECK_EQ(q[0], 'S');
}

TEST(advice) {
  char *p = map_pages(4, RW);
  memset(p, 1, 4 * PAGE);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_NORMAL), 0);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_RANDOM), 0);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_WILLNEED), 0);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_FREE), 0);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_DONTFORK), 0);
  CHECK_EQ(madvise(p, 4 * PAGE, MADV_DOFORK), 0);
  CHECK_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
  CHECK_ERR(madvise(p, PAGE, 9999), EINVAL);
  SYS(munmap(p + PAGE, PAGE));
  CHECK_ERR(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
}

TEST(dontfork_and_wipeonfork, FORKS) {
  char *p = map_pages(2, RW);
  memset(p, 1, 2 * PAGE);
  SYS(madvise(p, PAGE, MADV_DONTFORK));
  SYS(madvise(p + PAGE, PAGE, MADV_WIPEONFORK));
  pid_t pid;
  CHILD(pid) {
    CHECK(!readable(p));
    CHECK_EQ(p[PAGE], 0);
  }
  wait_ok(pid);
  CHECK(p[0] == 1 && p[PAGE] == 1);
}

TEST(mincore) {
  char *p = map_pages(4, RW);
  unsigned char in[4] = {9, 9, 9, 9};
  p[PAGE] = 1;
  SYS(mincore(p, 4 * PAGE, in));
  CHECK(!(in[0] & 1) && (in[1] & 1) && !(in[2] & 1));
  CHECK_ERR(mincore(p + 1, PAGE, in), EINVAL);
  SYS(munmap(p + 2 * PAGE, PAGE));
  CHECK_ERR(mincore(p, 4 * PAGE, in), ENOMEM);
  CHECK_ERR(mincore(p, PAGE, (void *)8), EFAULT);
}

TEST(locking, FORKS) {
  pid_t pid;
  CHILD(pid) {
    char *p = map_pages(4, RW);
    SYS(mlock(p, 2 * PAGE));
    SYS(munlock(p, 2 * PAGE));
    SYS(mlock2(p, PAGE, 1));
    CHECK_ERR(mlock2(p, PAGE, 8), EINVAL);
    SYS(mlockall(MCL_CURRENT));
    SYS(munlockall());
    CHECK_ERR(mlockall(0), EINVAL);
    SYS(munmap(p + PAGE, PAGE));
    CHECK_ERR(mlock(p, 4 * PAGE), ENOMEM);
    struct rlimit limit = {2 * PAGE, 2 * PAGE};
    SYS(setrlimit(RLIMIT_MEMLOCK, &limit));
    if (setresuid(12345, 12345, 12345) == 0) {
      char *q = map_pages(8, RW);
      CHECK_ERR(mlock(q, 8 * PAGE), ENOMEM);
    }
  }
  wait_ok(pid);
}

TEST(msync) {
  int fd = temporary(2 * PAGE);
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
  p[0] = 1;
  SYS(msync(p, 2 * PAGE, MS_SYNC));
  SYS(msync(p, 2 * PAGE, MS_ASYNC));
  SYS(msync(p, 2 * PAGE, MS_SYNC | MS_INVALIDATE));
  CHECK_ERR(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
  CHECK_ERR(msync(p + 1, PAGE, MS_SYNC), EINVAL);
  CHECK_ERR(msync(p, PAGE, 0x80), EINVAL);
  SYS(munmap(p + PAGE, PAGE));
  CHECK_ERR(msync(p, 2 * PAGE, MS_SYNC), ENOMEM);
}
