// System calls at many places, of many shapes, at every offset in a word: run for the first time by several threads at
// once, interrupted, read and written over. Natively it is all plain code.
// guest: variants=static,dynamic,musl
#include <elf.h>
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

#include "hidden.h"

enum { SITES = 256, SLOT = 64 };

// Each slot begins with 0 to 7 nops. What fills the rest decides how a site can be patched. They have their pages alone.
#define SLOTS(name, code, fill)                                                                             \
  extern char name[];                                                                                       \
  __asm__(".section .text.slots, \"ax\"\n.balign 4096\n" #name ":\n.set i, 0\n"                             \
          ".rept 256\n.balign 64, " #fill "\n.skip i % 8, 0x90\n" code "\n.set i, i + 1\n.endr\n"            \
          ".balign 4096, " #fill "\n.text\n")

SLOTS(padded, "mov $39, %eax\nsyscall\nret", 0xcc);
SLOTS(crowded, "mov $39, %eax\nsyscall\nret", 0xf4);
SLOTS(followed, "mov %edi, %eax\nsyscall\ntest %rax, %rax\njns 1f\nneg %rax\n1: ret", 0xf4);
SLOTS(branched, "xor %eax, %eax\nmov $39, %al\njmp 1f\n1: syscall\nlea 1(%rax), %rax\ndec %rax\nret", 0xf4);
SLOTS(paired, "xor %eax, %eax\nadd $39, %rax\nsyscall\ntest %eax, %eax\nje 1f\nret\n1: ret", 0xf4);

static long run(const char *slots, int i) {
  return ((long (*)(long))(uintptr_t)(slots + i * SLOT + i % 8))(39);
}

static pthread_barrier_t barrier;

static void *run_all(void *slots) {
  pid_t pid = getpid();
  for (int i = 0; i < SITES; i++) {
    if (i % 16 == 0) pthread_barrier_wait(&barrier);
    for (int k = 0; k < 20; k++) CHECK_EQ(run(slots, i), pid);
  }
  return NULL;
}

static void by_threads(char *slots) {
  pthread_t threads[4];
  pthread_barrier_init(&barrier, NULL, 4);
  for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, run_all, slots) == 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

TEST(padded_sites, CPUS) { by_threads(padded); }
TEST(crowded_sites, CPUS) { by_threads(crowded); }
TEST(followed_sites, CPUS) { by_threads(followed); }
TEST(branched_sites, CPUS) { by_threads(branched); }
TEST(paired_sites, CPUS) { by_threads(paired); }

static volatile int ticks, seen_hidden;

static void on_tick(int signo, siginfo_t *info, void *context) {
  uintptr_t at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (is_hidden(at)) seen_hidden++;
  ticks++;
}

// A handler never sees more than the program has, and the way back from it leads on.
TEST(interrupted) {
  find_hidden();
  on_siginfo(SIGALRM, on_tick, SA_RESTART);
  struct itimerval often = {{0, 50}, {0, 50}};
  SYS(setitimer(ITIMER_REAL, &often, NULL));
  pid_t pid = getpid();
  for (int round = 0; ticks < 2000 && round < 1000000; round++)
    for (int i = 0; i < SITES; i++) {
      CHECK_EQ(run(padded, i), pid);
      CHECK_EQ(run(followed, i), pid);
      CHECK_EQ(run(branched, i), pid);
      CHECK_EQ(run(paired, i), pid);
    }
  struct itimerval never = {{0, 0}, {0, 0}};
  SYS(setitimer(ITIMER_REAL, &never, NULL));
  CHECK(ticks >= 2000);
  CHECK_EQ(seen_hidden, 0);
}

// The file keeps its bytes.
TEST(file_is_untouched) {
  char *site = crowded + 5 * SLOT + 5;
  for (int i = 0; i < 3; i++) CHECK_EQ(run(crowded, 5), getpid());
  FILE *maps = fopen("/proc/self/maps", "r");
  REQUIRE(maps != NULL);
  char line[512];
  uintptr_t start, end, offset, found = 0;
  while (!found && fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && start <= (uintptr_t)site && (uintptr_t)site < end)
      found = offset + ((uintptr_t)site - start);
  fclose(maps);
  CHECK(found != 0);
  int fd = SYS(open("/proc/self/exe", O_RDONLY));
  static const unsigned char want[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
  unsigned char have[8];
  CHECK_EQ(pread(fd, have, 8, found), 8);
  CHECK_EQ(memcmp(have, want, 8), 0);
  close(fd);
}

// Text that is written to: what is there is what the file had, and then what was written.
TEST(written_text) {
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(crowded, i), getpid());
  char *first = crowded;
  size_t count = SITES * SLOT;
  SYS(mprotect(first, count, PROT_READ | PROT_WRITE | PROT_EXEC));
  for (int i = 0; i < SITES; i++) {
    unsigned char *code = (unsigned char *)crowded + i * SLOT + i % 8;
    CHECK_EQ(code[0], 0xb8);
    CHECK(code[5] == 0x0f && code[6] == 0x05);
    code[1] = 110;
    CHECK_EQ(run(crowded, i), getppid());
  }
  SYS(mprotect(first, count, PROT_READ | PROT_EXEC));
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(crowded, i), getppid());
}

// Of the calls that it has made, how many places it sees changed in its own text.
HELPER(changed) {
  int changed = 0;
  for (int i = 0; i < SITES; i++) {
    for (int k = 0; k < 3; k++) CHECK_EQ(run(padded, i), getpid());
    volatile unsigned char *site = (unsigned char *)padded + i * SLOT + i % 8 + 5;
    changed += site[0] != 0x0f || site[1] != 0x05;
  }
  printf("%d\n", changed);
  return 0;
}

// A child runs on in what its parent has, and alone in what it changes.
TEST(forked, FORKS) {
  for (int i = 0; i < SITES; i += 3) CHECK_EQ(run(padded, i), getpid());
  pid_t pid;
  CHILD(pid) {
    for (int i = 0; i < SITES; i++) CHECK_EQ(run(padded, i), getpid());
  }
  wait_ok(pid);
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(padded, i), getpid());
}

// Text that is mapped a second time elsewhere, and moved.
TEST(moved_text) {
  char *first = padded;
  size_t count = SITES * SLOT;
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(padded, i), getpid());
  char *place = SYS(mmap(NULL, count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK_EQ(mremap(first, count, count, MREMAP_MAYMOVE | MREMAP_FIXED, place), place);
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(place, i), getpid());
  CHECK_EQ(mremap(place, count, count, MREMAP_MAYMOVE | MREMAP_FIXED, first), first);
  for (int i = 0; i < SITES; i++) CHECK_EQ(run(padded, i), getpid());
}

// A file whose executable segment has no bytes of it, at an address that is not a page's.
TEST(empty_segment) {
  Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_DYN,
                       .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof header,
                       .e_ehsize = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1};
  Elf64_Phdr segment = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x1005, .p_memsz = 0x1000, .p_align = 1};
  int fd = SYS(open("empty", O_RDWR | O_CREAT | O_TRUNC, 0600));
  CHECK_EQ(write(fd, &header, sizeof header), (long)sizeof header);
  CHECK_EQ(write(fd, &segment, sizeof segment), (long)sizeof segment);
  char *p = SYS(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
  CHECK_EQ(memcmp(p, &header, sizeof header), 0);
  SYS(munmap(p, 4096));
  close(fd);
  unlink("empty");
}
