// Registers and vector state of busy tasks that share one processor, and of tasks that move.
#include <stdatomic.h>

#include "probe.h"

static long long stop_at;

// Spins with pattern after pattern until the time is over.
static void busy(unsigned seed) {
  static __thread VectorImage in, out;
  do {
    Probe p;
    probe_prepare(&p, seed, &in, &out);
    p.spins = 100000, p.nr = seed;
    probe_spin(&p);
    probe_verify_spin(&p, "spin", seed);
  } while (!check_failures && now_us() < stop_at);
}

// The same with switches of its own making.
static void yielding(unsigned seed) {
  do probed("sched_yield", seed, SYS_sched_yield, seed, 2, 3, 4, 5, 6);
  while (!check_failures && now_us() < stop_at);
}

// Threads that never touch their vector state must not see somebody else's.
static void clean(unsigned seed) {
  (void)seed;
  do busy(0);
  while (!check_failures && now_us() < stop_at);
}

typedef struct {
  void (*work)(unsigned);
  unsigned seed;
} Job;

static void *worker(void *job) {
  ((Job *)job)->work(((Job *)job)->seed);
  return NULL;
}

static void begin(double seconds) {
  vector_mask = vector_components();
  if (!vector_mask) SKIP("no XSAVE");
  stop_at = now_us() + seconds * 1e6 * (rounds() > 100000 ? 20 : 1);
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static void threads(int count, void (*a)(unsigned), void (*b)(unsigned)) {
  pthread_t ids[count];
  Job jobs[count];
  for (int i = 0; i < count; i++) {
    jobs[i] = (Job){i % 2 ? b : a, i + 1};
    REQUIRE(pthread_create(&ids[i], NULL, worker, &jobs[i]) == 0);
  }
  for (int i = 0; i < count; i++) pthread_join(ids[i], NULL);
}

static void processes(int count, void (*a)(unsigned), void (*b)(unsigned)) {
  pid_t pids[count];
  for (int i = 0; i < count; i++) CHILD(pids[i])(i % 2 ? b : a)(i + 1);
  for (int i = 0; i < count; i++) wait_ok(pids[i]);
}

static int twice_the_processors(void) { return 2 * (int)sysconf(_SC_NPROCESSORS_ONLN); }

TEST(busy_threads, CPUS) {
  begin(0.5);
  threads(twice_the_processors(), busy, busy);
}

TEST(busy_and_yielding_threads, CPUS) {
  begin(0.5);
  threads(2 * twice_the_processors(), busy, yielding);
}

TEST(busy_and_clean_threads, CPUS) {
  begin(0.5);
  threads(2 * twice_the_processors(), busy, clean);
}

TEST(busy_processes, FORKS | CPUS) {
  begin(0.5);
  processes(twice_the_processors(), busy, busy);
}

TEST(busy_and_yielding_processes, FORKS | CPUS) {
  begin(0.5);
  processes(2 * twice_the_processors(), busy, yielding);
}

TEST(threads_of_processes, FORKS | CPUS) {
  begin(0.5);
  pid_t pids[2];
  for (int i = 0; i < 2; i++) CHILD(pids[i]) threads(3, busy, yielding);
  for (int i = 0; i < 2; i++) wait_ok(pids[i]);
}

// A thread that moves between processors with its state live.
static void moving(unsigned seed) {
  int count = sysconf(_SC_NPROCESSORS_ONLN);
  for (int cpu = 0; !check_failures && now_us() < stop_at; cpu = (cpu + 1) % count) {
    static __thread cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    probed("sched_setaffinity", seed, SYS_sched_setaffinity, 0, sizeof set, (long)&set, 4, 5, 6);
  }
}

TEST(moving_threads, CPUS) {
  begin(0.5);
  threads(4, moving, busy);
}

TEST(pinned_to_one, FORKS) {
  begin(0.5);
  pid_t pid;
  CHILD(pid) {
    pin(0);
    threads(3, busy, yielding);
  }
  wait_ok(pid);
}
