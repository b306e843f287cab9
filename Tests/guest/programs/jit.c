// Code made at run time, with system calls in it, in every kind of memory.
// guest: variants=static,dynamic,musl
#include "faults.h"

static const unsigned char call_getpid[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};  // mov, syscall, ret

static long run(const void *code) { return ((long (*)(void))code)(); }

TEST(anonymous_rwx) {
  char *p = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int i = 0; i < 100; i++) {
    memcpy(p + i * 8, call_getpid, 8);
    CHECK_EQ(run(p + i * 8), getpid());
    CHECK_EQ(memcmp(p + i * 8, call_getpid, 8), 0);  // nobody patches it
  }
}

TEST(written_then_executable) {
  char *p = pages(1, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 50; i++) {
    memcpy(p + i * 64, call_getpid, 8);
    SYS(mprotect(p, 4096, PROT_READ | PROT_EXEC));
    CHECK_EQ(run(p + i * 64), getpid());
    SYS(mprotect(p, 4096, PROT_READ | PROT_WRITE));
  }
}

TEST(self_modifying) {
  unsigned char *p = (unsigned char *)pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  memcpy(p, call_getpid, 8);
  for (int i = 0; i < 200; i++) {
    *(int *)(p + 1) = i % 2 ? 39 : 110;
    CHECK_EQ(run(p), i % 2 ? getpid() : getppid());
  }
}

TEST(code_replaced_by_other_code) {
  unsigned char *p = (unsigned char *)pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int i = 0; i < 50; i++) {
    memcpy(p, call_getpid, 8);
    CHECK_EQ(run(p), getpid());
    // Where the system call was there is now `mov $i, %eax`.
    unsigned char other[] = {0x90, 0x90, 0x90, 0x90, 0xb8, i, 0, 0, 0, 0xc3};
    memcpy(p, other, sizeof other);
    CHECK_EQ(run(p), i);
  }
}

TEST(memory_file, FORKS) {
  int fd = SYS(syscall(SYS_memfd_create, "code", 0));
  SYS(ftruncate(fd, 4096));
  char *w = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  char *x = SYS(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
  memcpy(w + 100, call_getpid, 8);
  CHECK_EQ(run(x + 100), getpid());
  pid_t pid;
  CHILD(pid) {
    CHECK_EQ(run(x + 100), getpid());
    *(int *)(w + 101) = 110;
    CHECK_EQ(run(x + 100), getppid());
  }
  wait_ok(pid);
  CHECK_EQ(run(x + 100), getppid());
}

// A file mapped executable: its code runs, and reading the file gives its own bytes.
TEST(mapped_file) {
  put_file("code", call_getpid, 8);
  int fd = SYS(open("code", O_RDONLY));
  char *p = SYS(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
  unsigned char back[8];
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(run(p), getpid());
    CHECK_EQ(pread(fd, back, 8, 0), 8);
    CHECK_EQ(memcmp(back, call_getpid, 8), 0);
    CHECK_EQ(memcmp(p, call_getpid, 8), 0);
  }
  close(fd);
  unlink("code");
}

// The instruction in the last two bytes of a mapping: the call is made, then the next one faults.
TEST(at_the_end) {
  fault_catch(0);
  char *p = pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
  memcpy(p + 4096 - 7, call_getpid, 7);
  SYS(munmap(p + 4096, 4096));
  FAULTS(run(p + 4096 - 7));
  FAULT_IS(SIGSEGV, SEGV_MAPERR, p + 4096);
  CHECK_EQ(fault.regs[REG_RIP], p + 4096);
  CHECK_EQ(fault.regs[REG_RAX], getpid());
  CHECK_EQ(fault.regs[REG_RCX], p + 4096);
}

// The instruction across two pages.
TEST(across_pages) {
  char *p = pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
  memcpy(p + 4096 - 6, call_getpid, 8);
  for (int i = 0; i < 20; i++) CHECK_EQ(run(p + 4096 - 6), getpid());
}

TEST(on_the_stack) {
  unsigned char code[4096] __attribute__((aligned(4096)));
  memcpy(code, call_getpid, 8);
  if (mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) SKIP("stacks cannot be executable");
  CHECK_EQ(run(code), getpid());
  SYS(mprotect(code, 4096, PROT_READ | PROT_WRITE));
}

static char *shared_code;
static void *runner(void *unused) {
  for (long i = 0; i < rounds() / 10; i++)
    if (run(shared_code) != getpid()) FAIL("wrong result");
  return unused;
}

TEST(many_threads, CPUS) {
  shared_code = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  memcpy(shared_code, call_getpid, 8);
  pthread_t ids[4];
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&ids[i], NULL, runner, NULL) == 0);
  for (int i = 0; i < 4; i++) pthread_join(ids[i], NULL);
}

// Code unmapped and mapped anew at the same address.
TEST(remapped) {
  char *p = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int i = 0; i < 50; i++) {
    memcpy(p, call_getpid, 8);
    CHECK_EQ(run(p), getpid());
    SYS(munmap(p, 4096));
    REQUIRE(mmap(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
    CHECK_EQ(p[0], 0);
  }
}
