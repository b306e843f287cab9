// The many forms of read and write; sendfile, copy_file_range, splice.
// guest: variants=static roots=default,host
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "check.h"

static int fresh(const char *content) {
  int fd = SYS(open("f", O_RDWR | O_CREAT | O_TRUNC, 0644));
  if (content) REQUIRE(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
  return fd;
}
static void done(int fd) {
  close(fd);
  unlink("f");
}

TEST(positions) {
  int fd = fresh("0123456789");
  char text[16] = "";
  CHECK_EQ(pread(fd, text, 4, 3), 4);
  CHECK(!memcmp(text, "3456", 4));
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);  // pread does not move it
  CHECK_EQ(pwrite(fd, "XY", 2, 20), 2);
  CHECK_EQ(lseek(fd, 0, SEEK_END), 22);
  CHECK_EQ(pread(fd, text, 16, 12), 10);
  CHECK(text[0] == 0 && text[8] == 'X');
  CHECK_EQ(pread(fd, text, 5, 100), 0);
  CHECK_ERR(pread(fd, text, 5, -1), EINVAL);
  CHECK_ERR(pwrite(fd, text, 5, -1), EINVAL);
  int ends[2];
  SYS(pipe(ends));
  CHECK_ERR(pread(ends[0], text, 1, 0), ESPIPE);
  CHECK_ERR(pwrite(ends[1], text, 1, 0), ESPIPE);
  CHECK_EQ(read(fd, text, 0), 0);
  CHECK_EQ(write(fd, text, 0), 0);
  CHECK_EQ(read(fd, NULL, 0), 0);
  close(ends[0]), close(ends[1]);
  done(fd);
}

TEST(vectors) {
  int fd = fresh(NULL);
  char a[4] = "", b[4] = "", c[8] = "";
  struct iovec out[4] = {{"abc", 3}, {"", 0}, {"defg", 4}, {"h", 1}}, in[3] = {{a, 2}, {b, 3}, {c, 8}};
  CHECK_EQ(writev(fd, out, 4), 8);
  CHECK_EQ(preadv(fd, in, 3, 0), 8);
  CHECK(!strcmp(a, "ab") && !strcmp(b, "cde") && !strcmp(c, "fgh"));
  CHECK_EQ(pwritev(fd, out, 1, 100), 3);
  lseek(fd, 98, SEEK_SET);
  CHECK_EQ(readv(fd, in, 3), 5);
  CHECK(b[0] == 'a' && b[2] == 'c');
  CHECK_EQ(readv(fd, in, 0), 0);
  CHECK_ERR(syscall(SYS_readv, fd, in, -1), EINVAL);
  CHECK_ERR(syscall(SYS_readv, fd, in, 1025), EINVAL);
  struct iovec bad[2] = {{a, 2}, {(void *)8, 2}}, negative[2] = {{a, 2}, {a, -1}};
  lseek(fd, 0, SEEK_SET);
  CHECK_EQ(readv(fd, bad, 2), 2);  // what could be done
  CHECK_ERR(readv(fd, negative, 2), EINVAL);
  CHECK_ERR(syscall(SYS_readv, fd, 8, 2), EFAULT);
  CHECK_ERR(writev(fd, &bad[1], 1), EFAULT);
  done(fd);
}

TEST(version_two) {
  int fd = fresh("0123456789");
  char text[16] = "";
  struct iovec in = {text, 4}, out = {"ab", 2};
  CHECK_EQ(preadv2(fd, &in, 1, 2, 0), 4);
  CHECK(!memcmp(text, "2345", 4));
  CHECK_EQ(preadv2(fd, &in, 1, -1, 0), 0);  // at the position, which is the end
  CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_APPEND), 2);
  CHECK_EQ(lseek(fd, 0, SEEK_END), 12);
  CHECK_EQ(pwritev2(fd, &out, 1, 0, RWF_SYNC), 2);
  CHECK_ERR(preadv2(fd, &in, 1, 0, 0x10000), EOPNOTSUPP);
  int ends[2];
  SYS(pipe(ends));
  CHECK_ERR(preadv2(ends[0], &in, 1, -1, RWF_NOWAIT), EAGAIN);
  close(ends[0]), close(ends[1]);
  done(fd);
}

TEST(large) {
  int fd = fresh(NULL);
  size_t size = 9 << 20;
  char *p = malloc(size), *q = malloc(size);
  for (size_t i = 0; i < size; i++) p[i] = i * 2654435761u >> 13;
  CHECK_EQ(write(fd, p, size), size);
  CHECK_EQ(pread(fd, q, size, 0), size);
  CHECK(!memcmp(p, q, size));
  for (size_t at = 0; at + 4097 < size; at += 999983) {
    CHECK_EQ(pread(fd, q, 4097, at), 4097);
    CHECK(!memcmp(p + at, q, 4097));
  }
  free(p), free(q);
  done(fd);
}

TEST(shared_position, FORKS) {
  int fd = fresh("0123456789"), same = SYS(dup(fd)), other = SYS(open("f", O_RDONLY));
  char byte;
  lseek(fd, 3, SEEK_SET);
  CHECK_EQ(lseek(same, 0, SEEK_CUR), 3);
  CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
  pid_t pid;
  CHILD(pid) {
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, '3');
  }
  wait_ok(pid);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
  close(same), close(other);
  done(fd);
}

TEST(sendfile) {
  int fd = fresh("0123456789"), ends[2];
  char text[16] = "";
  SYS(pipe(ends));
  off_t at = 2;
  CHECK_EQ(sendfile(ends[1], fd, &at, 5), 5);
  CHECK_EQ(at, 7);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
  lseek(fd, 8, SEEK_SET);
  CHECK_EQ(sendfile(ends[1], fd, NULL, 100), 2);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
  CHECK_EQ(read(ends[0], text, 16), 7);
  CHECK(!memcmp(text, "2345689", 7));
  CHECK_EQ(sendfile(ends[1], fd, NULL, 100), 0);
  CHECK_ERR(sendfile(fd, ends[0], NULL, 1), EINVAL);
  CHECK_ERR(sendfile(999, fd, NULL, 1), EBADF);
  int to = SYS(open("g", O_RDWR | O_CREAT | O_TRUNC, 0600));
  at = 0;
  CHECK_EQ(sendfile(to, fd, &at, 10), 10);
  CHECK_EQ(pread(to, text, 16, 0), 10);
  close(to), close(ends[0]), close(ends[1]);
  unlink("g");
  done(fd);
}

// Two files whose descriptors are shared, each sent to the other at once.
static int crossing[2];
static void *cross(void *way) {
  int from = crossing[(long)way], to = crossing[!(long)way];
  for (int i = 0; i < 2000; i++) {
    lseek(from, 0, SEEK_SET);
    CHECK(sendfile(to, from, NULL, 10) >= 0);
  }
  return NULL;
}

TEST(sendfile_crossing) {
  int fd = fresh("0123456789"), to = SYS(open("g", O_RDWR | O_CREAT | O_TRUNC, 0600));
  int same = SYS(dup(fd)), other = SYS(dup(to));
  crossing[0] = fd, crossing[1] = to;
  pthread_t threads[2];
  for (long i = 0; i < 2; i++) REQUIRE(pthread_create(&threads[i], NULL, cross, (void *)i) == 0);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  close(same), close(other), close(to);
  unlink("g");
  done(fd);
}

TEST(copy_file_range) {
  int fd = fresh("0123456789"), to = SYS(open("g", O_RDWR | O_CREAT | O_TRUNC, 0600));
  char text[16] = "";
  off_t from = 3, where = 100;
  CHECK_EQ(copy_file_range(fd, &from, to, &where, 4, 0), 4);
  CHECK(from == 7 && where == 104);
  CHECK_EQ(pread(to, text, 16, 98), 6);
  CHECK(!memcmp(text, "\0\0003456", 6));
  lseek(fd, 0, SEEK_SET);
  CHECK_EQ(copy_file_range(fd, NULL, to, NULL, 100, 0), 10);
  CHECK_EQ(lseek(to, 0, SEEK_CUR), 10);
  CHECK_EQ(copy_file_range(fd, NULL, to, NULL, 100, 0), 0);
  CHECK_ERR(copy_file_range(fd, NULL, to, NULL, 1, 1), EINVAL);
  from = 0, where = 2;
  CHECK_ERR(copy_file_range(fd, &from, fd, &where, 5, 0), EINVAL);  // overlap
  int ends[2];
  SYS(pipe(ends));
  CHECK_ERR(copy_file_range(fd, NULL, ends[1], NULL, 1, 0), EINVAL);
  close(ends[0]), close(ends[1]), close(to);
  unlink("g");
  done(fd);
}

TEST(sync_calls) {
  int fd = fresh("x"), ends[2];
  CHECK_EQ(fsync(fd), 0);
  CHECK_EQ(fdatasync(fd), 0);
  CHECK_EQ(syncfs(fd), 0);
  sync();
  CHECK_ERR(fsync(999), EBADF);
  SYS(pipe(ends));
  CHECK_ERR(fsync(ends[0]), EINVAL);
  close(ends[0]), close(ends[1]);
  done(fd);
}

TEST(devices) {
  char text[64];
  memset(text, 1, sizeof text);
  int null = SYS(open("/dev/null", O_RDWR)), zero = SYS(open("/dev/zero", O_RDWR)), full = SYS(open("/dev/full", O_RDWR));
  int random = SYS(open("/dev/urandom", O_RDONLY));
  CHECK_EQ(read(null, text, 64), 0);
  CHECK_EQ(write(null, text, 64), 64);
  CHECK_EQ(read(zero, text, 64), 64);
  for (int i = 0; i < 64; i++) CHECK_EQ(text[i], 0);
  CHECK_EQ(write(zero, text, 64), 64);
  CHECK_ERR(write(full, text, 64), ENOSPC);
  CHECK_EQ(read(full, text, 64), 64);
  CHECK_EQ(read(random, text, 64), 64);
  int sum = 0;
  for (int i = 0; i < 64; i++) sum |= text[i];
  CHECK(sum != 0);
  CHECK_EQ(lseek(null, 0, SEEK_END), 0);
  CHECK_EQ(syscall(SYS_getrandom, text, 64, 0), 64);
  CHECK_ERR(syscall(SYS_getrandom, text, 64, 0x80), EINVAL);
  close(null), close(zero), close(full), close(random);
}

// Two threads on one description: no byte is read twice or lost.
static int shared_fd;
static volatile long total;
static void *takes(void *unused) {
  unsigned char bytes[7];
  for (ssize_t n; (n = read(shared_fd, bytes, sizeof bytes)) > 0;)
    for (ssize_t i = 0; i < n; i++) __atomic_add_fetch(&total, bytes[i], __ATOMIC_SEQ_CST);
  return unused;
}

TEST(position_is_locked, CPUS) {
  shared_fd = fresh(NULL);
  unsigned char block[1000];
  for (int i = 0; i < 1000; i++) block[i] = i % 251;
  long want = 0;
  for (int i = 0; i < 50; i++) {
    write(shared_fd, block, 1000);
    for (int j = 0; j < 1000; j++) want += block[j];
  }
  lseek(shared_fd, 0, SEEK_SET);
  total = 0;
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, takes, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(total, want);
  done(shared_fd);
}

// Several at once: on host files others make these calls while the caller sleeps.
static void *syncs(void *argument) {
  int fd = (int)(long)argument;
  for (int i = 0; i < 5; i++) {
    if (pwrite(fd, "synced", 6, i * 6) != 6) FAIL("write: %s", strerror(errno));
    if ((i & 1 ? fsync(fd) : fdatasync(fd)) != 0) FAIL("sync: %s", strerror(errno));
  }
  return NULL;
}

TEST(sync, CPUS) {
  int fd = fresh(NULL);
  pthread_t ids[6];
  for (int i = 0; i < 6; i++) REQUIRE(pthread_create(&ids[i], NULL, syncs, (void *)(long)fd) == 0);
  for (int i = 0; i < 6; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(syncfs(fd), 0);
  int directory = SYS(open(".", O_RDONLY | O_DIRECTORY)), ends[2];
  CHECK_EQ(fsync(directory), 0);
  SYS(pipe(ends));
  CHECK_ERR(fsync(ends[0]), EINVAL);
  CHECK_ERR(fdatasync(-1), EBADF);
  close(directory), close(ends[0]), close(ends[1]);
  done(fd);
}
