// dup, dup2, dup3, fcntl, close_range; what is shared and what is not.
// guest: variants=static
#include <sys/ioctl.h>

#include "check.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

TEST(dup) {
  int fd = SYS(open("/dev/null", O_RDONLY | O_CLOEXEC)), copy = SYS(dup(fd));
  CHECK_EQ(copy, fd + 1);
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(copy, F_GETFD), 0);
  CHECK_EQ(dup2(fd, 50), 50);
  CHECK_EQ(dup2(fd, fd), fd);
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_ERR(dup2(999, 999), EBADF);
  CHECK_ERR(dup2(fd, -1), EBADF);
  CHECK_ERR(dup2(999, 50), EBADF);
  CHECK_EQ(fcntl(50, F_GETFD), 0);  // untouched by the failure
  CHECK_EQ(dup3(fd, 51, O_CLOEXEC), 51);
  CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
  CHECK_ERR(dup3(fd, fd, 0), EINVAL);
  CHECK_ERR(dup3(fd, 52, O_NONBLOCK), EINVAL);
  CHECK_ERR(dup(999), EBADF);
  close(fd), close(copy), close(50), close(51);
}

TEST(dupfd) {
  int fd = SYS(open("/dev/null", O_RDONLY));
  CHECK_EQ(fcntl(fd, F_DUPFD, 100), 100);
  CHECK_EQ(fcntl(fd, F_DUPFD, 100), 101);
  CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 100), 102);
  CHECK_EQ(fcntl(102, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(101, F_GETFD), 0);
  CHECK_ERR(fcntl(fd, F_DUPFD, -1), EINVAL);
  CHECK_ERR(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
  CHECK_ERR(fcntl(fd, 9999), EINVAL);
  CHECK_ERR(fcntl(999, F_GETFD), EBADF);
  close(fd), close(100), close(101), close(102);
}

// Status flags belong to the description, close-on-exec to the descriptor.
TEST(flags) {
  int ends[2];
  SYS(pipe(ends));
  int copy = SYS(dup(ends[0]));
  SYS(fcntl(copy, F_SETFL, O_NONBLOCK));
  CHECK_EQ(fcntl(ends[0], F_GETFL), O_RDONLY | O_NONBLOCK);
  char byte;
  CHECK_ERR(read(ends[0], &byte, 1), EAGAIN);
  SYS(fcntl(copy, F_SETFL, O_WRONLY | O_CREAT));  // access mode and creation flags do not change
  CHECK_EQ(fcntl(ends[0], F_GETFL), O_RDONLY);
  SYS(fcntl(copy, F_SETFD, FD_CLOEXEC));
  CHECK_EQ(fcntl(ends[0], F_GETFD), 0);
  CHECK_EQ(fcntl(copy, F_GETFD), FD_CLOEXEC);
  int on = 1;
  SYS(ioctl(ends[0], FIONBIO, &on));
  CHECK_EQ(fcntl(copy, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  SYS(ioctl(ends[0], FIOCLEX));
  CHECK_EQ(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
  SYS(ioctl(ends[0], FIONCLEX));
  CHECK_EQ(fcntl(ends[0], F_GETFD), 0);
  CHECK_ERR(ioctl(ends[0], 0x12345678, 0), ENOTTY);
  close(ends[0]), close(ends[1]), close(copy);
}

TEST(close_range) {
  int fd = SYS(open("/dev/null", O_RDONLY));
  for (int i = 60; i < 70; i++) SYS(dup2(fd, i));
  long got = syscall(SYS_close_range, 62, 65, 0);
  CHECK_EQ(got, 0);
  for (int i = 60; i < 70; i++) CHECK_EQ(fcntl(i, F_GETFD) >= 0, i < 62 || i > 65);
  CHECK_EQ(syscall(SYS_close_range, 66, ~0u, 4 /* CLOEXEC */), 0);
  CHECK_EQ(fcntl(66, F_GETFD), FD_CLOEXEC);
  CHECK_ERR(syscall(SYS_close_range, 10, 5, 0), EINVAL);
  CHECK_ERR(syscall(SYS_close_range, 10, 15, 0x80), EINVAL);
  CHECK_EQ(syscall(SYS_close_range, 60, ~0u, 0), 0);
  CHECK_ERR(fcntl(69, F_GETFD), EBADF);
  close(fd);
}

// The descriptor goes at once; the file when the last user is gone, even one inside a read.
static int closing_fd;
static _Atomic pid_t closing_reader;
static void *blocked(void *result) {
  char byte;
  closing_reader = syscall(SYS_gettid);
  *(ssize_t *)result = read(closing_fd, &byte, 1);
  return NULL;
}

TEST(close_under_reader, CPUS) {
  int ends[2];
  SYS(pipe(ends));
  pthread_t id;
  ssize_t result = -2;
  closing_fd = ends[0], closing_reader = 0;
  REQUIRE(pthread_create(&id, NULL, blocked, &result) == 0);
  while (closing_reader == 0) sched_yield();
  wait_sleeping(getpid(), closing_reader);
  SYS(close(ends[0]));
  CHECK_ERR(fcntl(ends[0], F_GETFD), EBADF);
  CHECK_EQ(write(ends[1], "x", 1), 1);  // the reader still holds it
  pthread_join(id, NULL);
  CHECK_EQ(result, 1);
  signal(SIGPIPE, SIG_IGN);
  CHECK_ERR(write(ends[1], "x", 1), EPIPE);
  close(ends[1]);
}

TEST(many, FORKS) {
  pid_t pid;
  CHILD(pid) {
    int fd = SYS(open("/dev/null", O_RDONLY));
    syscall(SYS_close_range, fd + 1, ~0u, 0);
    for (int i = 0; i < 900; i++) CHECK_EQ(dup(fd), fd + 1 + i);
    for (int i = 0; i < 900; i += 2) SYS(close(fd + 1 + i));
    for (int i = 0; i < 900; i += 2) CHECK_EQ(dup(fd), fd + 1 + i);
    pid_t child;
    CHILD(child) {
      CHECK_EQ(fcntl(fd + 900, F_GETFD), 0);
      close(fd + 900);
    }
    wait_ok(child);
    CHECK_EQ(fcntl(fd + 900, F_GETFD), 0);
  }
  wait_ok(pid);
}

// Threads that open and close all the time never see each other's numbers.
static void *churns(void *unused) {
  for (long i = 0; i < rounds() / 20; i++) {
    char name[40], text[40] = "";
    int ends[2];
    if (pipe(ends)) {
      FAIL("pipe: errno %d", errno);
      break;
    }
    snprintf(name, sizeof name, "%ld-%p", i, (void *)&name);
    if (write(ends[1], name, 40) != 40 || read(ends[0], text, 40) != 40 || strcmp(name, text)) FAIL("mixed up");
    if (close(ends[0]) || close(ends[1])) FAIL("close: errno %d", errno);
  }
  return unused;
}

TEST(threads, CPUS) {
  int before = count_fds();
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, churns, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(count_fds(), before);
}
