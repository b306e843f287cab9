// libc's locks under eight threads: each is futexes below, and a lost wake-up hangs.
// guest: variants=static,dynamic,musl timeout=120
#include <semaphore.h>

#include "pingpong.h"

enum { THREADS = 8 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t items, spaces;
static long counter, per_thread;
static int ring[4], head, tail;

static void eight(void *(*work)(void *)) {
  pthread_t ids[THREADS];
  counter = 0;
  for (long i = 0; i < THREADS; i++) REQUIRE(pthread_create(&ids[i], NULL, work, (void *)i) == 0);
  for (int i = 0; i < THREADS; i++) pthread_join(ids[i], NULL);
}

static void *locker(void *me) {
  (void)me;
  for (long i = 0; i < per_thread; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    if (i % 64 == 0) sched_yield();  // so that the others find it locked
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

TEST(mutex, CPUS) {
  per_thread = rounds();
  eight(locker);
  CHECK_EQ(counter, THREADS * per_thread);
}

TEST(mutex_in_a_storm, CPUS) {
  per_thread = rounds();
  timer_storm(50);
  eight(locker);
  CHECK_EQ(counter, THREADS * per_thread);
}

// Each waits for its turn; everybody is woken for each.
static void *turner(void *me) {
  for (long i = 0; i < per_thread; i++) {
    pthread_mutex_lock(&mutex);
    while (counter % THREADS != (long)me) pthread_cond_wait(&cond, &mutex);
    counter++;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

TEST(condition_broadcast, CPUS) {
  per_thread = rounds() / 20;
  eight(turner);
  CHECK_EQ(counter, THREADS * per_thread);
}

static void *queuer(void *me) {
  for (long i = 0; i < per_thread; i++) {
    if ((long)me % 2) {
      sem_wait(&spaces);
      pthread_mutex_lock(&mutex);
      ring[head++ % 4] = 1;
      pthread_mutex_unlock(&mutex);
      sem_post(&items);
    } else {
      sem_wait(&items);
      pthread_mutex_lock(&mutex);
      counter += ring[tail++ % 4];
      pthread_mutex_unlock(&mutex);
      sem_post(&spaces);
    }
  }
  return NULL;
}

TEST(semaphores, CPUS) {
  per_thread = rounds() / 4;
  sem_init(&items, 0, 0);
  sem_init(&spaces, 0, 4);
  eight(queuer);
  CHECK_EQ(counter, THREADS / 2 * per_thread);
}

static void *read_writer(void *me) {
  static long a, b;
  for (long i = 0; i < per_thread; i++) {
    if ((i + (long)me) % 8 == 0) {
      pthread_rwlock_wrlock(&rwlock);
      a++, counter++, b++;
    } else {
      pthread_rwlock_rdlock(&rwlock);
      if (a != b) FAIL("a reader saw a writer's half");
    }
    pthread_rwlock_unlock(&rwlock);
  }
  return NULL;
}

TEST(rwlock, CPUS) {
  per_thread = rounds() / 4 / 8 * 8;
  eight(read_writer);
  CHECK_EQ(counter, per_thread);
}

static void *meeter(void *me) {
  (void)me;
  for (long i = 0; i < per_thread; i++)
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) counter++;
  return NULL;
}

TEST(barrier, CPUS) {
  per_thread = rounds() / 20;
  pthread_barrier_init(&barrier, NULL, THREADS);
  eight(meeter);
  CHECK_EQ(counter, per_thread);
}

// A process-shared mutex and condition between two processes.
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  long turn;
} Shared;

static void shared_side(void *p, int me, long n) {
  Shared *s = p;
  for (long i = 0; i < n; i++) {
    pthread_mutex_lock(&s->mutex);
    while (s->turn % 2 != me) pthread_cond_wait(&s->cond, &s->mutex);
    s->turn++;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
  }
}

TEST(shared_condition, FORKS | CPUS) {
  Shared *s = shared_pages(1);
  pthread_mutexattr_t m;
  pthread_condattr_t c;
  pthread_mutexattr_init(&m), pthread_condattr_init(&c);
  pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
  pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&s->mutex, &m), pthread_cond_init(&s->cond, &c);
  pingpong_processes(shared_side, s, 1, rounds());
  CHECK_EQ(s->turn, 2 * rounds());
}
