// Catches a fault: what the handler was told, and the way back.
#pragma once
#include <sys/ucontext.h>

#include "check.h"

typedef struct {
  int signo, code, sicode_errno;
  void *addr;
  greg_t regs[NGREG];
} Fault;

static __thread Fault fault;
static __thread sigjmp_buf fault_back;
static __thread int fault_armed;

__attribute__((used)) static void fault_handler(int signo, siginfo_t *info, void *context) {
  fault.signo = signo, fault.code = info->si_code, fault.addr = info->si_addr;
  fault.sicode_errno = info->si_errno;
  memcpy(fault.regs, ((ucontext_t *)context)->uc_mcontext.gregs, sizeof fault.regs);
  if (info->si_signo != signo) FAIL("si_signo %d in a handler for %d", info->si_signo, signo);
  if (!fault_armed) FAIL("unexpected signal %d at %p", signo, info->si_addr), _exit(97);
  fault_armed = 0;
  siglongjmp(fault_back, 1);
}

// A handler starts with the AC flag that the program had, and C code is not made for that.
void fault_entry(int, siginfo_t *, void *);
__asm__(".text\nfault_entry: pushfq; andq $~0x40000, (%rsp); popfq; jmp fault_handler\n");

static inline void fault_catch(int flags) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) on_siginfo(signals[i], fault_entry, flags);
}

// Runs a statement that must fault.
#define FAULTS(statement)                             \
  do {                                                \
    memset(&fault, 0, sizeof fault);                  \
    fault_armed = 1;                                  \
    if (sigsetjmp(fault_back, 1) == 0) {              \
      statement;                                      \
      fault_armed = 0;                                \
      FAIL("no fault from %s", #statement);           \
    }                                                 \
  } while (0)

#define FAULT_IS(want_signo, want_code, want_addr)    \
  do {                                                \
    CHECK_EQ(fault.signo, want_signo);                \
    CHECK_EQ(fault.code, want_code);                  \
    CHECK_EQ(fault.addr, want_addr);                  \
    CHECK_EQ(fault.sicode_errno, 0);                  \
  } while (0)

// Each has the instruction that may fault first, so its address is the function's.
uint64_t load(const volatile void *);
void store(volatile void *);
void copy_up(void *to, const void *from, size_t size);
__asm__(".text\n.globl load\nload: mov (%rdi), %rax; ret\n"
        ".globl store\nstore: movb $1, (%rdi); ret\n"
        ".globl copy_up\ncopy_up: mov %rdx, %rcx\ncopy_up_at: rep movsb; ret\n");
extern char copy_up_at[];

static inline char *pages(int count, int protection) {
  return SYS(mmap(NULL, count * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
