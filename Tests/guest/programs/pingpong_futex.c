// No futex wake-up may be lost: two sides hand a word to each other, N rounds.
// guest: variants=static,musl timeout=120
#include <linux/futex.h>

#include "pingpong.h"

static long futex(void *word, int op, int value) {
  return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void turns(int *word, int me, long n, int private) {
  for (long i = 0; i < n; i++) {
    int now;
    while ((now = __atomic_load_n(word, __ATOMIC_ACQUIRE)) % 2 != me)
      if (futex(word, FUTEX_WAIT | private, now) < 0 && errno != EAGAIN && errno != EINTR)
        FAIL("futex wait: errno %d", errno), check_leave();
    __atomic_store_n(word, now + 1, __ATOMIC_RELEASE);
    if (futex(word, FUTEX_WAKE | private, 1) < 0) FAIL("futex wake: errno %d", errno), check_leave();
  }
}
static void private_side(void *shared, int me, long n) { turns(shared, me, n, FUTEX_PRIVATE_FLAG); }
static void shared_side(void *shared, int me, long n) { turns(shared, me, n, 0); }
static void stormy_side(void *shared, int me, long n) {
  timer_storm(50);
  turns(shared, me, n, 0);
}

static void finished(int *word, int pairs, long n) {
  for (int i = 0; i < pairs; i++) CHECK_EQ(word[i * 1024], (int)(2 * n));
}

TEST(threads, CPUS) {
  int *word = shared_pages(1);
  pingpong_threads(private_side, word, 1, rounds());
  finished(word, 1, rounds());
}

TEST(three_pairs_of_threads, CPUS) {
  int *word = shared_pages(3);
  pingpong_threads(private_side, word, 3, rounds() / 3);
  finished(word, 3, rounds() / 3);
}

TEST(threads_in_a_storm, CPUS) {
  int *word = shared_pages(1);
  timer_storm(50);
  for (int again = 0; again < 1000 && storm_signals < 20; again++) {
    *word = 0;
    pingpong_threads(private_side, word, 1, rounds());
    finished(word, 1, rounds());
  }
  CHECK(storm_signals >= 20);
}

TEST(processes, FORKS | CPUS) {
  int *word = shared_pages(1);
  pingpong_processes(shared_side, word, 1, rounds());
  finished(word, 1, rounds());
}

TEST(three_pairs_of_processes, FORKS | CPUS) {
  int *word = shared_pages(3);
  pingpong_processes(shared_side, word, 3, rounds() / 3);
  finished(word, 3, rounds() / 3);
}

TEST(processes_in_a_storm, FORKS | CPUS) {
  int *word = shared_pages(1);
  pingpong_processes(stormy_side, word, 1, rounds());
  finished(word, 1, rounds());
}
