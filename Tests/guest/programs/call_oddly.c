// The `syscall` instruction executed with odd flags, a bad stack pointer, odd FS and GS.
// guest: variants=static,musl
#include <asm/prctl.h>
#include <sys/ucontext.h>
#include "faults.h"

// getpid with flags set before and read after; C code never sees them.
static long with_flags(uint64_t set, uint64_t *after) {
  long result;
  uint64_t flags;
  __asm__ volatile("sub $256, %%rsp; pushfq; orq %2, (%%rsp); popfq\n"
                   "mov $39, %%eax; syscall\n"
                   "pushfq; pop %1; pushq $0x202; popfq; add $256, %%rsp"
                   : "=&a"(result), "=&r"(flags) : "r"(set) : "rcx", "r11", "memory", "cc");
  *after = flags;
  return result;
}

TEST(direction_flag) {
  uint64_t after;
  CHECK_EQ(with_flags(0x400, &after), getpid());
  CHECK_EQ(after & 0x400, 0x400);
}

TEST(alignment_flag) {
  uint64_t after;
  CHECK_EQ(with_flags(0x40000, &after), getpid());
  CHECK_EQ(after & 0x40000, 0x40000);
}

TEST(nested_task_flag) {
  uint64_t after;
  CHECK_EQ(with_flags(0x4000, &after), getpid());
  CHECK_EQ(after & 0x4000, 0x4000);
}

TEST(identification_flag) {
  uint64_t after;
  CHECK_EQ(with_flags(0x200000, &after), getpid());
  CHECK_EQ(after & 0x200000, 0x200000);
}

// A signal handler starts with DF clear; DF and AC come back with sigreturn.
static volatile uint64_t handler_flags;
static volatile int handled;
void flags_entry(int);
__attribute__((used)) static void flags_handler(uint64_t flags) {
  handler_flags = flags;
  handled++;
}
__asm__(".text\nflags_entry: pushfq; pop %rdi; pushq $0x202; popfq; jmp flags_handler\n");

TEST(flags_and_signal) {
  on_signal(SIGUSR1, flags_entry, 0);
  static const uint64_t bits[] = {0x400, 0x4000, 0x40000, 0x4400, 0x44400, 0x8d5};
  for (int i = 0; i < 6; i++) {
    uint64_t flags;
    long result;
    __asm__ volatile("sub $256, %%rsp; pushfq; orq %2, (%%rsp); popfq\n"
                     "mov $62, %%eax; mov $10, %%esi; syscall\n"
                     "pushfq; pop %1; pushq $0x202; popfq; add $256, %%rsp"
                     : "=&a"(result), "=&r"(flags) : "r"(bits[i]), "D"(getpid())
                     : "rcx", "r11", "rsi", "memory", "cc");
    CHECK_EQ(result, 0);
    CHECK_EQ(handled, i + 1);
    // sigreturn does not restore NT: it stays as the handler left it.
    CHECK_EQ(flags & bits[i], bits[i] & ~0x4000ul);
    CHECK_EQ(handler_flags & 0x400, 0);
  }
}

// The trap flag over a system call: the call works, and every stop is inside this code.
static volatile int steps;
static volatile uintptr_t outside;
extern char step_begin[], step_end[];
static void step_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  uintptr_t rip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  steps++;
  if (rip < (uintptr_t)step_begin || rip > (uintptr_t)step_end) outside = rip;
}
long stepped_call(void);
__asm__(".text\nstepped_call: pushfq; orq $0x100, (%rsp); popfq\n"
        "step_begin: nop; mov $39, %eax; syscall; nop; nop; pushfq; andq $~0x100, (%rsp); popfq\n"
        "nop\nstep_end: ret\n");

TEST(trap_flag) {
  on_siginfo(SIGTRAP, step_handler, 0);
  for (int i = 0; i < 50; i++) {
    steps = 0;
    CHECK_EQ(stepped_call(), getpid());
    CHECK(steps >= 6 && steps <= 9);
  }
  CHECK_EQ(outside, 0);
}

static long with_stack(uint64_t rsp, long nr, long a, long b) {
  long result;
  __asm__ volatile("mov %%rsp, %%rbx; mov %2, %%rsp; syscall; mov %%rbx, %%rsp"
                   : "=a"(result) : "a"(nr), "r"(rsp), "D"(a), "S"(b)
                   : "rbx", "rcx", "r11", "memory");
  return result;
}

static const uint64_t bad_stacks[] = {0, 8, 1, 0x1000, 0x400000001000, 0x7ffffffff000,
                                      0x8000000000000000, ~0ull, 0xffffffff81000000};
enum { BAD_STACKS = sizeof bad_stacks / sizeof *bad_stacks };

TEST(bad_stack_pointer) {
  for (int i = 0; i < BAD_STACKS; i++) {
    CHECK_EQ(with_stack(bad_stacks[i], SYS_getpid, 0, 0), getpid());
    struct timespec ms = {0, 1000000};
    CHECK_EQ(with_stack(bad_stacks[i], SYS_nanosleep, (long)&ms, 0), 0);
    CHECK_EQ(with_stack(bad_stacks[i], SYS_sched_yield, 0, 0), 0);
  }
}

static void count_handler(int signo) {
  (void)signo;
  handled++;
}

// With a bad stack pointer a handler on the alternate stack still runs.
TEST(bad_stack_pointer_and_signal) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  SYS(sigaltstack(&stack, NULL));
  on_signal(SIGUSR1, count_handler, SA_ONSTACK);
  handled = 0;
  for (int i = 0; i < BAD_STACKS; i++) {
    CHECK_EQ(with_stack(bad_stacks[i], SYS_kill, getpid(), SIGUSR1), 0);
    CHECK_EQ(handled, i + 1);
  }
}

TEST(bad_stack_pointer_kills, FORKS) {
  for (int i = 0; i < BAD_STACKS; i++) {
    pid_t pid;
    CHILD(pid) {
      on_signal(SIGUSR1, count_handler, 0);
      with_stack(bad_stacks[i], SYS_kill, getpid(), SIGUSR1);
    }
    CHECK_EQ(wait_status(pid) & 0x7f, SIGSEGV);
  }
}

static long raw(long nr, long a, long b) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

static unsigned long get_fs(void) {
  unsigned long base = 0;
  raw(SYS_arch_prctl, ARCH_GET_FS, (long)&base);
  return base;
}

// The FS base belongs to the program; the kernel neither needs nor changes it.
TEST(fs_base) {
  unsigned long old = get_fs();
  static const unsigned long bases[] = {0, 1, 0x1000, 0x400000000000, 0x7fffffffe000};
  unsigned long got[5];
  long pids[5], yields[5], pid = getpid();
  struct timespec ms = {0, 1000000};
  for (int i = 0; i < 5; i++) {
    raw(SYS_arch_prctl, ARCH_SET_FS, bases[i]);
    pids[i] = raw(SYS_getpid, 0, 0);
    yields[i] = raw(SYS_sched_yield, 0, 0) | raw(SYS_nanosleep, (long)&ms, 0);
    got[i] = get_fs();
    raw(SYS_arch_prctl, ARCH_SET_FS, old);
  }
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(pids[i], pid);
    CHECK_EQ(yields[i], 0);
    CHECK_EQ(got[i], bases[i]);
  }
  CHECK_EQ(raw(SYS_arch_prctl, ARCH_SET_FS, 0x8000000000000000), -EPERM);
  CHECK_EQ(raw(SYS_arch_prctl, ARCH_SET_FS, 0x7ffffffff000 + 0x1000), -EPERM);
  CHECK_EQ(raw(SYS_arch_prctl, 0x9999, 0), -EINVAL);
  CHECK_EQ(get_fs(), old);
}

TEST(fs_base_by_instruction) {
  unsigned long old = get_fs(), inside, after;
  long pid;
  __asm__ volatile("wrfsbase %3; mov $39, %%eax; syscall; mov %%rax, %0; mov $24, %%eax; syscall\n"
                   "rdfsbase %1; wrfsbase %4; rdfsbase %2"
                   : "=&r"(pid), "=&r"(inside), "=&r"(after) : "r"(0x123456789aUL), "r"(old)
                   : "rax", "rcx", "r11", "memory");
  CHECK_EQ(pid, getpid());
  CHECK_EQ(inside, 0x123456789aUL);
  CHECK_EQ(after, old);
}

// A signal with a strange FS base: the handler has the same one.
static unsigned long fs_in_handler;
static void fs_handler(int signo) {
  (void)signo;
  __asm__ volatile("rdfsbase %0" : "=r"(fs_in_handler));
}

TEST(fs_base_and_signal) {
  on_signal(SIGUSR1, fs_handler, 0);
  unsigned long old = get_fs(), after;
  long pid = getpid();
  __asm__ volatile("wrfsbase %2; mov $62, %%eax; mov $10, %%esi; syscall; rdfsbase %0; wrfsbase %3"
                   : "=&r"(after), "+D"(pid) : "r"(0x4242000UL), "r"(old)
                   : "rax", "rcx", "r11", "rsi", "memory");
  CHECK_EQ(fs_in_handler, 0x4242000);
  CHECK_EQ(after, 0x4242000);
}

// Loading GS zeroes its base, which in Martlet is the kernel's: it may cost the program its life
// (natively it does not), and nobody else anything.
TEST(loads_gs, FORKS) {
  for (int i = 0; i < 5; i++) {
    pid_t pid;
    CHILD(pid) {
      if (i % 2) __asm__ volatile("mov %0, %%gs" ::"r"(0));
      else __asm__ volatile("wrgsbase %0" ::"r"(0x1000UL * i));
      for (int j = 0; j < 10; j++) raw(SYS_getppid, 0, 0);
      raw(SYS_exit_group, 0, 0);
    }
    int status = wait_status(pid);
    if (status != 0 && !(in_martlet() && WIFSIGNALED(status))) FAIL("status %#x", status);
  }
  CHECK_EQ(raw(SYS_getpid, 0, 0), getpid());
}

TEST(arch_prctl_gs) {
  unsigned long base = 77;
  long got = raw(SYS_arch_prctl, ARCH_SET_GS, 0x1000);
  CHECK_EQ(got, in_martlet() ? -EINVAL : 0);
  if (got == 0) {
    raw(SYS_arch_prctl, ARCH_GET_GS, (long)&base);
    CHECK_EQ(base, 0x1000);
    raw(SYS_arch_prctl, ARCH_SET_GS, 0);
  }
}

// int $0x80 with number 20: getpid where the host emulates i386, a fault where it does not.
TEST(int_80, FORKS) {
  pid_t pid;
  CHILD(pid) {
    long got;
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(20) : "r8", "r9", "r10", "r11", "memory");
    CHECK_EQ(got, getpid());
  }
  int status = wait_status(pid);
  if ((status & 0x7f) != SIGSEGV && !(status == 0 && !in_martlet())) FAIL("status %#x", status);
}

TEST(x32_number) {
  long got = raw(SYS_getpid | 0x40000000, 0, 0);
  if (got != -ENOSYS && !(got == getpid() && !in_martlet())) FAIL("gave %ld", got);
}

// The vsyscall page: hosts may emulate it; Martlet does.
TEST(vsyscall, FORKS) {
  pid_t pid;
  CHILD(pid) {
    long got = ((long (*)(long *))0xffffffffff600400)(NULL);
    CHECK(labs(got - time(NULL)) < 5);
  }
  int status = wait_status(pid);
  if (status != 0 && ((status & 0x7f) != SIGSEGV || in_martlet())) FAIL("status %#x", status);
}

// The upper half of eax does not count for the number; nor do unused arguments.
TEST(high_bits_of_number) {
  CHECK_EQ(raw(SYS_getpid | 0x100000000, 0, 0), in_martlet() ? getpid() : raw(SYS_getpid | 0x100000000, 0, 0));
  CHECK_EQ(raw(-1, 0, 0), -ENOSYS);
  CHECK_EQ(raw(511, 0, 0), -ENOSYS);
  CHECK_EQ(raw(600, 0, 0), -ENOSYS);
  CHECK_EQ(raw(0x7fffffff, 0, 0), -ENOSYS);
  CHECK_EQ(raw(0x80000000, 0, 0), -ENOSYS);
}
