// Shared and private memory across fork, between mappings, and against read and write.
// guest: roots=default,host
#include "memory.h"

TEST(coherent_with_read_and_write) {
  int fd = temporary(4 * PAGE);
  char *p = SYS(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0)), back[16] = "";
  for (int i = 0; i < 200; i++) {
    off_t at = i * 79 % (4 * PAGE - 8);
    memcpy(p + at, "mapped", 6);
    CHECK_EQ(pread(fd, back, 6, at), 6);
    CHECK(!memcmp(back, "mapped", 6));
    CHECK_EQ(pwrite(fd, "written", 7, at), 7);
    CHECK(!memcmp(p + at, "written", 7));
  }
  close(fd);
}

TEST(two_mappings) {
  int fd = temporary(2 * PAGE);
  char *a = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
  char *b = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE));
  a[PAGE + 5] = 'x';
  CHECK_EQ(b[5], 'x');
  b[6] = 'y';
  CHECK_EQ(a[PAGE + 6], 'y');
}

// A private mapping shows the file until it is written; then that page is its own.
TEST(private_copy) {
  int fd = temporary(2 * PAGE);
  char *p = SYS(mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0)), back = 0;
  CHECK_EQ(p[0], 0);
  pwrite(fd, "f", 1, PAGE);
  CHECK_EQ(p[PAGE], 'f');
  p[0] = 'p';
  pread(fd, &back, 1, 0);
  CHECK_EQ(back, 0);
  pwrite(fd, "q", 1, 0);
  CHECK_EQ(p[0], 'p');
}

TEST(grows_with_the_file) {
  int fd = temporary(100);
  char *p = SYS(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0));
  pwrite(fd, "a", 1, PAGE + 10);
  CHECK_EQ(p[PAGE + 10], 'a');
  pwrite(fd, "b", 1, 3 * PAGE);
  CHECK_EQ(p[3 * PAGE], 'b');
  CHECK_EQ(p[2 * PAGE], 0);
}

// Stores behind the end in the last page are not part of the file.
TEST(tail_of_last_page) {
  int fd = temporary(100);
  char *p = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0)), back[8] = "";
  p[99] = 'i', p[100] = 'o';
  struct stat status;
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_size, 100);
  CHECK_EQ(pread(fd, back, 8, 98), 2);
  CHECK_EQ(back[1], 'i');
}

TEST(copy_on_write, FORKS | CPUS) {
  char *p = map_pages(64, RW);
  memset(p, 'p', 64 * PAGE);
  int to_child[2], to_parent[2];
  char byte;
  SYS(pipe(to_child)), SYS(pipe(to_parent));
  pid_t pid;
  CHILD(pid) {
    for (int i = 0; i < 64; i += 2) p[i * PAGE] = 'c';
    write(to_parent[1], "x", 1);
    read(to_child[0], &byte, 1);
    for (int i = 0; i < 64; i++) CHECK_EQ(p[i * PAGE], i % 2 ? 'p' : 'c');
  }
  read(to_parent[0], &byte, 1);
  for (int i = 0; i < 64; i++) CHECK_EQ(p[i * PAGE], 'p');
  for (int i = 1; i < 64; i += 2) p[i * PAGE] = 'P';
  write(to_child[1], "x", 1);
  wait_ok(pid);
}

TEST(kernel_copies_on_write, FORKS) {
  char *p = map_pages(2, RW);
  memset(p, 'p', 2 * PAGE);
  int ends[2];
  SYS(pipe(ends));
  write(ends[1], "0123456789", 10);
  pid_t pid;
  CHILD(pid) {
    CHECK_EQ(read(ends[0], p + PAGE - 5, 10), 10);  // the kernel writes into shared pages
    CHECK(!memcmp(p + PAGE - 5, "0123456789", 10));
  }
  wait_ok(pid);
  CHECK_EQ(p[PAGE - 5], 'p');
  CHECK_EQ(p[PAGE], 'p');
}

TEST(anonymous_shared, FORKS | CPUS) {
  int *p = SYS(mmap(NULL, 16 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_t pids[4];
  for (int i = 0; i < 4; i++)
    CHILD(pids[i])
  for (int j = 0; j < 10000; j++) __atomic_add_fetch(&p[j % 16 * 1024], 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 4; i++) wait_ok(pids[i]);
  for (int j = 0; j < 16; j++) CHECK_EQ(p[j * 1024], 2500);
}

TEST(shared_file_between_processes, FORKS | CPUS) {
  int fd = temporary(2 * PAGE);
  pid_t pid;
  CHILD(pid) {
    int *mine = SYS(mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0));
    for (int j = 0; j < 10000; j++) __atomic_add_fetch(&mine[1024], 1, __ATOMIC_SEQ_CST);
  }
  int *mine = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE));
  for (int j = 0; j < 10000; j++) __atomic_add_fetch(&mine[0], 1, __ATOMIC_SEQ_CST);
  wait_ok(pid);
  CHECK_EQ(mine[0], 20000);
}

// What the child maps after fork is the child's alone.
TEST(mapped_after_fork, FORKS) {
  char *p = map_pages(4, RW);
  pid_t pid;
  CHILD(pid) {
    SYS(munmap(p, PAGE));
    SYS(mprotect(p + PAGE, PAGE, NONE));
    SYS(mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    p[2 * PAGE] = 9;
  }
  wait_ok(pid);
  CHECK(writable(p) && writable(p + PAGE));
  CHECK_EQ(p[2 * PAGE], 0);
}

// A large heap survives fork, and the child's changes do not come back.
TEST(large_heap, FORKS) {
  size_t size = 32 << 20;
  char *p = malloc(size);
  for (size_t i = 0; i < size; i += PAGE) p[i] = i >> 12;
  pid_t pid;
  CHILD(pid) {
    for (size_t i = 0; i < size; i += PAGE)
      if (p[i] != (char)(i >> 12)) FAIL("page %zu", i >> 12), check_leave();
    memset(p, 0, size);
  }
  wait_ok(pid);
  for (size_t i = 0; i < size; i += PAGE)
    if (p[i] != (char)(i >> 12)) FAIL("page %zu", i >> 12), check_leave();
  free(p);
}

TEST(memfd) {
  int fd = SYS(syscall(SYS_memfd_create, "name", 3 /* CLOEXEC, ALLOW_SEALING */));
  SYS(ftruncate(fd, PAGE));
  char *p = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
  p[0] = 'm';
  CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  SYS(munmap(p, PAGE));
  SYS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  CHECK_ERR(ftruncate(fd, 0), EPERM);
  CHECK_ERR(ftruncate(fd, 2 * PAGE), EPERM);
  CHECK_ERR(write(fd, "x", 1), EPERM);
  CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
  p = SYS(mmap(NULL, PAGE, RD, MAP_SHARED, fd, 0));
  CHECK_EQ(p[0], 'm');
}

TEST(posix_shared_memory, FORKS) {
  char name[32];
  snprintf(name, sizeof name, "/guest-%d", getpid());
  int fd = SYS(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
  SYS(ftruncate(fd, PAGE));
  char *p = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
  pid_t pid;
  CHILD(pid) {
    int other = SYS(shm_open(name, O_RDWR, 0));
    char *q = SYS(mmap(NULL, PAGE, RW, MAP_SHARED, other, 0));
    q[7] = 's';
  }
  wait_ok(pid);
  CHECK_EQ(p[7], 's');
  SYS(shm_unlink(name));
  CHECK_ERR(shm_open(name, O_RDWR, 0), ENOENT);
}
