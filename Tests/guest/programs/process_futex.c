// futex, operation by operation; robust lists.
// guest: variants=static
#include <linux/futex.h>

#include "check.h"

static long futex(void *word, int op, long value, void *time, void *word2, long value3) {
  return syscall(SYS_futex, word, op, value, time, word2, value3);
}

static int word, other;
static volatile int awake;
static volatile pid_t tids[8];
typedef struct {
  int index, op, mask;
} Sleeper;
static void *sleeps(void *p) {
  Sleeper *s = p;
  tids[s->index] = syscall(SYS_gettid);
  if (futex(&word, s->op, 0, NULL, NULL, s->mask)) FAIL("futex wait: errno %d", errno);
  __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static pthread_t ids[8];
static Sleeper sleepers[8];
static void start(int count, int op, const int *masks) {
  word = other = awake = 0;
  for (int i = 0; i < count; i++) {
    tids[i] = 0;
    sleepers[i] = (Sleeper){i, op, masks ? masks[i] : -1};
    REQUIRE(pthread_create(&ids[i], NULL, sleeps, &sleepers[i]) == 0);
    REQUIRE(EVENTUALLY(tids[i] != 0));
    wait_sleeping(getpid(), tids[i]);
  }
}
static void join(int count) {
  for (int i = 0; i < count; i++) pthread_join(ids[i], NULL);
  CHECK_EQ(awake, count);
}
static void awake_are(int count) {
  CHECK(EVENTUALLY(awake == count));
  usleep(5000);
  CHECK_EQ(awake, count);
}

TEST(wake_counts, CPUS) {
  start(5, FUTEX_WAIT_PRIVATE, NULL);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0), 1);  // as the host has it: at least one
  awake_are(1);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
  awake_are(3);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 2);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
  join(5);
}

// Private and shared keys of one private word are different.
TEST(private_and_shared) {
  start(1, FUTEX_WAIT_PRIVATE, NULL);
  CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
  join(1);
  start(1, FUTEX_WAIT, NULL);
  CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
  join(1);
}

TEST(bitset) {
  static const int masks[] = {1, 2, 4, 7};
  start(4, FUTEX_WAIT_BITSET_PRIVATE, masks);
  CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 8), 0);
  CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2), 2);
  awake_are(2);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
  join(4);
  CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
  CHECK_ERR(futex(&word, FUTEX_WAKE_BITSET, 0, NULL, NULL, 0), EINVAL);
}

TEST(requeue) {
  start(4, FUTEX_WAIT_PRIVATE, NULL);
  CHECK_EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &other, 0), 3);
  awake_are(1);
  CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 1);
  awake_are(2);
  CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
  join(4);
}

TEST(cmp_requeue) {
  start(3, FUTEX_WAIT_PRIVATE, NULL);
  CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &other, 77), EAGAIN);
  awake_are(0);
  CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)9, &other, 0), 3);
  awake_are(1);
  CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
  join(3);
}

TEST(wake_op) {
  start(2, FUTEX_WAIT_PRIVATE, NULL);
  other = 5;
  // other += 3; wakes one of word, and one of other if it was 5.
  CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other,
                 FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)), 1);
  CHECK_EQ(other, 8);
  awake_are(1);
  CHECK_EQ(futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word,
                 FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_GT, 100)), 0);
  CHECK_EQ(word, 9);
  awake_are(1);
  CHECK_EQ(futex(&other, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word,
                 FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_LE, 9)), 1);
  CHECK_EQ(word, 8);
  join(2);
  word = 12;
  futex(&other, FUTEX_WAKE_OP, 0, NULL, &word, FUTEX_OP(FUTEX_OP_OR, 3, FUTEX_OP_CMP_NE, 0));
  CHECK_EQ(word, 15);
  futex(&other, FUTEX_WAKE_OP, 0, NULL, &word, FUTEX_OP(FUTEX_OP_ANDN, 5, FUTEX_OP_CMP_NE, 0));
  CHECK_EQ(word, 10);
  futex(&other, FUTEX_WAKE_OP, 0, NULL, &word, FUTEX_OP((FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT), 4, 0, 0));
  CHECK_EQ(word, 16);
}

TEST(timeouts) {
  struct timespec t = {0, 30000000}, bad = {0, 1000000000}, negative = {-1, 0}, zero = {0, 0}, now;
  word = 0;
  long long start_us = now_us();
  CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0), ETIMEDOUT);
  CHECK(now_us() - start_us >= 30000);
  CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &zero, NULL, 0), ETIMEDOUT);
  CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
  CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0), EINVAL);
  start_us = now_us();
  clock_gettime(CLOCK_MONOTONIC, &now);
  now.tv_nsec += 30000000;
  if (now.tv_nsec >= 1000000000) now.tv_sec++, now.tv_nsec -= 1000000000;
  CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET, 0, &now, NULL, -1), ETIMEDOUT);
  CHECK(now_us() - start_us >= 29000);
  clock_gettime(CLOCK_REALTIME, &now);
  CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &now, NULL, -1), ETIMEDOUT);
}

TEST(errors) {
  word = 1;
  CHECK_ERR(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EAGAIN);
  CHECK_ERR(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
  CHECK_ERR(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
  CHECK_ERR(futex(NULL, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
  CHECK_ERR(futex((void *)0x1000, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
  CHECK_ERR(futex((void *)0x1000, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
  CHECK_EQ(futex((void *)0x1000, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);  // no page needed
  CHECK_ERR(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
  CHECK_ERR(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
}

// A shared futex is found through every mapping of its page.
TEST(shared_by_mapping, FORKS | CPUS) {
  int fd = SYS(syscall(SYS_memfd_create, "futex", 0));
  SYS(ftruncate(fd, 8192));
  int *a = SYS(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    munmap(a, 8192);
    int *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
    b[1] = 1;
    futex(&b[1], FUTEX_WAKE, 1, NULL, NULL, 0);
    struct timespec t = {20, 0};
    while (b[3] == 0)
      if (futex(&b[3], FUTEX_WAIT, 0, &t, NULL, 0) && errno != EAGAIN) _exit(7);
    _exit(0);
  }
  struct timespec t = {20, 0};
  while (*(volatile int *)(a + 1025) == 0)
    if (futex(a + 1025, FUTEX_WAIT, 0, &t, NULL, 0) && errno != EAGAIN) FAIL("errno %d", errno), check_leave();
  wait_sleeping(pid, pid);
  a[1027] = 1;
  futex(a + 1027, FUTEX_WAKE, 1, NULL, NULL, 0);
  wait_ok(pid);
}

// A dead owner's locks are marked and a waiter woken, by thread and by process death.
typedef struct {
  struct robust_list_head head;
  struct robust_list entry;
  int lock;
} Robust;

static void hold(Robust *r) {
  r->head.list.next = &r->entry;
  r->head.futex_offset = offsetof(Robust, lock) - offsetof(Robust, entry);
  r->head.list_op_pending = NULL;
  r->entry.next = &r->head.list;
  r->lock = syscall(SYS_gettid) | FUTEX_WAITERS;
  if (syscall(SYS_set_robust_list, &r->head, sizeof r->head)) FAIL("set_robust_list");
}
static void *dies(void *r) {
  hold(r);
  usleep(5000);
  syscall(SYS_exit, 0);
  return NULL;
}

static void owner_died(Robust *r) {
  int now;
  struct timespec t = {20, 0};
  while (!((now = *(volatile int *)&r->lock) & FUTEX_OWNER_DIED))
    if (futex(&r->lock, FUTEX_WAIT, now, &t, NULL, 0) && errno != EAGAIN) FAIL("errno %d", errno), check_leave();
  CHECK_EQ(r->lock, (int)(FUTEX_OWNER_DIED | FUTEX_WAITERS));
}

TEST(robust_thread, CPUS) {
  static Robust r;
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, dies, &r) == 0);
  while (!*(volatile int *)&r.lock) sched_yield();
  owner_died(&r);
  pthread_join(id, NULL);
}

TEST(robust_process, FORKS | CPUS) {
  Robust *r = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    hold(r);
    for (;;) pause();
  }
  while (!*(volatile int *)&r->lock) sched_yield();
  SYS(kill(pid, SIGKILL));
  owner_died(r);
  CHECK_EQ(wait_status(pid), SIGKILL);
}

TEST(robust_list_calls) {
  struct robust_list_head *head;
  size_t size;
  SYS(syscall(SYS_get_robust_list, 0, &head, &size));
  CHECK_EQ(size, sizeof *head);
  CHECK_ERR(syscall(SYS_set_robust_list, head, 7), EINVAL);
}

TEST(robust_mutex, FORKS) {
  pthread_mutex_t *m = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(m, &a);
  pid_t pid = SYS(fork());
  if (pid == 0) {
    pthread_mutex_lock(m);
    _exit(0);
  }
  wait_ok(pid);
  CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
  CHECK_EQ(pthread_mutex_consistent(m), 0);
  CHECK_EQ(pthread_mutex_unlock(m), 0);
  CHECK_EQ(pthread_mutex_lock(m), 0);
}
