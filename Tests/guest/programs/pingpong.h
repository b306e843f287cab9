// Two sides that wake each other in turn, as threads and as processes.
#pragma once
#include "check.h"

typedef void (*Side)(void *shared, int me, long rounds);

typedef struct {
  Side side;
  void *shared;
  int me;
  long rounds;
} PingPong;

static void *pingpong_thread(void *p) {
  PingPong *job = p;
  job->side(job->shared, job->me, job->rounds);
  return NULL;
}

static inline void pingpong_threads(Side side, void *shared, int pairs, long n) {
  pthread_t ids[2 * pairs];
  PingPong jobs[2 * pairs];
  for (int i = 0; i < 2 * pairs; i++) {
    jobs[i] = (PingPong){side, (char *)shared + i / 2 * 4096, i % 2, n};
    REQUIRE(pthread_create(&ids[i], NULL, pingpong_thread, &jobs[i]) == 0);
  }
  for (int i = 0; i < 2 * pairs; i++) pthread_join(ids[i], NULL);
}

static inline void pingpong_processes(Side side, void *shared, int pairs, long n) {
  pid_t pids[2 * pairs];
  for (int i = 0; i < 2 * pairs; i++) CHILD(pids[i]) side((char *)shared + i / 2 * 4096, i % 2, n);
  for (int i = 0; i < 2 * pairs; i++) wait_ok(pids[i]);
}

static inline void *shared_pages(int count) {
  return SYS(mmap(NULL, count * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

// A storm of timer signals for the whole process; handlers restart what they interrupt.
static volatile long storm_signals;
static void storm_handler(int signal) {
  (void)signal;
  storm_signals++;
}
static inline void timer_storm(int us) {
  on_signal(SIGALRM, storm_handler, SA_RESTART);
  struct itimerval value = {{0, us}, {0, us}};
  SYS(setitimer(ITIMER_REAL, &value, NULL));
}
