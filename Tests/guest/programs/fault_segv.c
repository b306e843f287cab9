// SIGSEGV: si_code, si_addr, registers, and the ways to go on.
// guest: variants=static,dynamic,musl
#include <sys/ucontext.h>
#include "faults.h"

enum { WRITE = 2, TRAP_PAGE = 14 };
#define KERNEL_RANGE ((char *)0x400000001000)
#define NON_CANONICAL ((char *)0x8000123456789000)

static void page_fault(int code, void *addr, void *rip, int write) {
  FAULT_IS(SIGSEGV, code, addr);
  CHECK_EQ(fault.regs[REG_RIP], rip);
  CHECK_EQ(fault.regs[REG_CR2], addr);
  CHECK_EQ(fault.regs[REG_TRAPNO], TRAP_PAGE);
  CHECK_EQ(fault.regs[REG_ERR] & WRITE, write);
}

TEST(null) {
  if (null_is_readable()) SKIP("page 0 can be read");
  fault_catch(0);
  FAULTS(load(NULL));
  page_fault(SEGV_MAPERR, NULL, load, 0);
  FAULTS(store((void *)16));
  page_fault(SEGV_MAPERR, (void *)16, store, WRITE);
}

TEST(unmapped) {
  fault_catch(0);
  char *p = pages(3, PROT_READ | PROT_WRITE);
  memset(p, 1, 3 * 4096);
  SYS(munmap(p + 4096, 4096));
  FAULTS(load(p + 4096 + 123));
  page_fault(SEGV_MAPERR, p + 4096 + 123, load, 0);
  FAULTS(store(p + 8191));
  page_fault(SEGV_MAPERR, p + 8191, store, WRITE);
  load(p), store(p + 8192);
}

TEST(never_filled) {
  fault_catch(0);
  char *p = pages(4, PROT_READ);
  FAULTS(store(p + 4096));
  page_fault(SEGV_ACCERR, p + 4096, store, WRITE);
  CHECK_EQ(load(p + 8192), 0);
}

TEST(protected) {
  fault_catch(0);
  char *p = pages(3, PROT_READ | PROT_WRITE);
  memset(p, 1, 3 * 4096);
  SYS(mprotect(p + 4096, 4096, PROT_READ));
  CHECK_EQ(load(p + 4096), 0x0101010101010101);
  FAULTS(store(p + 4096 + 7));
  page_fault(SEGV_ACCERR, p + 4096 + 7, store, WRITE);
  SYS(mprotect(p + 4096, 4096, PROT_NONE));
  FAULTS(load(p + 4096 + 8));
  page_fault(SEGV_ACCERR, p + 4096 + 8, load, 0);
  SYS(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE));
  store(p + 4096);
}

// A load across the end of a mapping: the address is the first byte that is not there.
TEST(across_the_end) {
  fault_catch(0);
  char *p = pages(2, PROT_READ | PROT_WRITE);
  SYS(munmap(p + 4096, 4096));
  FAULTS(load(p + 4092));
  CHECK_EQ(fault.signo, SIGSEGV);
  CHECK_EQ(fault.code, SEGV_MAPERR);
  CHECK_EQ(fault.addr, p + 4096);
}

TEST(program_text_is_read_only) {
  fault_catch(0);
  FAULTS(store((void *)load));
  page_fault(SEGV_ACCERR, (void *)load, store, WRITE);
}

TEST(non_canonical) {
  fault_catch(0);
  FAULTS(load(NON_CANONICAL));
  FAULT_IS(SIGSEGV, SI_KERNEL, 0);
  CHECK_EQ(fault.regs[REG_RIP], load);
  CHECK_EQ(fault.regs[REG_TRAPNO], 13);
  FAULTS(store(NON_CANONICAL));
  FAULT_IS(SIGSEGV, SI_KERNEL, 0);
}

TEST(host_kernel_address) {
  fault_catch(0);
  char *p = (char *)0xffff888000000000;
  FAULTS(load(p));
  FAULT_IS(SIGSEGV, SEGV_MAPERR, p);
}

// Half-done string instructions show how far they came.
TEST(string_copy) {
  fault_catch(0);
  char *from = pages(1, PROT_READ | PROT_WRITE), *to = pages(2, PROT_READ | PROT_WRITE);
  memset(from, 7, 4096);
  SYS(munmap(to + 4096, 4096));
  FAULTS(copy_up(to + 4000, from, 200));
  page_fault(SEGV_MAPERR, to + 4096, copy_up_at, WRITE);
  CHECK_EQ(fault.regs[REG_RCX], 200 - 96);
  CHECK_EQ(fault.regs[REG_RDI], to + 4096);
  CHECK_EQ(fault.regs[REG_RSI], from + 96);
  for (int i = 0; i < 96; i++) CHECK_EQ(to[4000 + i], 7);
}

static void registers_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  memcpy(fault.regs, g, sizeof fault.regs);
  g[REG_RIP] += 3;  // over `mov (%rdi), %rax`
  g[REG_RAX] = 0x1234567890;
}

// Going on behind the instruction, with a result of our own.
TEST(change_rip) {
  on_siginfo(SIGSEGV, registers_handler, 0);
  char *nowhere = pages(1, PROT_NONE);
  for (int i = 0; i < 1000; i++) CHECK_EQ(load(nowhere), 0x1234567890);
}

static int mended;
static void mend_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  char *page = (char *)((uintptr_t)info->si_addr & -4096L);
  if (info->si_code == SEGV_ACCERR) SYS(mprotect(page, 4096, PROT_READ | PROT_WRITE));
  else SYS(mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  mended++;
}

// The handler makes the page usable and the instruction runs again, as in a garbage collector.
TEST(mend_and_retry) {
  on_siginfo(SIGSEGV, mend_handler, 0);
  char *p = pages(200, PROT_NONE);
  SYS(munmap(p + 100 * 4096, 100 * 4096));
  mended = 0;
  for (int i = 0; i < 200; i++) {
    store(p + i * 4096 + i);
    CHECK_EQ(p[i * 4096 + i], 1);
  }
  CHECK_EQ(mended, 200);
}

static int depth;
static char *const nested[] = {(char *)0x1000, (char *)0x2000, (char *)0x3000};
static void nested_handler(int signo, siginfo_t *info, void *context) {
  (void)signo;
  CHECK_EQ(info->si_addr, nested[depth]);
  if (++depth < 3) load(nested[depth]);
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 3;
}

TEST(nested) {
  on_siginfo(SIGSEGV, nested_handler, SA_NODEFER);
  load(nested[depth = 0]);
  CHECK_EQ(depth, 3);
}

static void *thread_faults(void *unused) {
  (void)unused;
  char *p = pages(1, PROT_NONE);
  for (int i = 0; i < 500; i++) {
    FAULTS(load(p + i * 8 % 4096));
    FAULT_IS(SIGSEGV, SEGV_ACCERR, p + i * 8 % 4096);
  }
  return NULL;
}

TEST(in_threads, CPUS) {
  fault_catch(0);
  pthread_t ids[6];
  for (int i = 0; i < 6; i++) REQUIRE(pthread_create(&ids[i], NULL, thread_faults, NULL) == 0);
  for (int i = 0; i < 6; i++) pthread_join(ids[i], NULL);
}

// The program counter in Martlet's own range belongs to nobody: not mapped, as far as a guest knows.
TEST(jump_into_kernel_range) {
  fault_catch(0);
  FAULTS(((void (*)(void))KERNEL_RANGE)());
  FAULT_IS(SIGSEGV, SEGV_MAPERR, KERNEL_RANGE);
  CHECK_EQ(fault.regs[REG_RIP], KERNEL_RANGE);
}
