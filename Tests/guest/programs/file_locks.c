// POSIX, open-file-description and flock locks: conflicts, splits, deadlock, release.
// guest: roots=default,host
#include <sys/file.h>

#include "check.h"

static int lock(int fd, int command, int type, off_t start, off_t length) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, command, &l);
}
// Who holds what would stand in the way of a write lock: its type, F_UNLCK for nobody.
static struct flock probe(int fd, off_t start, off_t length) {
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  SYS(fcntl(fd, F_GETLK, &l));
  return l;
}
static int fresh(void) { return SYS(open("f", O_RDWR | O_CREAT | O_TRUNC, 0644)); }

TEST(conflicts, FORKS) {
  int fd = fresh();
  SYS(lock(fd, F_SETLK, F_WRLCK, 10, 10));
  CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 12, 2), 0);  // one's own never conflict
  pid_t pid, parent = getpid();
  CHILD(pid) {
    CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
    CHECK_ERR(lock(fd, F_SETLK, F_RDLCK, 15, 1), EAGAIN);
    CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 12, 2), 0);
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 20, 5), 0);
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 10), 0);
    struct flock l = probe(fd, 12, 1);
    CHECK(l.l_type == F_RDLCK && l.l_pid == parent && l.l_start == 12 && l.l_len == 2);
    l = probe(fd, 14, 0);
    CHECK(l.l_type == F_WRLCK && l.l_start == 14 && l.l_len == 6);
    CHECK_EQ(probe(fd, 30, 5).l_type, F_UNLCK);
  }
  wait_ok(pid);
  close(fd);
  unlink("f");
}

TEST(ranges) {
  int fd = fresh();
  CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
  CHECK_ERR(lock(fd, F_SETLK, F_WRLCK, 5, -10), EINVAL);
  CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 10, -5), 0);  // the five before
  CHECK_ERR(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
  int read_only = SYS(open("f", O_RDONLY)), write_only = SYS(open("f", O_WRONLY));
  CHECK_ERR(lock(read_only, F_SETLK, F_WRLCK, 0, 1), EBADF);
  CHECK_ERR(lock(write_only, F_SETLK, F_RDLCK, 0, 1), EBADF);
  CHECK_ERR(lock(999, F_SETLK, F_RDLCK, 0, 1), EBADF);
  close(read_only), close(write_only), close(fd);
  unlink("f");
}

// Closing any descriptor of the file drops all POSIX locks of the process.
TEST(dropped_by_close, FORKS) {
  int fd = fresh();
  SYS(lock(fd, F_SETLK, F_WRLCK, 0, 0));
  close(SYS(open("f", O_RDONLY)));
  pid_t pid;
  CHILD(pid) CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);
  wait_ok(pid);
  CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 0), 0);  // and the child's end dropped the child's
  close(fd);
  unlink("f");
}

TEST(waiting, FORKS | CPUS) {
  int fd = fresh(), ends[2];
  SYS(pipe(ends));
  SYS(lock(fd, F_SETLK, F_WRLCK, 0, 1));
  pid_t pid;
  CHILD(pid) {
    SYS(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
    write(ends[1], "x", 1);
  }
  wait_sleeping(pid, pid);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  char byte;
  CHECK_ERR(read(ends[0], &byte, 1), EAGAIN);
  SYS(lock(fd, F_SETLK, F_UNLCK, 0, 1));
  wait_ok(pid);
  CHECK_EQ(read(ends[0], &byte, 1), 1);
  close(fd);
  unlink("f");
}

TEST(deadlock, FORKS) {
  int fd = fresh();
  SYS(lock(fd, F_SETLK, F_WRLCK, 0, 1));
  pid_t pid;
  int ends[2];
  char byte;
  SYS(pipe(ends));
  CHILD(pid) {
    SYS(lock(fd, F_SETLK, F_WRLCK, 1, 1));
    write(ends[1], "x", 1);
    SYS(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
  }
  SYS(read(ends[0], &byte, 1));
  wait_sleeping(pid, pid);
  CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
  SYS(lock(fd, F_SETLK, F_UNLCK, 0, 1));
  wait_ok(pid);
  close(fd);
  unlink("f");
}

// Open-file-description locks belong to the description: two opens conflict in one process.
TEST(description_locks, FORKS) {
  int a = fresh(), b = SYS(open("f", O_RDWR)), copy = SYS(dup(a));
  SYS(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
  CHECK_ERR(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN);
  CHECK_ERR(lock(b, F_SETLK, F_WRLCK, 5, 1), EAGAIN);  // POSIX ones too
  CHECK_EQ(lock(copy, F_OFD_SETLK, F_WRLCK, 5, 1), 0);
  struct flock l = {.l_type = F_WRLCK, .l_len = 1};
  SYS(fcntl(b, F_OFD_GETLK, &l));
  CHECK(l.l_type == F_WRLCK && l.l_pid == -1);
  l = (struct flock){.l_type = F_WRLCK, .l_len = 1, .l_pid = 5};
  CHECK_ERR(fcntl(b, F_OFD_SETLK, &l), EINVAL);
  close(SYS(open("f", O_RDONLY)));  // does not drop them
  CHECK_ERR(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN);
  pid_t pid;
  CHILD(pid) CHECK_EQ(lock(a, F_OFD_SETLK, F_RDLCK, 0, 10), 0);  // inherited
  wait_ok(pid);
  CHECK_EQ(lock(b, F_OFD_SETLK, F_RDLCK, 5, 1), 0);
  close(a), close(copy);
  CHECK_EQ(lock(b, F_OFD_SETLK, F_WRLCK, 0, 0), 0);
  close(b);
  unlink("f");
}

TEST(flock, FORKS) {
  int a = fresh(), b = SYS(open("f", O_RDONLY)), copy = SYS(dup(a));
  SYS(flock(a, LOCK_SH));
  CHECK_EQ(flock(b, LOCK_SH | LOCK_NB), 0);
  CHECK_ERR(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  SYS(flock(b, LOCK_UN));
  CHECK_EQ(flock(copy, LOCK_EX | LOCK_NB), 0);
  CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  CHECK_EQ(lock(a, F_SETLK, F_WRLCK, 0, 0), 0);  // another world
  pid_t pid;
  CHILD(pid) {
    CHECK_EQ(flock(a, LOCK_EX | LOCK_NB), 0);  // inherited
    CHECK_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  }
  wait_ok(pid);
  CHECK_ERR(flock(a, 0), EINVAL);
  CHECK_ERR(flock(a, LOCK_EX | LOCK_SH), EINVAL);
  CHECK_ERR(flock(999, LOCK_EX), EBADF);
  close(a);
  CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);  // the copy still holds it
  close(copy);
  CHECK_EQ(flock(b, LOCK_EX | LOCK_NB), 0);
  close(b);
  unlink("f");
}

TEST(flock_wait, FORKS | CPUS) {
  int a = fresh();
  SYS(flock(a, LOCK_EX));
  pid_t pids[3];
  for (int i = 0; i < 3; i++)
    CHILD(pids[i]) {
      int mine = SYS(open("f", O_RDWR));
      SYS(flock(mine, LOCK_EX));
      char text[4];
      ssize_t n = pread(mine, text, 1, 0);
      usleep(1000);
      CHECK_EQ(pwrite(mine, text, 1, 1 + n), 1);
    }
  for (int i = 0; i < 3; i++) wait_sleeping(pids[i], pids[i]);
  SYS(flock(a, LOCK_UN));  // closing would not do: the children have the descriptor too
  for (int i = 0; i < 3; i++) wait_ok(pids[i]);
  close(a);
  unlink("f");
}

// The record-locked counter of a thousand textbooks.
TEST(counter, FORKS | CPUS) {
  int fd = fresh(), value = 0;
  pwrite(fd, &value, sizeof value, 0);
  pid_t pids[4];
  for (int i = 0; i < 4; i++)
    CHILD(pids[i]) {
      int mine = SYS(open("f", O_RDWR)), v;
      for (int j = 0; j < 300; j++) {
        SYS(lock(mine, F_SETLKW, F_WRLCK, 0, sizeof v));
        REQUIRE(pread(mine, &v, sizeof v, 0) == sizeof v);
        v++;
        REQUIRE(pwrite(mine, &v, sizeof v, 0) == sizeof v);
        SYS(lock(mine, F_SETLK, F_UNLCK, 0, sizeof v));
      }
    }
  for (int i = 0; i < 4; i++) wait_ok(pids[i]);
  pread(fd, &value, sizeof value, 0);
  CHECK_EQ(value, 1200);
  close(fd);
  unlink("f");
}
