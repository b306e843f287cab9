// epoll: level and edge, one shot, nesting, exclusive wake-ups, descriptors that go away.
// guest: variants=static
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "check.h"

static int epoll, ends[2];
static struct epoll_event events[16];
static void begin(void) {
  epoll = SYS(epoll_create1(EPOLL_CLOEXEC));
  SYS(pipe2(ends, O_NONBLOCK));
}
static void end(void) {
  close(epoll), close(ends[0]), close(ends[1]);
}
static int control(int op, int fd, unsigned mask, uint64_t data) {
  struct epoll_event event = {.events = mask, .data.u64 = data};
  return epoll_ctl(epoll, op, fd, &event);
}
static int ready(void) { return epoll_wait(epoll, events, 16, 0); }
static void put(void) { CHECK_EQ(write(ends[1], "x", 1), 1); }
static void take(void) {
  char bytes[64];
  CHECK(read(ends[0], bytes, sizeof bytes) > 0);
}

TEST(level) {
  begin();
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 0x1234567890abcdef));
  CHECK_EQ(ready(), 0);
  put();
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ready(), 1);
    CHECK_EQ(events[0].events, EPOLLIN);
    CHECK_EQ(events[0].data.u64, 0x1234567890abcdef);
  }
  take();
  CHECK_EQ(ready(), 0);
  end();
}

TEST(edge) {
  begin();
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, 1));
  put();
  CHECK_EQ(ready(), 1);
  CHECK_EQ(ready(), 0);
  put();  // more data: a new edge
  CHECK_EQ(ready(), 1);
  CHECK_EQ(ready(), 0);
  take();
  CHECK_EQ(ready(), 0);
  put();
  CHECK_EQ(ready(), 1);
  SYS(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 2));  // a change looks anew
  CHECK_EQ(ready(), 1);
  CHECK_EQ(events[0].data.u64, 2);
  CHECK_EQ(ready(), 0);
  end();
}

TEST(one_shot) {
  begin();
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLONESHOT, 1));
  put();
  CHECK_EQ(ready(), 1);
  CHECK_EQ(ready(), 0);
  put();
  CHECK_EQ(ready(), 0);
  SYS(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 1));
  CHECK_EQ(ready(), 1);
  CHECK_EQ(ready(), 0);
  end();
}

TEST(change_and_delete) {
  begin();
  SYS(control(EPOLL_CTL_ADD, ends[1], EPOLLOUT, 5));
  CHECK_EQ(ready(), 1);
  CHECK_EQ(events[0].events, EPOLLOUT);
  SYS(control(EPOLL_CTL_MOD, ends[1], 0, 5));
  CHECK_EQ(ready(), 0);
  close(ends[0]);  // errors are told without being asked for
  CHECK_EQ(ready(), 1);
  CHECK_EQ(events[0].events, EPOLLERR);
  SYS(control(EPOLL_CTL_DEL, ends[1], 0, 0));
  CHECK_EQ(ready(), 0);
  end();
}

TEST(errors) {
  begin();
  int file = SYS(open("/dev/null", O_RDONLY)), dir = SYS(open(".", O_RDONLY));
  CHECK_ERR(control(EPOLL_CTL_ADD, 999, EPOLLIN, 0), EBADF);
  CHECK_ERR(epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], events), EINVAL);
  CHECK_ERR(control(EPOLL_CTL_ADD, epoll, EPOLLIN, 0), EINVAL);
  CHECK_ERR(control(EPOLL_CTL_ADD, dir, EPOLLIN, 0), EPERM);
  CHECK_ERR(control(EPOLL_CTL_MOD, ends[0], EPOLLIN, 0), ENOENT);
  CHECK_ERR(control(EPOLL_CTL_DEL, ends[0], EPOLLIN, 0), ENOENT);
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 0));
  CHECK_ERR(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 0), EEXIST);
  CHECK_ERR(control(77, ends[0], EPOLLIN, 0), EINVAL);
  CHECK_ERR(epoll_wait(epoll, events, 0, 0), EINVAL);
  CHECK_ERR(epoll_wait(ends[0], events, 1, 0), EINVAL);
  CHECK_ERR(epoll_wait(999, events, 1, 0), EBADF);
  CHECK_ERR(epoll_create(0), EINVAL);
  CHECK_ERR(epoll_create1(1), EINVAL);
  put();
  CHECK_ERR(epoll_wait(epoll, (void *)8, 1, 0), EFAULT);
  CHECK_EQ(ready(), 1);  // and nothing was lost by that
  put_file("f", "", 0);
  int regular = SYS(open("f", O_RDONLY));
  CHECK_ERR(control(EPOLL_CTL_ADD, regular, EPOLLIN, 0), EPERM);
  unlink("f");
  close(regular), close(file), close(dir);
  end();
}

// Two descriptors of one pipe end are two entries.
TEST(duplicates) {
  begin();
  int copy = SYS(dup(ends[0]));
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  SYS(control(EPOLL_CTL_ADD, copy, EPOLLIN, 2));
  put();
  CHECK_EQ(ready(), 2);
  CHECK_EQ(events[0].data.u64 + events[1].data.u64, 3);
  close(copy);
  // The entry of a closed descriptor lives on while the description does.
  CHECK_EQ(ready(), 2);
  SYS(control(EPOLL_CTL_DEL, ends[0], 0, 0));
  CHECK_EQ(ready(), 1);
  close(ends[0]);
  CHECK_EQ(ready(), 0);
  end();
}

TEST(closing) {
  begin();
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  put();
  close(ends[0]);
  CHECK_EQ(ready(), 0);
  close(ends[1]);
  SYS(pipe2(ends, O_NONBLOCK));
  put();
  CHECK_EQ(ready(), 0);  // the number again, but not the same file
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 2));
  CHECK_EQ(ready(), 1);
  end();
}

TEST(nested) {
  begin();
  int outer = SYS(epoll_create1(0));
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = 9};
  SYS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  SYS(epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event));
  CHECK_EQ(epoll_wait(outer, events, 1, 0), 0);
  put();
  CHECK_EQ(epoll_wait(outer, events, 1, 0), 1);
  CHECK_EQ(events[0].data.u64, 9);
  take();
  CHECK_EQ(epoll_wait(outer, events, 1, 0), 0);
  CHECK_ERR(control(EPOLL_CTL_ADD, outer, EPOLLIN, 1), ELOOP);
  close(outer);
  end();
}

TEST(round_robin) {
  begin();
  int fds[8], seen[8] = {0};
  for (int i = 0; i < 8; i++) {
    fds[i] = SYS(eventfd(1, 0));
    SYS(control(EPOLL_CTL_ADD, fds[i], EPOLLIN, i));
  }
  for (int round = 0; round < 8; round++) {
    CHECK_EQ(epoll_wait(epoll, events, 1, 0), 1);
    seen[events[0].data.u64]++;
  }
  for (int i = 0; i < 8; i++) {
    CHECK_EQ(seen[i], 1);
    close(fds[i]);
  }
  end();
}

static volatile int awake;
static void *waits(void *unused) {
  struct epoll_event event;
  int mine = SYS(epoll_create1(0));
  event = (struct epoll_event){.events = EPOLLIN | EPOLLEXCLUSIVE};
  SYS(epoll_ctl(mine, EPOLL_CTL_ADD, ends[0], &event));
  if (epoll_wait(mine, &event, 1, 30000) == 1) {
    __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
    char byte;
    while (read(ends[0], &byte, 1) == 1) {}
  }
  close(mine);
  return unused;
}

// With EPOLLEXCLUSIVE at least one wakes, and each write wakes somebody.
TEST(exclusive, CPUS) {
  begin();
  pthread_t ids[4];
  awake = 0;
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, waits, NULL) == 0);
  usleep(30000);
  while (awake < 4) {
    put();
    usleep(2000);
  }
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  end();
}

static void *shares(void *unused) {
  struct epoll_event event;
  for (;;) {
    int n = epoll_wait(epoll, &event, 1, 30000);
    if (n != 1) FAIL("epoll_wait gave %d", n);
    if (n != 1 || event.data.u64 == 99) return unused;
    uint64_t value;
    if (read(event.data.fd, &value, 8) == 8) __atomic_add_fetch(&awake, (int)value, __ATOMIC_SEQ_CST);
  }
}

// Several threads wait on one epoll, edge-triggered: each event goes to one of them.
TEST(shared_by_threads, CPUS) {
  begin();
  int event = SYS(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE)), stop = SYS(eventfd(0, 0));
  SYS(control(EPOLL_CTL_ADD, event, EPOLLIN | EPOLLET, event));
  pthread_t ids[4];
  awake = 0;
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, shares, NULL) == 0);
  uint64_t one = 1;
  for (int i = 0; i < 500; i++) {
    int before = awake;
    CHECK_EQ(write(event, &one, 8), 8);
    if (!EVENTUALLY(awake > before)) FAIL("event %d was lost", i), check_leave();
  }
  SYS(control(EPOLL_CTL_ADD, stop, EPOLLIN, 99));
  write(stop, &one, 8);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(awake, 500);
  close(event), close(stop);
  end();
}

TEST(timeouts) {
  begin();
  long long start = now_us();
  CHECK_EQ(epoll_wait(epoll, events, 1, 30), 0);
  CHECK(now_us() - start >= 29000);
  struct timespec t = {0, 20000000};
  start = now_us();
  long got = syscall(441 /* epoll_pwait2 */, epoll, events, 1, &t, NULL, 8);
  CHECK(got == 0 || (got == -1 && errno == ENOSYS));
  if (got == 0) CHECK(now_us() - start >= 19000);
  end();
}
