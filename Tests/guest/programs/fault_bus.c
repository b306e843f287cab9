// SIGBUS: mapped, but beyond the end of the file.
// guest: roots=default,host
#include "faults.h"

static int file_of(int size) {
  int fd = SYS(open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
  char block[4096];
  memset(block, 'x', sizeof block);
  for (int done = 0; done < size; done += 4096)
    REQUIRE(write(fd, block, size - done < 4096 ? size - done : 4096) > 0);
  unlink("mapped");
  return fd;
}

static char *map(int fd, int count, int flags) {
  return SYS(mmap(NULL, count * 4096, PROT_READ | PROT_WRITE, flags, fd, 0));
}

static void beyond(int flags) {
  fault_catch(0);
  int fd = file_of(4096 + 100);
  char *p = map(fd, 4, flags);
  CHECK_EQ(p[0], 'x');
  CHECK_EQ(p[4096 + 99], 'x');
  CHECK_EQ(p[4096 + 100], 0);  // the rest of the last page is zeros
  CHECK_EQ(p[8191], 0);
  FAULTS(load(p + 8192));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 8192);
  CHECK_EQ(fault.regs[REG_RIP], load);
  FAULTS(store(p + 3 * 4096 + 5));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 3 * 4096 + 5);
  SYS(ftruncate(fd, 4 * 4096));  // now the pages are there
  CHECK_EQ(load(p + 8192), 0);
  close(fd);
}

TEST(beyond_the_end_shared) { beyond(MAP_SHARED); }
TEST(beyond_the_end_private) { beyond(MAP_PRIVATE); }

TEST(empty_file) {
  fault_catch(0);
  char *p = map(file_of(0), 1, MAP_SHARED);
  FAULTS(load(p));
  FAULT_IS(SIGBUS, BUS_ADRERR, p);
}

TEST(truncated_under_mapping) {
  fault_catch(0);
  int fd = file_of(4 * 4096);
  char *p = map(fd, 4, MAP_SHARED);
  for (int i = 0; i < 4; i++) p[i * 4096] = 'a' + i;
  SYS(ftruncate(fd, 4096 + 10));
  CHECK_EQ(p[0], 'a');
  CHECK_EQ(p[4096], 'b');
  CHECK_EQ(p[4096 + 10], 0);
  FAULTS(load(p + 2 * 4096));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 2 * 4096);
  FAULTS(store(p + 3 * 4096));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 3 * 4096);
  SYS(ftruncate(fd, 4 * 4096));
  CHECK_EQ(p[2 * 4096], 0);  // what was cut off does not come back
  CHECK_EQ(p[3 * 4096], 0);
}

// A private page that was written is the process's own until the file is cut below it.
TEST(truncated_under_private_copy) {
  fault_catch(0);
  int fd = file_of(2 * 4096);
  char *p = map(fd, 2, MAP_PRIVATE);
  p[4096] = 'w';
  SYS(ftruncate(fd, 4096));
  FAULTS(load(p + 4096));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 4096);
}

TEST(truncated_by_another_process, FORKS | CPUS) {
  fault_catch(0);
  int fd = file_of(4 * 4096);
  char *p = map(fd, 4, MAP_SHARED);
  CHECK_EQ(p[3 * 4096], 'x');
  pid_t pid;
  CHILD(pid) {
    p[3 * 4096] = 'c';
    SYS(ftruncate(fd, 4096));
    FAULTS(load(p + 3 * 4096));
    FAULT_IS(SIGBUS, BUS_ADRERR, p + 3 * 4096);
  }
  wait_ok(pid);
  FAULTS(load(p + 3 * 4096));
  FAULT_IS(SIGBUS, BUS_ADRERR, p + 3 * 4096);
  CHECK_EQ(p[0], 'x');
}

// System calls on such pages give EFAULT, or what could be copied.
TEST(system_calls) {
  int fd = file_of(4096), ends[2];
  char *p = map(fd, 2, MAP_SHARED);
  SYS(pipe(ends));
  REQUIRE(write(ends[1], "0123456789", 10) == 10);
  CHECK_ERR(read(ends[0], p + 4096, 10), EFAULT);
  CHECK_EQ(write(ends[1], p, 4096), 4096);
  CHECK_ERR(write(ends[1], p + 4096, 4096), EFAULT);
}

// Alignment checks are off unless the program asks for them.
TEST(alignment_check) {
  fault_catch(0);
  char *p = pages(1, PROT_READ | PROT_WRITE);
  CHECK_EQ(load(p + 1), 0);
  FAULTS(({
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%0), %%eax\n"
                     "pushfq; andq $~0x40000, (%%rsp); popfq" ::"r"(p) : "rax", "memory", "cc");
  }));
  __asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq" ::: "memory", "cc");
  FAULT_IS(SIGBUS, BUS_ADRALN, 0);
}
