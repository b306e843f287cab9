// Threads made and joined by the thousand, detached, and ending the process from any of them.
// guest: variants=static,dynamic,musl timeout=180
#include "check.h"

static void *nothing(void *value) { return value; }

static int threads_of_process(void) {
  char text[4096] = "";
  int fd = open("/proc/self/status", O_RDONLY);
  if (fd < 0) return -1;
  read(fd, text, sizeof text - 1);
  close(fd);
  char *line = strstr(text, "Threads:");
  return line ? atoi(line + 8) : -1;
}

TEST(create_join, CPUS) {
  for (long i = 0; i < storm() * 4 && !check_failures; i++) {
    pthread_t id;
    void *got = NULL;
    REQUIRE(pthread_create(&id, NULL, nothing, (void *)i) == 0);
    REQUIRE(pthread_join(id, &got) == 0);
    CHECK_EQ(got, i);
  }
  CHECK(EVENTUALLY(threads_of_process() == 1));
}

TEST(many_at_once, CPUS) {
  enum { BATCH = 50 };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  for (long round = 0; round * BATCH < storm() * 4 && !check_failures; round++) {
    pthread_t ids[BATCH];
    for (long i = 0; i < BATCH; i++)
      REQUIRE(pthread_create(&ids[i], &attributes, nothing, (void *)i) == 0);
    for (long i = BATCH - 1; i >= 0; i--) {
      void *got = NULL;
      REQUIRE(pthread_join(ids[i], &got) == 0);
      CHECK_EQ(got, i);
    }
  }
  CHECK(EVENTUALLY(threads_of_process() == 1));
}

static long detached_done;
static void *detached(void *unused) {
  __atomic_add_fetch(&detached_done, 1, __ATOMIC_SEQ_CST);
  return unused;
}

TEST(detached, CPUS) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  detached_done = 0;
  for (long i = 0; i < storm(); i++) {
    pthread_t id;
    REQUIRE(pthread_create(&id, &attributes, detached, NULL) == 0);
    if (i % 16 == 0) EVENTUALLY(__atomic_load_n(&detached_done, __ATOMIC_SEQ_CST) > i - 8);
  }
  CHECK(EVENTUALLY(__atomic_load_n(&detached_done, __ATOMIC_SEQ_CST) == storm()));
  CHECK(EVENTUALLY(threads_of_process() == 1));
}

// Each thread has its own errno, id and thread-local variable.
static __thread long mine = 17;
static void *local(void *me) {
  CHECK_EQ(mine, 17);
  mine = (long)me;
  errno = (int)(long)me;
  for (int i = 0; i < 100; i++) sched_yield();
  CHECK_EQ(mine, (long)me);
  CHECK_EQ(errno, (long)me);
  CHECK(syscall(SYS_gettid) != getpid());
  return NULL;
}

TEST(thread_local, CPUS) {
  pthread_t ids[16];
  for (long i = 0; i < 16; i++) REQUIRE(pthread_create(&ids[i], NULL, local, (void *)(i + 1)) == 0);
  for (int i = 0; i < 16; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(mine, 17);
}

// Cancellation is a signal (and in libc a fragile one).
static void *sleeper(void *unused) {
  for (;;) pause();
  return unused;
}

TEST(cancel, CPUS) {
  for (long i = 0; i < storm() / 5 && !check_failures; i++) {
    pthread_t id;
    void *got = NULL;
    REQUIRE(pthread_create(&id, NULL, sleeper, NULL) == 0);
    if (i % 2) usleep(100);
    REQUIRE(pthread_cancel(id) == 0);
    REQUIRE(pthread_join(id, &got) == 0);
    CHECK(got == PTHREAD_CANCELED);
  }
}

// Threads that make threads, some of which outlive their maker.
static long family_left;
static void *family(void *depth) {
  pthread_t id[2];
  for (int i = 0; (long)depth > 0 && i < 2; i++)
    if (pthread_create(&id[i], NULL, family, (void *)((long)depth - 1))) FAIL("pthread_create");
    else pthread_detach(id[i]);
  __atomic_sub_fetch(&family_left, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

TEST(family, CPUS) {
  for (long i = 0; i < storm() / 50; i++) {
    pthread_t id;
    family_left = 63;
    REQUIRE(pthread_create(&id, NULL, family, (void *)5) == 0);
    pthread_join(id, NULL);
    REQUIRE(EVENTUALLY(__atomic_load_n(&family_left, __ATOMIC_SEQ_CST) == 0));
  }
  CHECK(EVENTUALLY(threads_of_process() == 1));
}
