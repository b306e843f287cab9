// Registers and vector state across signal delivery, in the frame, and across preemption.
// guest: variants=static,dynamic
#include <sys/ucontext.h>

#include "probe.h"

static void begin(void) {
  vector_mask = vector_components();
  if (!vector_mask) SKIP("no XSAVE");
}

static VectorImage other;      // what the handlers load over the interrupted state
static volatile int handled;
static volatile unsigned handler_mxcsr, handler_fcw, handler_flags;
static ucontext_t seen;
static _Alignas(64) uint8_t seen_vector[16384];

static void spoil(void) {
  handled++;
  vector_load(&other);
  __asm__ volatile("mov $0x33, %%eax; mov %%eax, %%ecx; mov %%eax, %%edx; mov %%eax, %%esi\n"
                   "mov %%eax, %%edi; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11"
                   ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
}

static void plain_handler(int signal) {
  (void)signal;
  spoil();
}

static void look_handler(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  unsigned mxcsr;
  unsigned short fcw;
  uint64_t flags;
  __asm__ volatile("stmxcsr %0; fnstcw %1; pushfq; pop %2" : "=m"(mxcsr), "=m"(fcw), "=r"(flags));
  handler_mxcsr = mxcsr, handler_fcw = fcw, handler_flags = flags;
  seen = *(ucontext_t *)context;
  // The software-reserved bytes tell how much of the vector state is there.
  uint32_t *reserved = (uint32_t *)((uint8_t *)seen.uc_mcontext.fpregs + 464);
  memcpy(seen_vector, seen.uc_mcontext.fpregs, reserved[0] == 0x46505853 ? reserved[1] : 512);
  spoil();
}

static void on_stack(void) {
  static _Alignas(64) uint8_t memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  SYS(sigaltstack(&stack, NULL));
}

static void killed_by(long nr, long a, long b, long c) {
  for (unsigned seed = 0; seed < 6; seed++) {
    vector_fill(&other, seed + 7);
    handled = 0;
    CHECK_EQ(probed("kill", seed, nr, a, b, c, 4, 5, 6), 0);
    CHECK_EQ(handled, 1);
  }
}

TEST(kill_self, CPUS) {
  begin();
  on_signal(SIGUSR1, plain_handler, 0);
  killed_by(SYS_kill, getpid(), SIGUSR1, 3);
  killed_by(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
}

TEST(kill_self_alternate_stack) {
  begin();
  on_stack();
  on_signal(SIGUSR1, plain_handler, SA_ONSTACK);
  killed_by(SYS_kill, getpid(), SIGUSR1, 3);
}

// The frame goes to pages that nobody has touched yet, of both kinds of memory.
TEST(fresh_pages) {
  enum { SIZE = 65536 };
  begin();
  on_signal(SIGUSR1, plain_handler, SA_ONSTACK);
  for (int kind = 0; kind < 2; kind++) {
    vector_fill(&other, kind + 20);
    handled = 0;
    void *memory = SYS(
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, (kind ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0));
    stack_t stack = {.ss_sp = memory, .ss_size = SIZE - 1000};  // the vector state lies across pages
    SYS(sigaltstack(&stack, NULL));
    CHECK_EQ(probed("kill", kind, SYS_kill, getpid(), SIGUSR1, 3, 4, 5, 6), 0);
    CHECK_EQ(handled, 1);
    stack.ss_flags = SS_DISABLE;
    SYS(sigaltstack(&stack, NULL));
    munmap(memory, SIZE);
  }
}

// A frame that the handler takes away, or whose vector state it misaligns, is no way back.
static int trick;
static void trick_handler(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ucontext_t *c = context;
  if (trick == 0) c->uc_mcontext.fpregs = (void *)0x1000;
  if (trick == 1) c->uc_mcontext.fpregs = (void *)((char *)c->uc_mcontext.fpregs + 8);
  if (trick == 2) ((uint64_t *)c->uc_mcontext.fpregs)[65] = ~0ull;  // XCOMP_BV
  if (trick == 3) ((uint32_t *)c->uc_mcontext.fpregs)[6] = ~0u;     // MXCSR
}
TEST(bad_vector_state, FORKS | DIFF) {
  begin();
  for (trick = 0; trick < 4; trick++) {
    pid_t pid;
    CHILD(pid) {
      on_siginfo(SIGUSR1, trick_handler, 0);
      raise(SIGUSR1);
    }
    int status;
    SYS(waitpid(pid, &status, 0));
    say("trick %d: %#x\n", trick, status);
  }
}

TEST(unblocked_by_mask) {
  begin();
  on_signal(SIGUSR1, plain_handler, 0);
  sigset_t set = set_of(SIGUSR1);
  for (unsigned seed = 0; seed < 4; seed++) {
    vector_fill(&other, seed + 7);
    SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    raise(SIGUSR1);
    handled = 0;
    probed("unblock", seed, SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, 8, 5, 6);
    CHECK_EQ(handled, 1);
  }
}

// What the handler sees of the interrupted state.
TEST(frame, CPUS) {
  begin();
  static VectorImage in, out;
  on_siginfo(SIGUSR1, look_handler, 0);
  for (unsigned seed = 0; seed < 6; seed++) {
    Probe p;
    probe_prepare(&p, seed, &in, &out);
    vector_fill(&other, seed + 9);
    p.nr = SYS_kill, p.args[0] = getpid(), p.args[1] = SIGUSR1;
    CHECK_EQ(probe_call(&p), 0);
    probe_verify_call(&p, "kill", seed);
    greg_t *g = seen.uc_mcontext.gregs;
    CHECK_EQ(g[REG_RAX], 0);
    CHECK_EQ(g[REG_RBX], p.rbx);
    CHECK_EQ(g[REG_RBP], p.rbp);
    CHECK_EQ(g[REG_R12], p.r12);
    CHECK_EQ(g[REG_R13], p.r13);
    CHECK_EQ(g[REG_R14], p.r14);
    CHECK_EQ(g[REG_R15], p.r15);
    CHECK_EQ(g[REG_RDI], p.args[0]);
    CHECK_EQ(g[REG_RSI], p.args[1]);
    CHECK_EQ(g[REG_RSP], p.rsp);
    CHECK_EQ(g[REG_RIP], p.next);
    CHECK_EQ(g[REG_RCX], p.next);
    CHECK_EQ(g[REG_EFL], p.flags);
    CHECK_EQ(g[REG_R11], p.flags);
    CHECK_EQ((unsigned long)g[REG_CSGSFS] & 0xffff, 0x33);
    CHECK_EQ(handler_mxcsr, 0x1f80);
    CHECK_EQ(handler_fcw, 0x037f);
    CHECK_EQ(handler_flags & 0x400, 0);
    uint32_t *reserved = (uint32_t *)(seen_vector + 464);
    CHECK_EQ(reserved[0], 0x46505853);                                  // FP_XSTATE_MAGIC1
    CHECK_EQ(*(uint32_t *)(seen_vector + reserved[1] - 4), 0x46505845); // FP_XSTATE_MAGIC2
    CHECK((*(uint64_t *)(reserved + 2) & vector_mask) == vector_mask);  // the components
    // Components in their initial state may be left out (their bit in the header is clear).
    VectorImage image;
    memset(&image, 0, sizeof image);
    memcpy(&image, seen_vector, reserved[4]);
    uint64_t present = *(uint64_t *)(image.bytes + 512);
    if (seed) CHECK((present & vector_mask) == vector_mask);
    if (!(present & X87)) *(uint16_t *)image.bytes = 0x037f;
    const char *what = seed || (present & SSE) ? vector_compare(&image, seed) : NULL;
    if (what) FAIL("in the frame: %s (seed %u)", what, seed);
  }
}

// The handler changes the saved state; sigreturn must take it over.
static unsigned changed_seed;
static void change_handler(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  uint32_t *reserved = (uint32_t *)((uint8_t *)m->fpregs + 464);
  uint8_t keep[48];
  memcpy(keep, reserved, 48);
  VectorImage image;
  vector_fill(&image, changed_seed);
  memcpy(m->fpregs, &image, reserved[4]);
  memcpy((uint8_t *)m->fpregs + 464, keep, 48);
  m->gregs[REG_R12] = 0x1212, m->gregs[REG_RBX] = 0xbbbb, m->gregs[REG_RAX] = 0xaaaa;
  m->gregs[REG_EFL] ^= 0x1;
  handled++;
}

TEST(sigreturn_takes_changes) {
  begin();
  static VectorImage in, out;
  on_siginfo(SIGUSR1, change_handler, 0);
  for (unsigned seed = 1; seed < 4; seed++) {
    Probe p;
    probe_prepare(&p, seed, &in, &out);
    p.nr = SYS_kill, p.args[0] = getpid(), p.args[1] = SIGUSR1;
    changed_seed = seed + 20;
    handled = 0;
    CHECK_EQ(probe_call(&p), 0xaaaa);
    CHECK_EQ(handled, 1);
    CHECK_EQ(p.after.r12, 0x1212);
    CHECK_EQ(p.after.rbx, 0xbbbb);
    CHECK_EQ(p.after.r13, p.r13);
    CHECK_EQ(p.after.flags, p.flags ^ 1);
    CHECK_EQ(p.after.red[15], p.red + 15 * 0x11111);
    const char *what = vector_compare(&out, changed_seed);
    if (what) FAIL("after sigreturn: %s", what);
  }
}

static void timer(int us) {
  struct itimerval value = {{0, us}, {0, us}};
  SYS(setitimer(ITIMER_REAL, &value, NULL));
}

// A busy loop interrupted at any place by handlers that spoil everything.
TEST(preempted_by_timer, CPUS) {
  begin();
  static VectorImage in, out;
  on_signal(SIGALRM, plain_handler, 0);
  vector_fill(&other, 50);
  handled = 0;
  timer(500);
  long long end = now_us() + 60000000;
  for (unsigned seed = 0; handled < 200 && now_us() < end && !check_failures; seed = (seed + 1) % 8) {
    Probe p;
    probe_prepare(&p, seed, &in, &out);
    p.spins = 200000, p.nr = 0x77;
    probe_spin(&p);
    probe_verify_spin(&p, "spin", seed);
  }
  timer(0);
  CHECK(handled >= 200);
}

// The same for a loop of system calls: the signal comes before, in and after them.
TEST(calls_under_timer, CPUS) {
  begin();
  on_signal(SIGALRM, plain_handler, SA_RESTART);
  vector_fill(&other, 51);
  handled = 0;
  timer(100);
  for (long i = 0; i < rounds() && !check_failures; i++)
    CHECK_EQ(probed("getpid", i % 8, SYS_getpid, 1, 2, 3, 4, 5, 6), getpid());
  timer(0);
  CHECK(handled > 0);
}
