// What a system call leaves alone wherever it stands: the red zone, whatever the function around it looks like; and address
// 0, where nothing is, whatever calls lead there.
// guest: variants=static,dynamic,musl
#include "faults.h"

// Leaf functions with unwind tables. Each keeps a value right below the stack pointer over a call; returns what is there.
#define LEAF(name, code) \
  long name(long value); \
  __asm__(".text\n.balign 16\n.globl " #name "\n.type " #name ", @function\n" #name ":\n.cfi_startproc\n" code \
          "\n.cfi_endproc\n.size " #name ", .-" #name "\n.balign 64, 0xcc\n")

LEAF(keep_direct, "mov %rdi, -8(%rsp)\nmov $39, %eax\nsyscall\nmov -8(%rsp), %rax\nret");
LEAF(keep_far, "mov %rdi, -128(%rsp)\nmov %rdi, -16(%rsp)\nmov %rdi, -0x8(%rsp)\nmov $39, %eax\nsyscall\n"
               "mov -128(%rsp), %rax\nand -16(%rsp), %rax\nand -8(%rsp), %rax\nret");
LEAF(keep_pointer, "lea -8(%rsp), %rdx\nmov %rdi, (%rdx)\nmov $39, %eax\nsyscall\nmov (%rdx), %rax\nret");
LEAF(keep_frame, "push %rbp\nmov %rsp, %rbp\nmov %rdi, -8(%rbp)\nmov $39, %eax\nsyscall\nmov -8(%rbp), %rax\npop %rbp\nret");
LEAF(keep_copy, "mov %rsp, %r8\nmov %rdi, -8(%r8)\nmov $39, %eax\nsyscall\nmov -8(%r8), %rax\nret");
LEAF(keep_index, "mov $-1, %rdx\nmov %rdi, (%rsp,%rdx,8)\nmov $39, %eax\nsyscall\nmov (%rsp,%rdx,8), %rax\nret");
LEAF(keep_pushed, "push %rdi\npop %rsi\nmov $39, %eax\nsyscall\nmov %rsi, %rax\nret");
LEAF(keep_vector, "movq %rdi, %xmm0\nmovups %xmm0, -24(%rsp)\nmovq %xmm0, -8(%rsp)\nmov $39, %eax\nsyscall\n"
                  "mov -8(%rsp), %rax\nret");

TEST(red_zone) {
  static long (*const all[])(long) = {keep_direct, keep_far, keep_pointer, keep_frame, keep_copy, keep_index, keep_pushed,
                                      keep_vector};
  for (int i = 0; i < 8; i++)
    for (long k = 1; k < 6; k++)
      if (all[i](k * 0x0123456789abcdef) != k * 0x0123456789abcdef) FAIL("function %d, round %ld", i, k);
}

// What the kernel reads and writes there.
LEAF(sleep_there, "movq $0, -16(%rsp)\nmov %rdi, -8(%rsp)\nlea -16(%rsp), %rdi\nxor %esi, %esi\nmov $35, %eax\nsyscall\nret");
TEST(argument_in_red_zone) {
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(sleep_there(1000), 0);
    CHECK_EQ(sleep_there(1000000000), -EINVAL);
  }
}

// Numbers that are no call's, at a place that is patched by then.
static long number(long nr) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(1), "S"(2), "d"(3) : "rcx", "r11", "memory");
  return result;
}
TEST(no_such_number) {
  static const long numbers[] = {500, 511, 512, 513, 514, 525, 547, 600, 1000, 4090, 4095, 4096, 5000, 0x7fff, 0x40000000, 0x40000027,
                                 0x7fffffff, 0x80000000, 0x123456789abc0000, 0x7fffffffffff, -1, -4095, LONG_MIN | 500};
  for (int i = 0; i < 4; i++) CHECK_EQ(number(SYS_getpid), getpid());
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (number(numbers[i]) != -ENOSYS) FAIL("%#lx gave %ld", numbers[i], number(numbers[i]));
    CHECK_EQ(number(SYS_getpid), getpid());
  }
}

// No room for so much as a return address: right above a page that nobody may touch.
TEST(full_stack) {
  char *p = pages(2, PROT_READ | PROT_WRITE);
  SYS(mprotect(p, 4096, PROT_NONE));
  for (int i = 0; i < 4; i++) {
    long result;
    __asm__ volatile("mov %%rsp, %%rbx; mov %2, %%rsp; syscall; mov %%rbx, %%rsp"
                     : "=a"(result) : "a"(SYS_getpid), "r"(p + 4096) : "rbx", "rcx", "r11", "memory");
    CHECK_EQ(result, getpid());
  }
}

static long read_at(char *p) { return *(volatile char *)p; }
static void write_at(char *p) { *(volatile char *)p = 1; }
TEST(null_is_nowhere) {
  if (null_is_readable()) SKIP("page 0 can be read");
  fault_catch(0);
  for (uintptr_t at = 0; at < 4096; at += 511) {
    FAULTS(read_at((char *)at));
    FAULT_IS(SIGSEGV, SEGV_MAPERR, (void *)at);
    CHECK_EQ(fault.regs[REG_ERR], 4);
    FAULTS(write_at((char *)at));
    FAULT_IS(SIGSEGV, SEGV_MAPERR, (void *)at);
    CHECK_EQ(fault.regs[REG_ERR], 6);
    CHECK_EQ(syscall(SYS_write, 1, at, 1), -1);
    CHECK_EQ(errno, EFAULT);
  }
}

// A call of NULL by the very instruction that may stand for a system call.
void call_null(void);
__asm__(".text\n.globl call_null\ncall_null: push %rbx\nxor %eax, %eax\ncall *%rax\ncall_null_end: pop %rbx\nret\n");
void jump_null(void);
__asm__(".text\n.globl jump_null\njump_null: xor %edx, %edx\njmp *%rdx\n");
TEST(call_of_null) {
  extern char call_null_end[];
  fault_catch(0);
  for (int i = 0; i < 3; i++) {
    FAULTS(call_null());
    FAULT_IS(SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_EQ(fault.regs[REG_RIP], 0);
    CHECK_EQ(fault.regs[REG_ERR], 0x14);
    CHECK_EQ(*(long *)fault.regs[REG_RSP], (long)call_null_end);
    FAULTS(jump_null());
    FAULT_IS(SIGSEGV, SEGV_MAPERR, NULL);
    CHECK_EQ(fault.regs[REG_RIP], 0);
    number(SYS_read);
  }
}

static volatile int ticks, wrong;
static void on_tick(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  if ((uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0x10000) wrong++;
  ticks++;
}
// Wherever a signal comes: a handler never sees the program elsewhere than it is.
TEST(interrupted) {
  on_siginfo(SIGALRM, on_tick, SA_RESTART);
  struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
  SYS(setitimer(ITIMER_REAL, &often, NULL));
  pid_t pid = getpid();
  while (ticks < 2000) CHECK_EQ(number(SYS_getpid), pid);
  SYS(setitimer(ITIMER_REAL, &never, NULL));
  CHECK_EQ(wrong, 0);
}
