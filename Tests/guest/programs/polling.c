// poll, select and their signal-safe forms; eventfd.
// guest: variants=static
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#include "check.h"

TEST(event_counter) {
  uint64_t value;
  int fd = SYS(eventfd(5, EFD_NONBLOCK));
  CHECK_EQ(read(fd, &value, 8), 8);
  CHECK_EQ(value, 5);
  CHECK_ERR(read(fd, &value, 8), EAGAIN);
  for (value = 1; value < 5; value++) CHECK_EQ(write(fd, &value, 8), 8);
  CHECK_EQ(read(fd, &value, 8), 8);
  CHECK_EQ(value, 10);
  CHECK_ERR(read(fd, &value, 4), EINVAL);
  CHECK_ERR(write(fd, &value, 4), EINVAL);
  value = ~0ull;
  CHECK_ERR(write(fd, &value, 8), EINVAL);
  value = ~0ull - 1;
  CHECK_EQ(write(fd, &value, 8), 8);
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN);  // full
  value = 1;
  CHECK_ERR(write(fd, &value, 8), EAGAIN);
  CHECK_EQ(read(fd, &value, 8), 8);
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLOUT);
  CHECK_ERR(eventfd(0, 0x2), EINVAL);
  CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
  close(fd);
}

TEST(event_semaphore) {
  uint64_t value;
  int fd = SYS(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(read(fd, &value, 8), 8);
    CHECK_EQ(value, 1);
  }
  CHECK_ERR(read(fd, &value, 8), EAGAIN);
  close(fd);
}

static int event_fd;
static void *fills(void *unused) {
  uint64_t value = 3;
  for (int i = 0; i < 1000; i++)
    if (write(event_fd, &value, 8) != 8) FAIL("write: errno %d", errno);
  return unused;
}

TEST(event_sum, CPUS) {
  event_fd = SYS(eventfd(0, 0));
  pthread_t ids[3];
  for (int i = 0; i < 3; i++) REQUIRE(pthread_create(&ids[i], NULL, fills, NULL) == 0);
  uint64_t value, sum = 0;
  while (sum < 9000) {
    REQUIRE(read(event_fd, &value, 8) == 8);
    sum += value;
  }
  CHECK_EQ(sum, 9000);
  for (int i = 0; i < 3; i++) pthread_join(ids[i], NULL);
  close(event_fd);
}

TEST(poll_forms) {
  int ends[2];
  SYS(pipe(ends));
  int file = SYS(open("/dev/null", O_RDWR)), closed = SYS(dup(file));
  close(closed);
  struct pollfd p[5] = {{ends[0], POLLIN, 9}, {-1, POLLIN, 9}, {closed, POLLIN, 9}, {file, POLLIN | POLLOUT, 9},
                        {ends[1], 0, 9}};
  CHECK_EQ(poll(p, 5, 1000), 2);
  CHECK_EQ(p[0].revents, 0);
  CHECK_EQ(p[1].revents, 0);
  CHECK_EQ(p[2].revents, POLLNVAL);
  CHECK_EQ(p[3].revents, POLLIN | POLLOUT);
  CHECK_EQ(p[4].revents, 0);
  CHECK_EQ(poll(NULL, 0, 0), 0);
  long long start = now_us();
  CHECK_EQ(poll(p, 1, 50), 0);
  CHECK(now_us() - start >= 49000);
  CHECK_ERR(poll((void *)8, 1, 0), EFAULT);
  CHECK_ERR(poll(p, 10000000, 0), EINVAL);
  close(ends[0]), close(ends[1]), close(file);
}

TEST(regular_files_are_ready) {
  put_file("f", "x", 1);
  struct pollfd p = {SYS(open("f", O_RDWR)), POLLIN | POLLOUT | POLLPRI, 0};
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN | POLLOUT);
  close(p.fd);
  unlink("f");
}

TEST(select_forms) {
  int ends[2];
  SYS(pipe(ends));
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(ends[0], &in);
  FD_SET(ends[1], &out);
  struct timeval zero = {0, 0}, t = {0, 50000};
  CHECK_EQ(select(ends[1] + 1, &in, &out, NULL, &zero), 1);
  CHECK(!FD_ISSET(ends[0], &in) && FD_ISSET(ends[1], &out));
  write(ends[1], "x", 1);
  FD_SET(ends[0], &in);
  CHECK_EQ(select(ends[1] + 1, &in, &out, NULL, NULL), 2);
  char byte;
  read(ends[0], &byte, 1);
  FD_SET(ends[0], &in);
  CHECK_EQ(select(ends[0] + 1, &in, NULL, NULL, &t), 0);
  CHECK(t.tv_sec == 0 && t.tv_usec == 0);  // Linux writes the rest
  CHECK(!FD_ISSET(ends[0], &in));
  FD_SET(ends[0], &in);
  t.tv_sec = 100;
  write(ends[1], "x", 1);
  CHECK_EQ(select(ends[0] + 1, &in, NULL, NULL, &t), 1);
  CHECK(t.tv_sec >= 90 && t.tv_sec <= 100);
  FD_ZERO(&in);
  int closed = SYS(dup(ends[0]));
  close(closed);
  FD_SET(closed, &in);
  CHECK_ERR(select(closed + 1, &in, NULL, NULL, &zero), EBADF);
  CHECK_ERR(select(-1, NULL, NULL, NULL, &zero), EINVAL);
  t = (struct timeval){-1, 0};
  CHECK_ERR(select(0, NULL, NULL, NULL, &t), EINVAL);
  close(ends[0]), close(ends[1]);
}

static volatile int handled;
static void handler(int signal) {
  (void)signal;
  handled++;
}

// The mask is exchanged together with going to sleep: a pending signal is taken at once.
TEST(masks_at_once) {
  sigset_t set = set_of(SIGUSR1), none = set_of(0), now;
  struct timespec t = {20, 0};
  struct pollfd p = {-1, 0, 0};
  on_signal(SIGUSR1, handler, SA_RESTART);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  for (int i = 0; i < 200; i++) {
    handled = 0;
    raise(SIGUSR1);
    CHECK_EQ(handled, 0);
    if (i % 2) CHECK_ERR(ppoll(&p, 1, &t, &none), EINTR);
    else CHECK_ERR(pselect(0, NULL, NULL, NULL, &t, &none), EINTR);
    CHECK_EQ(handled, 1);
    SYS(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR1));
  }
  // When something is ready, that comes first, and the signal stays pending.
  int ends[2];
  SYS(pipe(ends));
  p = (struct pollfd){ends[1], POLLOUT, 0};
  handled = 0;
  raise(SIGUSR1);
  CHECK_EQ(ppoll(&p, 1, &t, &none), 1);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
  CHECK_EQ(handled, 1);
  close(ends[0]), close(ends[1]);
}

static int wake[2];
static void *wakes(void *tid) {
  wait_sleeping(getpid(), (long)tid);
  write(wake[1], "x", 1);
  return NULL;
}

TEST(woken, CPUS) {
  SYS(pipe(wake));
  for (int i = 0; i < 100; i++) {
    pthread_t id;
    char byte;
    REQUIRE(pthread_create(&id, NULL, wakes, (void *)syscall(SYS_gettid)) == 0);
    struct pollfd p = {wake[0], POLLIN, 0};
    CHECK_EQ(poll(&p, 1, 30000), 1);
    CHECK_EQ(p.revents, POLLIN);
    read(wake[0], &byte, 1);
    pthread_join(id, NULL);
  }
  close(wake[0]), close(wake[1]);
}

// Many pollers on one pipe all wake.
static volatile int awake;
static void *polls(void *unused) {
  struct pollfd p = {wake[0], POLLIN, 0};
  if (poll(&p, 1, 30000) == 1) __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
  return unused;
}

TEST(all_pollers_wake, CPUS) {
  SYS(pipe(wake));
  pthread_t ids[8];
  awake = 0;
  for (int i = 0; i < 8; i++) REQUIRE(pthread_create(&ids[i], NULL, polls, NULL) == 0);
  usleep(20000);
  write(wake[1], "x", 1);
  for (int i = 0; i < 8; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(awake, 8);
  close(wake[0]), close(wake[1]);
}

TEST(many_descriptors) {
  struct pollfd p[400];
  int ends[2];
  SYS(pipe(ends));
  for (int i = 0; i < 400; i++) p[i] = (struct pollfd){SYS(dup(ends[0])), POLLIN, 0};
  CHECK_EQ(poll(p, 400, 0), 0);
  write(ends[1], "x", 1);
  CHECK_EQ(poll(p, 400, 0), 400);
  for (int i = 0; i < 400; i++) close(p[i].fd);
  close(ends[0]), close(ends[1]);
}
