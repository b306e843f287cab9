// Registers and vector state in both halves of fork, vfork and clone.
#include <linux/futex.h>
#include <linux/sched.h>

#include "probe.h"

static void begin(void) {
  vector_mask = vector_components();
  if (!vector_mask) SKIP("no XSAVE");
}

static void forked(const char *what, long nr, long a, long b, long c, long d, long e) {
  for (unsigned seed = 0; seed < 4; seed++) {
    long pid = probed(what, seed, nr, a, b, c, d, e, 0x5a5a5a);
    if (pid == 0) _exit(check_failures ? 99 : 0);
    REQUIRE(pid > 0);
    wait_ok(pid);
  }
}

TEST(fork, FORKS | CPUS) {
  begin();
  forked("fork", SYS_fork, 1, 2, 3, 4, 5);
}

TEST(clone_as_fork, FORKS) {
  begin();
  int tid = 0;
  forked("clone", SYS_clone, SIGCHLD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID, 0, (long)&tid,
         (long)&tid, 0);
}

TEST(clone3_as_fork, FORKS) {
  begin();
  struct clone_args args = {.exit_signal = SIGCHLD};
  forked("clone3", SYS_clone3, (long)&args, sizeof args, 3, 4, 5);
}

// The child borrows the stack, so it may not even touch it: it leaves at once, in registers only.
PROBE(probe_vfork, "syscall; xchg %rax, %rcx; jrcxz 8f; xchg %rax, %rcx; jmp 7f\n"
                   "8: mov $60, %eax; mov $3, %edi; syscall");
uint64_t probe_vfork(Probe *);

TEST(vfork, CPUS) {
  begin();
  static VectorImage in, out;
  for (unsigned seed = 0; seed < 4; seed++) {
    Probe p;
    probe_prepare(&p, seed, &in, &out);
    p.nr = SYS_vfork;
    long pid = probe_vfork(&p);
    REQUIRE(pid > 0);
    probe_verify_common(&p, "vfork", seed, true);
    CHECK_EQ(p.after.rsp, p.rsp);
    CHECK_EQ(p.after.flags, p.flags);
    CHECK_EQ(p.after.r11, p.flags);
    CHECK_EQ(wait_status(pid), exited(3));
  }
}

static Probe thread_probe;
static VectorImage thread_out;
static unsigned thread_seed;
static volatile int thread_word;

// The thread's first C code. It has no thread-local storage of its own, so it only compares.
__attribute__((noreturn, used)) static void thread_main(void) {
  Probe *p = &thread_probe;
  int bad = 0;
  bad |= (p->after.rax != 0) << 0;
  bad |= (p->after.rbx != p->rbx || p->after.rbp != p->rbp) << 1;
  bad |= (p->after.r12 != p->r12 || p->after.r13 != p->r13) << 2;
  bad |= (p->after.r14 != p->r14 || p->after.r15 != p->r15) << 3;
  bad |= (p->after.rdi != p->args[0] || p->after.rsi != p->args[1]) << 4;
  bad |= (p->after.rdx != p->args[2] || p->after.r10 != p->args[3]) << 5;
  bad |= (p->after.r8 != p->args[4] || p->after.r9 != p->args[5]) << 6;
  bad |= (p->after.flags != p->flags || p->after.r11 != p->flags) << 7;
  bad |= (p->after.rsp != p->rsp || p->after.rcx != p->next) << 8;
  bad |= (vector_compare(&thread_out, thread_seed) != NULL) << 9;
  thread_word = 0x1000 | bad;
  syscall(SYS_futex, &thread_word, FUTEX_WAKE, 1);
  for (;;) syscall(SYS_exit, 0);
}

// The address that rcx has after a probe's system call.
static uint64_t address_after(void) {
  static VectorImage in, out;
  Probe p;
  probe_prepare(&p, 1, &in, &out);
  p.nr = SYS_getpid;
  probe_call(&p);
  return p.next;
}

// clone with a stack of the child's own, from which it pops its own probe.
static void own_stack(const char *what, long flags) {
  static uint64_t stack[8192] __attribute__((aligned(64)));
  static VectorImage in, out;
  static pid_t tid;
  for (thread_seed = 0; thread_seed < 4; thread_seed++) {
    Probe p;
    probe_prepare(&p, thread_seed, &in, &out);
    uint64_t *top = stack + 8000;
    top[0] = (uint64_t)&thread_probe;
    top[4] = (uint64_t)thread_main;
    p.nr = SYS_clone;
    p.args[0] = flags | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    p.args[1] = (uint64_t)top;
    p.args[2] = p.args[3] = (uint64_t)&tid;
    p.args[4] = p.args[5] = 0x5a5a5a5a;
    thread_probe = p;
    thread_probe.rsp = (uint64_t)top;
    thread_probe.saved_rsp = (uint64_t)(top + 4);
    thread_probe.next = address_after();
    thread_probe.out = &thread_out;
    memset(&thread_out, 0, sizeof thread_out);
    thread_word = 0;
    tid = -1;
    long got = probe_call(&p);
    REQUIRE(got > 0);
    probe_verify_call(&p, what, thread_seed);
    while (!thread_word) syscall(SYS_futex, &thread_word, FUTEX_WAIT, 0, NULL);
    CHECK_EQ(thread_word, 0x1000);
    for (pid_t alive; (alive = *(volatile pid_t *)&tid) != 0;)
      syscall(SYS_futex, &tid, FUTEX_WAIT, alive, NULL);
    if (!(flags & CLONE_THREAD)) wait_ok(got);
  }
}

TEST(clone_thread, CPUS) {
  begin();
  own_stack("clone", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);
}

TEST(clone_vfork_own_stack, CPUS) {
  begin();
  own_stack("clone", CLONE_VM | CLONE_VFORK | SIGCHLD);
}

TEST(clone_shared_memory, CPUS) {
  begin();
  own_stack("clone", CLONE_VM | SIGCHLD);
}
