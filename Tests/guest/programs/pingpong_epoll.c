// eventfd and epoll: each side waits in epoll_wait for its own eventfd and rings the other's.
// guest: timeout=120
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "pingpong.h"

typedef struct {
  int bell[2];
} Bells;

static Bells *bells(void) {
  Bells *b = shared_pages(1);
  for (int i = 0; i < 2; i++) b->bell[i] = SYS(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  return b;
}

static void ring(int fd) {
  uint64_t one = 1;
  if (write(fd, &one, 8) != 8) FAIL("ring: errno %d", errno), check_leave();
}
static void answer(int fd) {
  uint64_t value = 0;
  if (read(fd, &value, 8) != 8 || value != 1)
    FAIL("answer: value %ld, errno %d", (long)value, errno), check_leave();
}

static void epoll_rounds(Bells *b, int me, long n, unsigned events) {
  int epoll = SYS(epoll_create1(EPOLL_CLOEXEC));
  struct epoll_event event = {.events = events, .data.u32 = 77};
  SYS(epoll_ctl(epoll, EPOLL_CTL_ADD, b->bell[me], &event));
  if (me == 0) ring(b->bell[1]);
  for (long i = 0; i < n; i++) {
    int got;
    while ((got = epoll_wait(epoll, &event, 1, -1)) < 0 && errno == EINTR) {}
    if (got != 1 || event.data.u32 != 77) FAIL("epoll_wait %d, errno %d", got, errno), check_leave();
    answer(b->bell[me]);
    if (me == 1 || i + 1 < n) ring(b->bell[!me]);
  }
  close(epoll);
}
static void level(void *b, int me, long n) { epoll_rounds(b, me, n, EPOLLIN); }
static void edge(void *b, int me, long n) { epoll_rounds(b, me, n, EPOLLIN | EPOLLET); }
static void stormy(void *b, int me, long n) {
  timer_storm(50);
  level(b, me, n);
}

static void polled(void *shared, int me, long n) {
  Bells *b = shared;
  if (me == 0) ring(b->bell[1]);
  for (long i = 0; i < n; i++) {
    struct pollfd one = {b->bell[me], POLLIN, 0};
    int got;
    while ((got = poll(&one, 1, -1)) < 0 && errno == EINTR) {}
    if (got != 1 || one.revents != POLLIN) FAIL("poll %d, errno %d", got, errno), check_leave();
    answer(b->bell[me]);
    if (me == 1 || i + 1 < n) ring(b->bell[!me]);
  }
}

TEST(level_threads, CPUS) { pingpong_threads(level, bells(), 1, rounds()); }
TEST(level_processes, FORKS | CPUS) { pingpong_processes(level, bells(), 1, rounds()); }
TEST(edge_threads, CPUS) { pingpong_threads(edge, bells(), 1, rounds()); }
TEST(edge_processes, FORKS | CPUS) { pingpong_processes(edge, bells(), 1, rounds()); }
TEST(poll_threads, CPUS) { pingpong_threads(polled, bells(), 1, rounds()); }
TEST(poll_processes, FORKS | CPUS) { pingpong_processes(polled, bells(), 1, rounds()); }
TEST(processes_in_a_storm, FORKS | CPUS) { pingpong_processes(stormy, bells(), 1, rounds()); }
