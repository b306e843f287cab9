// SIGFPE, SIGILL and SIGTRAP with their codes and addresses.
// guest: variants=static,musl
#include <sys/ucontext.h>
#include "faults.h"

void divide(int by);
void divide_smallest(void);
void undefined(void);
void privileged(void);
void in_port(void);
void breakpoint(void);
void software_interrupt(void);
void sse_divide(void);
void sse_invalid(void);
void x87_divide(void);
extern char divide_at[], smallest_at[], breakpoint_at[], sse_divide_at[], sse_invalid_at[], x87_at[];
__asm__(".text\n"
        "divide: mov $1, %eax; cltd\ndivide_at: idivl %edi; ret\n"
        "divide_smallest: mov $0x80000000, %eax; cltd; mov $-1, %ecx\nsmallest_at: idivl %ecx; ret\n"
        "undefined: ud2; ret\n"
        "privileged: hlt; ret\n"
        "in_port: inb $0x80, %al; ret\n"
        "breakpoint: int3\nbreakpoint_at: ret\n"
        "software_interrupt: int $0x21; ret\n"
        "sse_divide: movl $0x1d80, -8(%rsp); ldmxcsr -8(%rsp); mov $1, %eax; cvtsi2ss %eax, %xmm0\n"
        "xorps %xmm1, %xmm1\nsse_divide_at: divss %xmm1, %xmm0; ret\n"
        "sse_invalid: movl $0x1f00, -8(%rsp); ldmxcsr -8(%rsp); xorps %xmm0, %xmm0; xorps %xmm1, %xmm1\n"
        "sse_invalid_at: divss %xmm1, %xmm0; ret\n"
        "x87_divide: fninit; movw $0x037b, -8(%rsp); fldcw -8(%rsp); fldz; fld1; fdivp\nx87_at: fwait; ret\n");

static void at(void *rip, int trap) {
  CHECK_EQ(fault.regs[REG_RIP], rip);
  CHECK_EQ(fault.regs[REG_TRAPNO], trap);
}
static void calm(void) {
  unsigned mxcsr = 0x1f80;
  __asm__ volatile("ldmxcsr %0; fninit" ::"m"(mxcsr));
}

TEST(divide_by_zero) {
  fault_catch(0);
  FAULTS(divide(0));
  FAULT_IS(SIGFPE, FPE_INTDIV, divide_at);
  at(divide_at, 0);
  FAULTS(divide_smallest());
  FAULT_IS(SIGFPE, FPE_INTDIV, smallest_at);
}

TEST(sse_exceptions) {
  fault_catch(0);
  FAULTS(sse_divide());
  FAULT_IS(SIGFPE, FPE_FLTDIV, sse_divide_at);
  at(sse_divide_at, 19);
  FAULTS(sse_invalid());
  FAULT_IS(SIGFPE, FPE_FLTINV, sse_invalid_at);
  calm();
}

TEST(x87_exception) {
  fault_catch(0);
  FAULTS(x87_divide());
  FAULT_IS(SIGFPE, FPE_FLTDIV, x87_at);
  at(x87_at, 16);
  calm();
}

TEST(undefined_instruction) {
  fault_catch(0);
  FAULTS(undefined());
  FAULT_IS(SIGILL, ILL_ILLOPN, undefined);
  at(undefined, 6);
}

TEST(privileged_instructions) {
  fault_catch(0);
  FAULTS(privileged());
  FAULT_IS(SIGSEGV, SI_KERNEL, 0);
  at(privileged, 13);
  FAULTS(in_port());
  FAULT_IS(SIGSEGV, SI_KERNEL, 0);
  FAULTS(software_interrupt());
  FAULT_IS(SIGSEGV, SI_KERNEL, 0);
  at(software_interrupt, 13);
}

TEST(breakpoint) {
  fault_catch(0);
  FAULTS(breakpoint());
  CHECK_EQ(fault.signo, SIGTRAP);
  CHECK_EQ(fault.code, SI_KERNEL);
  at(breakpoint_at, 3);
}

// The trap flag: one SIGTRAP after each instruction, and the program goes on.
static uint64_t steps[64];
static int step_count;
static void step_handler(int signo, siginfo_t *info, void *context) {
  (void)signo;
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (info->si_code != TRAP_TRACE) FAIL("si_code %d", info->si_code);
  if ((greg_t)info->si_addr != g[REG_RIP]) FAIL("si_addr %p", info->si_addr);
  if (step_count < 64) steps[step_count++] = g[REG_RIP];
}
extern char step_1[], step_2[], step_3[], step_4[];
uint64_t stepped(void);
__asm__(".text\nstepped: pushfq; orq $0x100, (%rsp); popfq\n"
        "nop\nstep_1: mov $5, %eax\nstep_2: add $6, %eax\nstep_3: pushfq\nstep_4: andq $~0x100, (%rsp); popfq\n"
        "ret\n");

TEST(single_steps) {
  on_siginfo(SIGTRAP, step_handler, 0);
  step_count = 0;
  CHECK_EQ(stepped(), 11);
  CHECK_EQ(steps[0], step_1);
  CHECK_EQ(steps[1], step_2);
  CHECK_EQ(steps[2], step_3);
  CHECK_EQ(steps[3], step_4);
  CHECK_EQ(step_count, 6);
}

static void over_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;  // `ud2` is as long
}

TEST(go_on_behind) {
  on_siginfo(SIGILL, over_handler, 0);
  for (int i = 0; i < 100; i++) undefined();
}

// A handler for SIGILL that emulates: the fault must not disturb any other register.
TEST(registers_in_fault) {
  fault_catch(0);
  FAULTS(({
    __asm__ volatile("mov $0x1111, %%rbx; mov $0x2222, %%r12; mov $0x3333, %%r9; mov $0x4444, %%rdx\n"
                     "std; ud2; cld" ::: "rbx", "r12", "r9", "rdx");
  }));
  __asm__ volatile("cld");
  CHECK_EQ(fault.regs[REG_RBX], 0x1111);
  CHECK_EQ(fault.regs[REG_R12], 0x2222);
  CHECK_EQ(fault.regs[REG_R9], 0x3333);
  CHECK_EQ(fault.regs[REG_RDX], 0x4444);
  CHECK_EQ(fault.regs[REG_EFL] & 0x400, 0x400);
}
