// Reading directories: completeness, seeking, changes meanwhile.
// guest: variants=static,musl roots=default,host
#include <dirent.h>

#include "check.h"

typedef struct {
  uint64_t ino;
  int64_t off;
  unsigned short reclen;
  unsigned char type;
  char name[];
} Entry;

static void make(int count) {
  char name[32];
  SYS(mkdir("d", 0755));
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "d/file-%d", i);
    put_file(name, "", 0);
  }
}
static void clear(int count) {
  char name[32];
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "d/file-%d", i);
    unlink(name);
  }
  rmdir("d");
}
static int number(const char *name) { return strncmp(name, "file-", 5) ? -1 : atoi(name + 5); }

TEST(complete) {
  enum { COUNT = 1000 };
  static int seen[COUNT];
  make(COUNT);
  for (int round = 0; round < 2; round++) {
    memset(seen, 0, sizeof seen);
    int dots = 0;
    DIR *d = opendir("d");
    REQUIRE(d);
    for (struct dirent *e; (e = readdir(d));) {
      int n = number(e->d_name);
      if (n >= 0) seen[n]++;
      else if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) dots++;
      else FAIL("unknown name %s", e->d_name);
      if (n >= 0 && e->d_type != DT_REG && e->d_type != DT_UNKNOWN) FAIL("type %d", e->d_type);
    }
    CHECK_EQ(dots, 2);
    for (int i = 0; i < COUNT; i++) CHECK_EQ(seen[i], 1);
    closedir(d);
  }
  clear(COUNT);
}

TEST(small_buffers) {
  make(100);
  int fd = SYS(open("d", O_RDONLY | O_DIRECTORY)), count = 0;
  _Alignas(8) char buffer[64];
  long n;
  while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
    for (long at = 0; at < n; at += ((Entry *)(buffer + at))->reclen) {
      Entry *e = (Entry *)(buffer + at);
      CHECK(e->reclen % 8 == 0 && e->reclen >= 24 && e->ino != 0);
      count++;
    }
  CHECK_EQ(n, 0);
  CHECK_EQ(count, 102);
  SYS(lseek(fd, 0, SEEK_SET));
  CHECK_ERR(syscall(SYS_getdents64, fd, buffer, 8), EINVAL);  // not even one entry
  CHECK(syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0);
  CHECK_ERR(syscall(SYS_getdents64, fd, (void *)8, 4096), EFAULT);
  close(fd);
  fd = SYS(open("d/file-0", O_RDONLY));
  CHECK_ERR(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOTDIR);
  CHECK_ERR(syscall(SYS_getdents64, 999, buffer, sizeof buffer), EBADF);
  close(fd);
  clear(100);
}

TEST(seek_and_tell) {
  enum { COUNT = 200 };
  make(COUNT);
  DIR *d = opendir("d");
  long places[COUNT + 3];
  char names[COUNT + 2][32];
  int count = 0;
  for (struct dirent *e;; count++) {
    places[count] = telldir(d);
    if (!(e = readdir(d))) break;
    snprintf(names[count], 32, "%.31s", e->d_name);
  }
  CHECK_EQ(count, COUNT + 2);
  for (int i = count - 1; i >= 0; i -= 7) {
    seekdir(d, places[i]);
    struct dirent *e = readdir(d);
    if (!e || strcmp(e->d_name, names[i])) FAIL("entry %d is %s, not %s", i, e ? e->d_name : "none", names[i]);
  }
  rewinddir(d);
  struct dirent *e = readdir(d);
  if (!e || strcmp(e->d_name, names[0])) FAIL("first is %s, not %s", e ? e->d_name : "none", names[0]);
  closedir(d);
  clear(COUNT);
}

// rm -r: what was there all along is given once, whatever is deleted meanwhile.
TEST(delete_while_reading) {
  enum { COUNT = 600 };
  static int seen[COUNT];
  memset(seen, 0, sizeof seen);
  make(COUNT);
  int fd = SYS(open("d", O_RDONLY | O_DIRECTORY));
  _Alignas(8) char buffer[512];
  long n;
  while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
    for (long at = 0; at < n; at += ((Entry *)(buffer + at))->reclen) {
      Entry *e = (Entry *)(buffer + at);
      int i = number(e->name);
      if (i < 0) continue;
      seen[i]++;
      if (i % 2) SYS(unlinkat(fd, e->name, 0));
    }
  for (int i = 0; i < COUNT; i++) CHECK_EQ(seen[i], 1);
  close(fd);
  DIR *d = opendir("d");
  int left = 0;
  while (readdir(d)) left++;
  CHECK_EQ(left, COUNT / 2 + 2);
  closedir(d);
  clear(COUNT);
}

TEST(add_while_reading) {
  enum { COUNT = 300 };
  static int seen[2 * COUNT];
  memset(seen, 0, sizeof seen);
  make(COUNT);
  DIR *d = opendir("d");
  int made = 0;
  for (struct dirent *e; (e = readdir(d));) {
    int i = number(e->d_name);
    if (i >= 0) seen[i]++;
    if (made < COUNT) {
      char name[32];
      snprintf(name, sizeof name, "d/file-%d", COUNT + made++);
      put_file(name, "", 0);
    }
  }
  for (int i = 0; i < COUNT; i++) CHECK_EQ(seen[i], 1);
  for (int i = COUNT; i < 2 * COUNT; i++) CHECK(seen[i] <= 1);
  closedir(d);
  clear(2 * COUNT);
}

TEST(types) {
  SYS(mkdir("d", 0755)), SYS(mkdir("d/dir", 0755)), SYS(symlink("x", "d/link")), SYS(mkfifo("d/fifo", 0600));
  put_file("d/reg", "", 0);
  DIR *d = opendir("d");
  int count = 0;
  for (struct dirent *e; (e = readdir(d));) {
    struct stat status;
    SYS(fstatat(dirfd(d), e->d_name, &status, AT_SYMLINK_NOFOLLOW));
    CHECK(e->d_type == DT_UNKNOWN || e->d_type == IFTODT(status.st_mode));
    if (strcmp(e->d_name, "..")) CHECK_EQ(e->d_ino, status.st_ino);
    count++;
  }
  CHECK_EQ(count, 6);
  closedir(d);
  rmdir("d/dir"), unlink("d/link"), unlink("d/fifo"), unlink("d/reg"), rmdir("d");
}

TEST(read_is_not_for_directories) {
  char byte;
  int fd = SYS(open(".", O_RDONLY));
  CHECK_ERR(read(fd, &byte, 1), EISDIR);
  CHECK_ERR(write(fd, &byte, 1), EBADF);
  CHECK_ERR(ftruncate(fd, 0), EINVAL);
  close(fd);
}

TEST(link_counts) {
  struct stat status;
  SYS(mkdir("d", 0755));
  for (int i = 0; i < 10; i++) {
    char name[16];
    snprintf(name, sizeof name, "d/%d", i);
    SYS(mkdir(name, 0755));
  }
  SYS(stat("d", &status));
  CHECK_EQ(status.st_nlink, 12);
  for (int i = 0; i < 10; i++) {
    char name[16];
    snprintf(name, sizeof name, "d/%d", i);
    SYS(rmdir(name));
  }
  SYS(stat("d", &status));
  CHECK_EQ(status.st_nlink, 2);
  rmdir("d");
}
