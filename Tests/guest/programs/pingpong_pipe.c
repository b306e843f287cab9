// No wake-up of a pipe's reader or writer may be lost: a number goes back and forth, N rounds.
// guest: timeout=120
#include "pingpong.h"

typedef struct {
  int there[2], back[2];
} Pipes;

static void transfer(bool out, int fd, long *value) {
  ssize_t n = out ? write(fd, value, sizeof *value) : read(fd, value, sizeof *value);
  if (n != sizeof *value) FAIL("%s gave %zd, errno %d", out ? "write" : "read", n, errno), check_leave();
}

static void side(void *shared, int me, long n) {
  Pipes *p = shared;
  int in = me ? p->there[0] : p->back[0], out = me ? p->back[1] : p->there[1];
  for (long i = 0, value; i < n; i++) {
    if (me == 0) value = i, transfer(true, out, &value);
    transfer(false, in, &value);
    if (value != i) FAIL("round %ld: %ld", i, value), check_leave();
    if (me == 1) transfer(true, out, &value);
  }
}
static void stormy_side(void *shared, int me, long n) {
  timer_storm(50);
  side(shared, me, n);
}

static Pipes *pipes(int pairs) {
  char *memory = shared_pages(pairs);
  for (int i = 0; i < pairs; i++) {
    Pipes *p = (Pipes *)(memory + i * 4096);
    SYS(pipe2(p->there, O_CLOEXEC));
    SYS(pipe2(p->back, O_CLOEXEC));
  }
  return (Pipes *)memory;
}

TEST(threads, CPUS) { pingpong_threads(side, pipes(1), 1, rounds()); }
TEST(three_pairs_of_threads, CPUS) { pingpong_threads(side, pipes(3), 3, rounds() / 3); }
TEST(processes, FORKS | CPUS) { pingpong_processes(side, pipes(1), 1, rounds()); }
TEST(three_pairs_of_processes, FORKS | CPUS) { pingpong_processes(side, pipes(3), 3, rounds() / 3); }
TEST(processes_in_a_storm, FORKS | CPUS) { pingpong_processes(stormy_side, pipes(1), 1, rounds()); }

TEST(threads_in_a_storm, CPUS) {
  Pipes *ends = pipes(1);
  timer_storm(50);
  for (int again = 0; again < 1000 && storm_signals < 20; again++) pingpong_threads(side, ends, 1, rounds());
  CHECK(storm_signals >= 20);
}

// A stream larger than the pipe: both sides block in turn, in odd portions.
static void stream(void *shared, int me, long n) {
  Pipes *p = shared;
  static __thread unsigned char buffer[9973];
  unsigned char next = 0;
  long total = n * 50, done = 0;
  while (done < total) {
    size_t part = 1 + (done * 7 + me * 31) % sizeof buffer;
    if ((long)part > total - done) part = total - done;
    if (me == 0)
      for (size_t i = 0; i < part; i++) buffer[i] = (done + i) * 131 >> 3;
    ssize_t got = me ? read(p->there[0], buffer, part) : write(p->there[1], buffer, part);
    if (got <= 0) FAIL("side %d: %zd, errno %d", me, got, errno), check_leave();
    if (me == 1)
      for (ssize_t i = 0; i < got; i++) {
        next = (done + i) * 131 >> 3;
        if (buffer[i] != next) FAIL("byte %ld", done + i), check_leave();
      }
    done += got;
  }
}

TEST(stream_between_threads, CPUS) { pingpong_threads(stream, pipes(1), 1, rounds()); }
TEST(stream_between_processes, FORKS | CPUS) { pingpong_processes(stream, pipes(1), 1, rounds()); }
