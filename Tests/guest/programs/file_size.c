// Sizes, holes, appending; statx and times.
// guest: variants=static roots=default,host
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "check.h"

static int fresh(void) { return SYS(open("f", O_RDWR | O_CREAT | O_TRUNC, 0644)); }
static off_t size_of(int fd) {
  struct stat status;
  SYS(fstat(fd, &status));
  return status.st_size;
}
static int byte_at(int fd, off_t at) {
  unsigned char byte;
  return pread(fd, &byte, 1, at) == 1 ? byte : -1;
}

TEST(truncate) {
  int fd = fresh();
  CHECK_EQ(write(fd, "0123456789", 10), 10);
  SYS(ftruncate(fd, 4));
  SYS(ftruncate(fd, 10000));
  CHECK(byte_at(fd, 3) == '3' && byte_at(fd, 4) == 0 && byte_at(fd, 9999) == 0 && byte_at(fd, 10000) == -1);
  SYS(truncate("f", 2));
  CHECK_EQ(size_of(fd), 2);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);  // the position does not move
  CHECK_EQ(write(fd, "x", 1), 1);
  CHECK_EQ(size_of(fd), 11);
  CHECK_EQ(byte_at(fd, 5), 0);
  CHECK_ERR(ftruncate(fd, -1), EINVAL);
  CHECK_ERR(truncate("f", -1), EINVAL);
  CHECK_ERR(truncate("none", 0), ENOENT);
  CHECK_ERR(truncate(".", 0), EISDIR);
  int ends[2];
  SYS(pipe(ends));
  CHECK_ERR(ftruncate(ends[1], 0), EINVAL);
  close(ends[0]), close(ends[1]), close(fd);
  unlink("f");
}

TEST(seek) {
  int fd = fresh(), ends[2];
  write(fd, "0123456789", 10);
  CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
  CHECK_EQ(lseek(fd, 2, SEEK_CUR), 5);
  CHECK_EQ(lseek(fd, -1, SEEK_END), 9);
  CHECK_EQ(lseek(fd, 100, SEEK_END), 110);
  CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
  CHECK_ERR(lseek(fd, -1000, SEEK_CUR), EINVAL);
  CHECK_ERR(lseek(fd, 0, 99), EINVAL);
  char byte;
  CHECK_EQ(read(fd, &byte, 1), 0);  // beyond the end
  SYS(pipe(ends));
  CHECK_ERR(lseek(ends[0], 0, SEEK_CUR), ESPIPE);
  CHECK_ERR(lseek(999, 0, SEEK_CUR), EBADF);
  close(ends[0]), close(ends[1]), close(fd);
  unlink("f");
}

TEST(holes) {
  int fd = fresh();
  SYS(ftruncate(fd, 3 << 20));
  CHECK_EQ(pwrite(fd, "x", 1, 1 << 20), 1);
  off_t data = lseek(fd, 0, SEEK_DATA), hole = lseek(fd, 1 << 20, SEEK_HOLE);
  CHECK(data >= 0 && data <= 1 << 20);       // a file system may know no holes
  CHECK(hole > 1 << 20 && hole <= 3 << 20);
  CHECK_ERR(lseek(fd, 3 << 20, SEEK_DATA), ENXIO);
  CHECK_ERR(lseek(fd, 3 << 20, SEEK_HOLE), ENXIO);
  struct stat status;
  SYS(fstat(fd, &status));
  CHECK(status.st_blocks * 512 < 1 << 20);
  close(fd);
  unlink("f");
}

TEST(write_long) {
  static const int pieces[] = {100, 5000, 2048, 9000, 300, 70000, 1, 400000, 3000, 3000, 3000};
  enum { SIZE = 1 << 20 };
  unsigned char *buffer = SYS(mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  unsigned char *back = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SYS(munmap(buffer + SIZE, 4096));
  for (int i = 0; i < SIZE; i++) buffer[i] = i * 31 >> 4;
  int fd = fresh(), total = 0;
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {  // pages are begun by one and ended by the next
    CHECK_EQ(write(fd, buffer + total, pieces[i]), pieces[i]);
    total += pieces[i];
  }
  CHECK_EQ(size_of(fd), total);
  CHECK_EQ(pread(fd, back, SIZE, 0), total);
  CHECK(memcmp(buffer, back, total) == 0);
  close(fd);
  fd = fresh();  // what the buffer lacks is not written
  CHECK_EQ(write(fd, buffer + SIZE - 10000, 100000), 10000);
  CHECK_EQ(size_of(fd), 10000);
  CHECK_ERR(pwrite(fd, buffer + SIZE, 100000, 0), EFAULT);
  CHECK_EQ(size_of(fd), 10000);
  struct stat status;
  struct statfs system;
  SYS(fstat(fd, &status));
  SYS(fstatfs(fd, &system));
  if (system.f_type == TMPFS_MAGIC) CHECK_EQ(status.st_blocks, 24);
  SYS(ftruncate(fd, 200000));
  CHECK_EQ(pread(fd, back, SIZE, 0), 200000);
  CHECK(memcmp(buffer + SIZE - 10000, back, 10000) == 0);
  for (int i = 10000; i < 200000; i++) REQUIRE(back[i] == 0);
  // A buffer that is the file's own pages, which are not there yet.
  unsigned char *map = SYS(mmap(NULL, 1 << 17, PROT_READ, MAP_SHARED, fd, 0));
  CHECK_EQ(pwrite(fd, map, 1 << 16, 1 << 16), 1 << 16);
  CHECK(memcmp(map, map + (1 << 16), 1 << 16) == 0 && map[(1 << 16) + 9999] == buffer[SIZE - 1]);
  munmap(map, 1 << 17), munmap(buffer, SIZE), munmap(back, SIZE);
  close(fd);
  unlink("f");
}

TEST(fallocate) {
  int fd = fresh();
  char block[8192];
  memset(block, 'b', sizeof block);
  write(fd, block, sizeof block);
  SYS(fallocate(fd, 0, 0, 20000));
  CHECK_EQ(size_of(fd), 20000);
  CHECK(byte_at(fd, 8191) == 'b' && byte_at(fd, 8192) == 0);
  SYS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 20000, 20000));
  CHECK_EQ(size_of(fd), 20000);
  SYS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000));
  CHECK(byte_at(fd, 99) == 'b' && byte_at(fd, 100) == 0 && byte_at(fd, 5099) == 0 && byte_at(fd, 5100) == 'b');
  CHECK_EQ(size_of(fd), 20000);
  CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
  CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
  CHECK_ERR(fallocate(fd, 0, -1, 10), EINVAL);
  CHECK_ERR(fallocate(fd, 0x8000, 0, 10), EOPNOTSUPP);
  int ends[2], read_only = SYS(open("f", O_RDONLY));
  CHECK_ERR(fallocate(read_only, 0, 0, 10), EBADF);
  SYS(pipe(ends));
  CHECK_ERR(fallocate(ends[1], 0, 0, 10), ESPIPE);
  close(ends[0]), close(ends[1]), close(fd), close(read_only);
  unlink("f");
}

TEST(append, FORKS | CPUS) {
  int fd = fresh();
  close(fd);
  pid_t pids[4];
  for (int i = 0; i < 4; i++)
    CHILD(pids[i]) {
      int mine = SYS(open("f", O_WRONLY | O_APPEND));
      char record[16];
      memset(record, 'a' + i, sizeof record);
      for (int j = 0; j < 500; j++) REQUIRE(write(mine, record, sizeof record) == sizeof record);
    }
  for (int i = 0; i < 4; i++) wait_ok(pids[i]);
  fd = SYS(open("f", O_RDWR | O_APPEND));
  CHECK_EQ(size_of(fd), 4 * 500 * 16);
  char record[16];
  int counts[4] = {0};
  for (int j = 0; j < 2000; j++) {  // no record is torn
    REQUIRE(read(fd, record, 16) == 16);
    for (int k = 1; k < 16; k++) REQUIRE(record[k] == record[0]);
    counts[record[0] - 'a']++;
  }
  for (int i = 0; i < 4; i++) CHECK_EQ(counts[i], 500);
  lseek(fd, 0, SEEK_SET);
  write(fd, "Z", 1);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 32001);
  CHECK_EQ(pwrite(fd, "Y", 1, 0), 1);  // Linux: appends all the same
  CHECK_EQ(size_of(fd), 32002);
  close(fd);
  unlink("f");
}

TEST(stat_fields) {
  int fd = fresh();
  write(fd, "hello", 5);
  struct stat status, null;
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_mode, S_IFREG | 0644);
  CHECK(status.st_blksize >= 512);
  CHECK(labs(status.st_mtime - time(NULL)) < 10);
  SYS(stat("/dev/null", &null));
  CHECK(S_ISCHR(null.st_mode) && null.st_rdev == makedev(1, 3));
  struct statx x;
  SYS(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x));
  CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
  CHECK_EQ(x.stx_size, 5);
  CHECK_EQ(x.stx_ino, status.st_ino);
  CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), status.st_dev);
  CHECK_EQ(x.stx_nlink, 1);
  CHECK_EQ(x.stx_mtime.tv_sec, status.st_mtim.tv_sec);
  CHECK_EQ(x.stx_mtime.tv_nsec, status.st_mtim.tv_nsec);
  CHECK_ERR(statx(AT_FDCWD, "none", 0, STATX_ALL, &x), ENOENT);
  CHECK_ERR(statx(AT_FDCWD, "f", 0x80000000, STATX_ALL, &x), EINVAL);
  CHECK_ERR(statx(AT_FDCWD, "f", 0, 0x80000000, &x), EINVAL);
  close(fd);
  unlink("f");
}

static struct stat stat_of(const char *path) {
  struct stat status;
  SYS(lstat(path, &status));
  return status;
}
static bool later(struct timespec a, struct timespec b) {
  return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

TEST(times_move) {
  int fd = fresh();
  SYS(mkdir("d", 0755));
  struct stat before = stat_of("f"), d = stat_of("d");
  sleep_ms(30);
  write(fd, "x", 1);
  struct stat after = stat_of("f");
  CHECK(later(after.st_mtim, before.st_mtim) && later(after.st_ctim, before.st_ctim));
  sleep_ms(30);
  SYS(fchmod(fd, 0600));
  struct stat changed = stat_of("f");
  CHECK(!later(changed.st_mtim, after.st_mtim) && later(changed.st_ctim, after.st_ctim));
  SYS(rename("f", "d/f"));
  CHECK(later(stat_of("d").st_mtim, d.st_mtim));
  d = stat_of("d");
  sleep_ms(30);
  SYS(unlink("d/f"));
  CHECK(later(stat_of("d").st_mtim, d.st_mtim));
  close(fd);
  rmdir("d");
}

TEST(utimensat) {
  close(fresh());
  SYS(symlink("f", "l"));
  struct timespec t[2] = {{1000, 123456789}, {2000, 987654321}};
  SYS(utimensat(AT_FDCWD, "f", t, 0));
  struct stat s = stat_of("f");
  CHECK(s.st_atim.tv_sec == 1000 && s.st_mtim.tv_sec == 2000 && s.st_mtim.tv_nsec == 987654321);
  t[0].tv_nsec = UTIME_OMIT, t[1] = (struct timespec){5, 0};
  SYS(utimensat(AT_FDCWD, "f", t, 0));
  s = stat_of("f");
  CHECK(s.st_atim.tv_sec == 1000 && s.st_mtim.tv_sec == 5);
  t[0].tv_nsec = UTIME_NOW, t[1].tv_nsec = UTIME_OMIT;
  SYS(utimensat(AT_FDCWD, "f", t, 0));
  s = stat_of("f");
  CHECK(labs(s.st_atim.tv_sec - time(NULL)) < 10 && s.st_mtim.tv_sec == 5);
  t[0] = t[1] = (struct timespec){77, 0};
  SYS(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
  CHECK(stat_of("l").st_mtim.tv_sec == 77 && stat_of("f").st_mtim.tv_sec == 5);
  int fd = SYS(open("f", O_RDONLY));
  SYS(futimens(fd, NULL));
  CHECK(labs(stat_of("f").st_mtim.tv_sec - time(NULL)) < 10);
  t[0].tv_nsec = 1000000000;
  CHECK_ERR(utimensat(AT_FDCWD, "f", t, 0), EINVAL);
  CHECK_ERR(utimensat(AT_FDCWD, "none", NULL, 0), ENOENT);
  struct timespec old[2] = {{-100, 0}, {-100, 0}};
  SYS(utimensat(AT_FDCWD, "f", old, 0));  // before 1970
  CHECK_EQ(stat_of("f").st_mtim.tv_sec, -100);
  close(fd);
  unlink("f"), unlink("l");
}
