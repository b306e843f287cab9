// open: flags against kinds of files, as a table of results.
// guest: variants=static roots=default,host
#include <sys/ioctl.h>

#include "check.h"

static void scene(void) {
  put_file("file", "content", 7);
  SYS(mkdir("dir", 0755));
  SYS(symlink("file", "link"));
  SYS(symlink("dir", "dirlink"));
  SYS(symlink("nowhere", "dangling"));
  SYS(symlink("loop2", "loop1"));
  SYS(symlink("loop1", "loop2"));
  SYS(mkfifo("fifo", 0644));
}
static void clear(void) {
  static const char *const names[] = {"file", "link", "dirlink", "dangling", "loop1", "loop2", "fifo", "new", "nowhere"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) unlink(names[i]);
  rmdir("dir");
}

typedef struct {
  const char *path;
  int flags, error;
} Row;

static const Row rows[] = {
    {"file", O_RDONLY, 0},
    {"file", O_RDWR, 0},
    {"file", 3, 0},  // neither: for ioctl only
    {"file", O_RDONLY | O_DIRECTORY, ENOTDIR},
    {"file", O_RDONLY | O_CREAT, 0},
    {"file", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
    {"file", O_RDONLY | O_NOFOLLOW, 0},
    {"file/", O_RDONLY, ENOTDIR},
    {"file/.", O_RDONLY, ENOTDIR},
    {"file/x", O_RDONLY, ENOTDIR},
    {"file/..", O_RDONLY, ENOTDIR},
    {"dir", O_RDONLY, 0},
    {"dir", O_RDONLY | O_DIRECTORY, 0},
    {"dir", O_WRONLY, EISDIR},
    {"dir", O_RDWR, EISDIR},
    {"dir", O_RDONLY | O_CREAT, EISDIR},
    {"dir", O_RDONLY | O_TRUNC, EISDIR},
    {"dir/", O_RDONLY, 0},
    {"dir/.", O_RDONLY, 0},
    {"dir/..", O_RDONLY, 0},
    {"dir/../file", O_RDONLY, 0},
    {"dir//./../dir//", O_RDONLY, 0},
    {"link", O_RDONLY, 0},
    {"link", O_RDONLY | O_NOFOLLOW, ELOOP},
    {"link", O_PATH | O_NOFOLLOW, 0},
    {"link", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
    {"link/", O_RDONLY, ENOTDIR},
    {"dirlink", O_RDONLY | O_NOFOLLOW, ELOOP},
    {"dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, ENOTDIR},
    {"dirlink/", O_RDONLY | O_NOFOLLOW, 0},
    {"dirlink", O_RDONLY | O_DIRECTORY, 0},
    {"dangling", O_RDONLY, ENOENT},
    {"dangling", O_RDONLY | O_NOFOLLOW, ELOOP},
    {"dangling", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
    {"dangling/", O_RDONLY | O_CREAT, EISDIR},
    {"loop1", O_RDONLY, ELOOP},
    {"loop1/x", O_RDONLY, ELOOP},
    {"loop1", O_PATH | O_NOFOLLOW, 0},
    {"none", O_RDONLY, ENOENT},
    {"none", O_WRONLY, ENOENT},
    {"none/", O_RDONLY | O_CREAT, EISDIR},
    {"none/x", O_RDONLY | O_CREAT, ENOENT},
    {"", O_RDONLY, ENOENT},
    {"", O_RDONLY | O_CREAT, ENOENT},
    {".", O_RDONLY, 0},
    {".", O_RDWR, EISDIR},
    {".", O_RDONLY | O_CREAT, EISDIR},
    {"..", O_RDONLY | O_DIRECTORY, 0},
    {"/", O_RDONLY, 0},
    {"/..", O_RDONLY, 0},
    {"/../../..", O_RDONLY, 0},
    {"//", O_RDONLY, 0},
    {"fifo", O_WRONLY | O_NONBLOCK, ENXIO},
    {"fifo", O_RDONLY | O_NONBLOCK, 0},
    {"fifo", O_RDWR, 0},
    {"fifo", O_PATH, 0},
    {"/dev/null", O_RDWR, 0},
    {"/dev/null/", O_RDWR, ENOTDIR},
};

TEST(table) {
  scene();
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    int fd = open(rows[i].path, rows[i].flags, 0644), error = fd < 0 ? errno : 0;
    if (error != rows[i].error)
      FAIL("open(\"%s\", %#o): errno %d, not %d", rows[i].path, rows[i].flags, error, rows[i].error);
    if (fd >= 0) close(fd);
  }
  clear();
}

TEST(creates) {
  umask(022);
  struct stat status;
  int fd = SYS(open("new", O_RDWR | O_CREAT | O_EXCL, 0666));
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_mode, S_IFREG | 0644);
  CHECK_EQ(status.st_size, 0);
  CHECK_EQ(status.st_nlink, 1);
  CHECK_EQ(status.st_uid, geteuid());
  close(fd);
  SYS(unlink("new"));
  // The mode is for later opens only: this descriptor may do what it asked for.
  fd = SYS(open("new", O_RDWR | O_CREAT, 0));
  CHECK_EQ(write(fd, "x", 1), 1);
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_mode, S_IFREG);
  close(fd);
  if (geteuid() == 0) {
    fd = SYS(open("new", O_WRONLY | O_CREAT | O_TRUNC, 0777));
    SYS(fstat(fd, &status));
    CHECK_EQ(status.st_mode, S_IFREG);  // it was there already
    CHECK_EQ(status.st_size, 0);
    close(fd);
  } else CHECK_ERR(open("new", O_WRONLY | O_CREAT, 0777), EACCES);
  unlink("new");
}

TEST(creates_through_link) {
  SYS(symlink("nowhere", "dangling"));
  int fd = SYS(open("dangling", O_WRONLY | O_CREAT, 0600));
  close(fd);
  CHECK_EQ(access("nowhere", F_OK), 0);
  unlink("dangling"), unlink("nowhere");
}

TEST(modes_of_descriptor) {
  put_file("file", "content", 7);
  char byte;
  int fd = SYS(open("file", O_WRONLY));
  CHECK_ERR(read(fd, &byte, 1), EBADF);
  CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
  close(fd);
  fd = SYS(open("file", O_RDONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_CREAT));
  CHECK_ERR(write(fd, "x", 1), EBADF);
  CHECK_ERR(ftruncate(fd, 0), EINVAL);
  CHECK_EQ(fcntl(fd, F_GETFL) & ~0100000, O_RDONLY | O_APPEND | O_NONBLOCK);  // creation flags are not kept
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  close(fd);
  unlink("file");
}

TEST(path_only) {
  put_file("file", "content", 7);
  char byte;
  struct stat status;
  int fd = SYS(open("file", O_PATH));
  CHECK_ERR(read(fd, &byte, 1), EBADF);
  CHECK_ERR(write(fd, &byte, 1), EBADF);
  CHECK_ERR(lseek(fd, 0, SEEK_SET), EBADF);
  CHECK_ERR(fchmod(fd, 0600), EBADF);
  CHECK_ERR(ftruncate(fd, 0), EBADF);
  CHECK_ERR(ioctl(fd, 0, 0), EBADF);
  CHECK_EQ(fstat(fd, &status), 0);
  CHECK_EQ(status.st_size, 7);
  int other = SYS(dup(fd));
  close(other);
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  other = SYS(open(name, O_RDONLY));  // the way to a real one
  CHECK_EQ(read(other, &byte, 1), 1);
  close(other), close(fd);
  unlink("file");
}

TEST(temporary_file) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd < 0 && errno == EOPNOTSUPP && !in_martlet()) SKIP("this file system has no O_TMPFILE");
  REQUIRE(fd >= 0);
  struct stat status;
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_nlink, 0);
  CHECK_EQ(write(fd, "x", 1), 1);
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  SYS(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_nlink, 1);
  close(fd);
  CHECK_ERR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
  CHECK_ERR(open("named", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
  unlink("named");
}

TEST(truncates) {
  put_file("file", "content", 7);
  int fd = SYS(open("file", O_WRONLY | O_TRUNC));
  struct stat status;
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_size, 0);
  close(fd);
  unlink("file");
}

TEST(lowest_descriptor) {
  int a = SYS(open("/dev/null", O_RDONLY)), b = SYS(open("/dev/null", O_RDONLY));
  CHECK_EQ(b, a + 1);
  close(a);
  CHECK_EQ(open("/dev/null", O_RDONLY), a);
  close(a), close(b);
  CHECK_ERR(close(a), EBADF);
  CHECK_ERR(close(-1), EBADF);
  CHECK_ERR(close(100000), EBADF);
}
