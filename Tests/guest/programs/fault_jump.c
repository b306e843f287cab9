// Wild jumps, exhausted and crooked stacks.
// guest: variants=static,dynamic,musl
#include <sys/ucontext.h>
#include "faults.h"

static void jump(void *where) { ((void (*)(void))where)(); }

TEST(jump_to_null) {
  fault_catch(0);
  FAULTS(jump(NULL));
  FAULT_IS(SIGSEGV, SEGV_MAPERR, NULL);
  CHECK_EQ(fault.regs[REG_RIP], 0);
}

TEST(jump_to_unmapped) {
  fault_catch(0);
  char *p = pages(1, PROT_READ);
  SYS(munmap(p, 4096));
  FAULTS(jump(p + 100));
  FAULT_IS(SIGSEGV, SEGV_MAPERR, p + 100);
  CHECK_EQ(fault.regs[REG_RIP], p + 100);
}

TEST(jump_to_data) {
  fault_catch(0);
  char *p = pages(1, PROT_READ | PROT_WRITE);
  memset(p, 0x90, 4096);
  FAULTS(jump(p));
  FAULT_IS(SIGSEGV, SEGV_ACCERR, p);
  char local[16];
  FAULTS(jump(local));
  FAULT_IS(SIGSEGV, SEGV_ACCERR, local);
}

TEST(jump_non_canonical) {
  fault_catch(0);
  FAULTS(jump((void *)0x8000000000000000));
  FAULT_IS(SIGSEGV, SI_KERNEL, NULL);
}

TEST(jump_to_kernel_ranges) {
  fault_catch(0);
  static const uintptr_t places[] = {0x400000000000, 0x400000100000, 0x4fffffffff00, 0x480000000000};
  for (int i = 0; i < 4; i++) {
    FAULTS(jump((void *)places[i]));
    FAULT_IS(SIGSEGV, SEGV_MAPERR, (void *)places[i]);
    CHECK_EQ(fault.regs[REG_RIP], places[i]);
  }
}

// Back from a call of NULL as a debugger would do it: by the return address on the stack.
static void return_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  g[REG_RIP] = *(greg_t *)g[REG_RSP];
  g[REG_RSP] += 8;
}

TEST(return_from_null) {
  on_siginfo(SIGSEGV, return_handler, 0);
  for (int i = 0; i < 200; i++) jump(NULL);
}

// Code that runs over the end of its mapping.
TEST(run_over_the_end) {
  fault_catch(0);
  char *p = pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
  memset(p, 0x90, 4096);
  SYS(munmap(p + 4096, 4096));
  FAULTS(jump(p + 4000));
  FAULT_IS(SIGSEGV, SEGV_MAPERR, p + 4096);
  CHECK_EQ(fault.regs[REG_RIP], p + 4096);
}

static void alternate_stack(void) {
  static char memory[65536] __attribute__((aligned(64)));
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  SYS(sigaltstack(&stack, NULL));
}

__attribute__((noinline)) static int recurse(int depth) {
  if (depth < 0) return 0;
  volatile char frame[1000];
  frame[0] = frame[999] = depth;
  return recurse(depth + 1) + frame[0];
}

static void overflow(void) {
  alternate_stack();
  fault_catch(SA_ONSTACK);
  for (int i = 0; i < 3; i++) {
    FAULTS(recurse(0));
    CHECK_EQ(fault.signo, SIGSEGV);
    long distance = (char *)fault.regs[REG_RSP] - (char *)fault.addr;
    if (labs(distance) > 65536) FAIL("fault at %p, rsp %#llx", fault.addr, fault.regs[REG_RSP]);
  }
}

TEST(stack_overflow) { overflow(); }

static void *overflow_thread(void *unused) {
  static __thread char memory[65536] __attribute__((aligned(64)));
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  SYS(sigaltstack(&stack, NULL));
  FAULTS(recurse(0));
  FAULT_IS(SIGSEGV, SEGV_ACCERR, fault.addr);  // the guard page
  return unused;
}

TEST(stack_overflow_in_thread) {
  fault_catch(SA_ONSTACK);
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, overflow_thread, NULL) == 0);
  pthread_join(id, NULL);
}

// Without another stack there is nowhere to put the frame: SIGSEGV kills, handler or not.
TEST(stack_overflow_kills, FORKS) {
  pid_t pid;
  CHILD(pid) {
    fault_catch(0);
    recurse(0);
  }
  CHECK_EQ(wait_status(pid) & 0x7f, SIGSEGV);
}

// The main thread's stack grows by touching it, at once or far down.
static int far_down(void) {
  volatile char *p = __builtin_alloca(6 << 20);
  p[0] = 1;
  p[3 << 20] = 2;
  return p[0] + p[3 << 20];
}

TEST(stack_grows) { CHECK_EQ(far_down(), 3); }

__attribute__((noinline)) static int touch_down(int left) {
  volatile char frame[3000];
  frame[0] = left;
  return left ? touch_down(left - 1) + (frame[0] != (char)left) : 0;
}

TEST(stack_grows_in_steps) { CHECK_EQ(touch_down(2000), 0); }

// System calls and signals on a stack of any alignment.
static volatile int handled;
static volatile uintptr_t handler_frame;
static void aligned_handler(int signo) {
  (void)signo;
  handler_frame = (uintptr_t)__builtin_frame_address(0);
  handled++;
}

TEST(unaligned_stack) {
  on_signal(SIGUSR1, aligned_handler, 0);
  for (long offset = 0; offset < 16; offset++) {
    long pid;
    handled = 0;
    __asm__ volatile("mov %%rsp, %%rbx; sub $1024, %%rsp; and $-64, %%rsp; add %1, %%rsp\n"
                     "mov $39, %%eax; syscall\n"
                     "mov %%eax, %%edi; mov $10, %%esi; mov $62, %%eax; push %%rdi; syscall; pop %%rax\n"
                     "mov %%rbx, %%rsp"
                     : "=&a"(pid) : "r"(offset) : "rbx", "rcx", "r11", "rdi", "rsi", "memory");
    CHECK_EQ(pid, getpid());
    CHECK_EQ(handled, 1);
    CHECK_EQ(handler_frame % 16, 0);
  }
}
