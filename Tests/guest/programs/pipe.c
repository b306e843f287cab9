// Pipes and FIFOs: capacity, atomicity, ends, packets.
// guest: variants=static,musl
#include <poll.h>
#include <sys/ioctl.h>

#include "check.h"

static int ends[2];
static void open_pipe(int flags) { SYS(pipe2(ends, flags)); }
static void close_pipe(void) {
  close(ends[0]);
  close(ends[1]);
}
static char block[1 << 20];

TEST(capacity) {
  open_pipe(O_NONBLOCK);
  CHECK_EQ(fcntl(ends[1], F_GETPIPE_SZ), 65536);
  CHECK_EQ(write(ends[1], block, sizeof block), 65536);
  CHECK_ERR(write(ends[1], block, 1), EAGAIN);
  int waiting = 0;
  SYS(ioctl(ends[0], FIONREAD, &waiting));
  CHECK_EQ(waiting, 65536);
  CHECK_EQ(read(ends[0], block, 1000), 1000);
  CHECK_ERR(write(ends[1], block, 4096), EAGAIN);  // no whole page is free
  CHECK_EQ(read(ends[0], block, 4096), 4096);
  CHECK_EQ(write(ends[1], block, 4096), 4096);
  CHECK_EQ(read(ends[0], block, sizeof block), 65536 - 1000);
  CHECK_ERR(read(ends[0], block, 1), EAGAIN);
  close_pipe();
}

TEST(resize) {
  open_pipe(O_NONBLOCK);
  CHECK_EQ(fcntl(ends[0], F_SETPIPE_SZ, 200000), 262144);
  CHECK_EQ(write(ends[1], block, sizeof block), 262144);
  CHECK_ERR(fcntl(ends[0], F_SETPIPE_SZ, 4096), EBUSY);
  CHECK_EQ(read(ends[0], block, sizeof block), 262144);
  CHECK_EQ(fcntl(ends[1], F_SETPIPE_SZ, 1), 4096);
  CHECK_EQ(fcntl(ends[1], F_GETPIPE_SZ), 4096);
  CHECK_EQ(write(ends[1], block, 8192), 4096);
  CHECK_ERR(fcntl(ends[0], F_SETPIPE_SZ, -1), EINVAL);
  close_pipe();
}

TEST(small_writes_share_pages) {
  open_pipe(O_NONBLOCK);
  int n = 0;
  while (write(ends[1], "0123456789", 10) == 10) n++;
  CHECK(n > 6000 && n <= 6553);
  close_pipe();
}

TEST(ends_gone) {
  char byte;
  open_pipe(0);
  write(ends[1], "ab", 2);
  close(ends[1]);
  CHECK_EQ(read(ends[0], &byte, 1), 1);
  CHECK_EQ(read(ends[0], block, 10), 1);
  CHECK_EQ(read(ends[0], &byte, 1), 0);
  CHECK_EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
  open_pipe(0);
  signal(SIGPIPE, SIG_IGN);
  close(ends[0]);
  CHECK_ERR(write(ends[1], "x", 1), EPIPE);
  CHECK_EQ(write(ends[1], "x", 0), 0);
  close(ends[1]);
}

TEST(wrong_end) {
  char byte;
  open_pipe(0);
  CHECK_ERR(read(ends[1], &byte, 1), EBADF);
  CHECK_ERR(write(ends[0], &byte, 1), EBADF);
  close_pipe();
  CHECK_ERR(pipe2(ends, 0x1), EINVAL);
  CHECK_ERR(syscall(SYS_pipe, 8), EFAULT);
}

TEST(sigpipe, FORKS) {
  open_pipe(0);
  close(ends[0]);
  pid_t pid = SYS(fork());
  if (pid == 0) {
    signal(SIGPIPE, SIG_DFL);
    _exit(write(ends[1], "x", 1) ? 1 : 2);
  }
  CHECK_EQ(wait_status(pid), SIGPIPE);
  close(ends[1]);
}

// Writers of up to PIPE_BUF bytes never mix.
TEST(atomic_writes, FORKS | CPUS) {
  open_pipe(0);
  enum { SIZE = 3000, EACH = 200 };
  pid_t pids[4];
  for (int i = 0; i < 4; i++)
    CHILD(pids[i]) {
      char record[SIZE];
      memset(record, 'a' + i, SIZE);
      for (int j = 0; j < EACH; j++) REQUIRE(write(ends[1], record, SIZE) == SIZE);
    }
  close(ends[1]);
  char record[SIZE];
  int counts[4] = {0};
  for (int j = 0; j < 4 * EACH; j++) {
    for (int done = 0; done < SIZE;) {
      ssize_t n = read(ends[0], record + done, SIZE - done);
      REQUIRE(n > 0);
      done += n;
    }
    for (int k = 1; k < SIZE; k++)
      if (record[k] != record[0]) FAIL("mixed at %d", k), check_leave();
    counts[record[0] - 'a']++;
  }
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(counts[i], EACH);
    wait_ok(pids[i]);
  }
  close(ends[0]);
}

TEST(packets) {
  open_pipe(O_DIRECT | O_NONBLOCK);
  CHECK_EQ(write(ends[1], "abc", 3), 3);
  CHECK_EQ(write(ends[1], "defgh", 5), 5);
  CHECK_EQ(read(ends[0], block, 100), 3);
  CHECK_EQ(read(ends[0], block, 2), 2);  // the rest of the packet is lost
  CHECK_ERR(read(ends[0], block, 100), EAGAIN);
  CHECK_EQ(write(ends[1], block, 5000), 5000);  // two packets
  CHECK_EQ(read(ends[0], block, 10000), 4096);
  CHECK_EQ(read(ends[0], block, 10000), 904);
  close_pipe();
}

TEST(poll_events) {
  open_pipe(O_NONBLOCK);
  struct pollfd p[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
  CHECK_EQ(poll(p, 2, 0), 1);
  CHECK(p[0].revents == 0 && p[1].revents == POLLOUT);
  write(ends[1], block, 65536);
  CHECK_EQ(poll(p, 2, 0), 1);
  CHECK(p[0].revents == POLLIN && p[1].revents == 0);
  close(ends[1]);
  CHECK_EQ(poll(p, 1, 0), 1);
  CHECK_EQ(p[0].revents, POLLIN | POLLHUP);
  while (read(ends[0], block, sizeof block) > 0) {}
  CHECK_EQ(poll(p, 1, 0), 1);
  CHECK_EQ(p[0].revents, POLLHUP);
  close(ends[0]);
  open_pipe(0);
  close(ends[0]);
  p[0] = (struct pollfd){ends[1], POLLOUT, 0};
  CHECK_EQ(poll(p, 1, 0), 1);
  CHECK_EQ(p[0].revents, POLLOUT | POLLERR);
  close(ends[1]);
}

// FIFOs: open waits for the other side.
static void *opens_writer(void *unused) {
  usleep(20000);
  int fd = SYS(open("fifo", O_WRONLY));
  write(fd, "hello", 5);
  close(fd);
  return unused;
}

TEST(fifo, CPUS) {
  SYS(mkfifo("fifo", 0600));
  for (int i = 0; i < 5; i++) {
    pthread_t id;
    REQUIRE(pthread_create(&id, NULL, opens_writer, NULL) == 0);
    int fd = SYS(open("fifo", O_RDONLY));
    char text[16] = "";
    CHECK_EQ(read(fd, text, 16), 5);
    CHECK_EQ(read(fd, text, 16), 0);
    pthread_join(id, NULL);
    close(fd);
  }
  unlink("fifo");
}

TEST(fifo_nonblocking) {
  SYS(mkfifo("fifo", 0600));
  CHECK_ERR(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  int in = SYS(open("fifo", O_RDONLY | O_NONBLOCK));
  char byte;
  CHECK_EQ(read(in, &byte, 1), 0);  // no writer yet: the end
  int out = SYS(open("fifo", O_WRONLY | O_NONBLOCK));
  CHECK_ERR(read(in, &byte, 1), EAGAIN);
  CHECK_EQ(write(out, "x", 1), 1);
  close(in);
  in = SYS(open("fifo", O_RDONLY | O_NONBLOCK));
  CHECK_EQ(read(in, &byte, 1), 1);  // the byte stayed: the pipe had a writer all along
  close(in), close(out);
  int both = SYS(open("fifo", O_RDWR));
  CHECK_EQ(write(both, "y", 1), 1);
  CHECK_EQ(read(both, &byte, 1), 1);
  struct stat status;
  SYS(fstat(both, &status));
  CHECK(S_ISFIFO(status.st_mode));
  close(both);
  unlink("fifo");
}

static void *writes_all(void *fd) {
  size_t done = 0;
  while (done < sizeof block) {
    ssize_t n = write(*(int *)fd, block + done, sizeof block - done);
    if (n <= 0) FAIL("write: errno %d", errno), check_leave();
    done += n;
  }
  close(*(int *)fd);
  return NULL;
}

TEST(large_write_blocks_and_finishes, CPUS) {
  for (size_t i = 0; i < sizeof block; i++) block[i] = i >> 10;
  open_pipe(0);
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, writes_all, &ends[1]) == 0);
  size_t total = 0;
  static char got[70000];
  for (ssize_t n; (n = read(ends[0], got, 1 + total * 7 % sizeof got)) > 0; total += n)
    for (ssize_t i = 0; i < n; i += 511)
      if (got[i] != (char)((total + i) >> 10)) FAIL("byte %zu", total + i), check_leave();
  CHECK_EQ(total, sizeof block);
  pthread_join(id, NULL);
  close(ends[0]);
}

TEST(splice_and_tee) {
  int other[2];
  char text[16] = "";
  open_pipe(0);
  SYS(pipe(other));
  write(ends[1], "abcdef", 6);
  CHECK_EQ(tee(ends[0], other[1], 4, 0), 4);
  CHECK_EQ(read(other[0], text, 16), 4);
  CHECK_EQ(splice(ends[0], NULL, other[1], NULL, 3, 0), 3);
  CHECK_EQ(read(other[0], text, 16), 3);
  CHECK_EQ(read(ends[0], text, 16), 3);
  CHECK(!memcmp(text, "def", 3));
  put_file("f", "file data", 9);
  int fd = SYS(open("f", O_RDWR));
  loff_t at = 5;
  CHECK_EQ(splice(fd, &at, ends[1], NULL, 100, 0), 4);
  CHECK_EQ(at, 9);
  CHECK_EQ(read(ends[0], text, 16), 4);
  CHECK(!memcmp(text, "data", 4));
  CHECK_ERR(splice(fd, NULL, fd, NULL, 1, 0), EINVAL);
  close(fd), close(other[0]), close(other[1]);
  unlink("f");
  close_pipe();
}
