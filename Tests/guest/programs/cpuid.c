// CPUID at sites of many shapes, in a program's own text with unwind tables, which Martlet patches, against the same
// instruction in memory that it never patches.
// guest: variants=static,pie,dynamic,musl
#include <sys/time.h>
#include <ucontext.h>

#include "hidden.h"

typedef struct {
  uint64_t rcx, rax, flags, taken;  // in; `taken`: a branch behind was
  uint64_t a, b, c, d, flags_out;   // out
  uint64_t others[10], red_zone[16];
} State;

// `lead` loads ecx, `follow` comes behind; they decide how the site can be patched. All registers but these four, the red
// zone and the flags are to stay.
#define SITE(name, lead, follow)                                                                                \
  extern void name(State *);                                                                                    \
  extern char name##_site[];                                                                                    \
  __asm__(".text\n.balign 64\n" #name ":\n.cfi_startproc\n"                                                    \
          "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\nmov %rdi, %r15\n"                  \
          "lea 1(%r15), %rsi\nlea 2(%r15), %rdi\nlea 3(%r15), %rbp\nlea 4(%r15), %r8\nlea 5(%r15), %r9\n"       \
          "lea 6(%r15), %r10\nlea 7(%r15), %r11\nlea 8(%r15), %r12\nlea 9(%r15), %r13\nlea 10(%r15), %r14\n"    \
          "push 16(%r15)\npopfq\n.set i, 1\n.rept 16\nmov %r15, -8*i(%rsp)\n.set i, i + 1\n.endr\n"             \
          "mov 8(%r15), %rax\n" lead "\n" #name "_site: cpuid\n" follow "\n"                                    \
          "mov %rax, 32(%r15)\nmov %rbx, 40(%r15)\nmov %rcx, 48(%r15)\nmov %rdx, 56(%r15)\n"                    \
          "mov %rsi, 72(%r15)\nmov %rdi, 80(%r15)\nmov %rbp, 88(%r15)\nmov %r8, 96(%r15)\nmov %r9, 104(%r15)\n" \
          "mov %r10, 112(%r15)\nmov %r11, 120(%r15)\nmov %r12, 128(%r15)\nmov %r13, 136(%r15)\n"                \
          "mov %r14, 144(%r15)\n.set i, 1\n.rept 16\nmov -8*i(%rsp), %rax\nmov %rax, 144+8*i(%r15)\n"           \
          ".set i, i + 1\n.endr\npushfq\npop 64(%r15)\npush $2\npopfq\n"                                        \
          "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n.cfi_endproc\n")

#define TWO "mov %eax, %eax\nmov %edx, %edx"
SITE(before, ".byte 0x49, 0x8b, 0x8f\n.long 0", TWO);
SITE(before_short, "mov (%r15), %rcx", TWO);
SITE(after, "mov (%r15), %rcx\nnop", "mov %rax, 32(%r15)");
SITE(after_branch, "mov (%r15), %rcx\nnop", ".byte 0x0f, 0x83\n.long 1f - . - 4\nmovq $1, 24(%r15)\n1:");
SITE(springboard, "mov (%r15), %rcx\nnop", TWO "\njmp 1f\n.balign 16\n1:");
SITE(crowded, "mov (%r15), %rcx\nnop", TWO);

static void (*const sites[])(State *) = {before, before_short, after, after_branch, springboard, crowded};
static char *const addresses[] = {before_site, before_short_site, after_site, after_branch_site, springboard_site,
                                  crowded_site};
enum { SITES = 6, FLAGS = 0x8d5 };  // OF, SF, ZF, AF, PF, CF

// The same in a page of its own, where nothing is patched: mov %rdx, %r8; mov %edi, %eax; mov %esi, %ecx; cpuid…
static void (*never_patched)(uint32_t leaf, uint32_t sub, uint32_t *answer);

static void prepare(void) {
  static const unsigned char code[] = {0x53, 0x49, 0x89, 0xd0, 0x89, 0xf8, 0x89, 0xf1, 0x0f, 0xa2, 0x41, 0x89,
                                       0x00, 0x41, 0x89, 0x58, 0x04, 0x41, 0x89, 0x48, 0x08, 0x41, 0x89, 0x50,
                                       0x0c, 0x5b, 0xc3};
  char *page = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memcpy(page, code, sizeof code);
  never_patched = (void (*)(uint32_t, uint32_t, uint32_t *))(uintptr_t)page;
}

// Which registers depend on the processor that answers: its number is in them.
static int names_processor(uint32_t leaf) {
  switch (leaf) {
  case 1: return 2;
  case 0xb: case 0x1f: case 0x80000026: return 8;
  case 0x8000001e: return 15;
  }
  return 0;
}

static void check(int site, uint32_t leaf, uint32_t sub, uint64_t flags) {
  uint32_t want[4];
  never_patched(leaf, sub, want);
  State s = {.rax = leaf | 0x5a5a5a5a00000000, .rcx = sub | 0xa5a5a5a500000000, .flags = flags | 2};
  sites[site](&s);
  uint64_t have[4] = {s.a, s.b, s.c, s.d};
  for (int i = 0; i < 4; i++)
    if (!(names_processor(leaf) >> i & 1) && have[i] != want[i]) {
      fprintf(stderr, "site %d, leaf %x, subleaf %x: ", site, leaf, sub);
      CHECK_EQ(have[i], (uint64_t)want[i]);
    }
  CHECK_EQ(s.flags_out & FLAGS, flags & FLAGS);
  if (sites[site] == after_branch) CHECK_EQ(s.taken, flags & 1);
  for (int i = 0; i < 10; i++) CHECK_EQ(s.others[i], (uint64_t)(uintptr_t)&s + i + 1);
  for (int i = 0; i < 16; i++) CHECK_EQ(s.red_zone[i], (uint64_t)(uintptr_t)&s);
}

TEST(answers) {
  prepare();
  static const uint32_t starts[] = {0, 0x40000000, 0x7ffffff8, 0x80000000, 0x8fffffff, 0xc0000000, 0xffffffe0};
  for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++)
    for (uint32_t leaf = starts[i]; leaf - starts[i] < 0x30; leaf++)
      for (uint32_t sub = 0; sub < 24; sub++) {
        // What is asked of the hypervisor may take long.
        if (starts[i] != 0 && starts[i] != 0x80000000 && sub > 1) break;
        for (int site = 0; site < SITES; site++) check(site, leaf, sub == 23 ? UINT32_MAX : sub, 0);
      }
}

TEST(flags) {
  prepare();
  static const uint32_t leaves[] = {0x80000000, 0x80000008, 7, 0xd, 0, 0x12345678};
  for (unsigned i = 0; i < sizeof leaves / sizeof *leaves; i++)
    for (uint64_t flags = 0; flags < 0x1000; flags++)
      if (!(flags & ~(uint64_t)FLAGS))
        for (int site = 0; site < SITES; site++) check(site, leaves[i], 0, flags);
}

static volatile uint32_t leaf_asked, sub_asked;
static uint32_t expected[4];
static volatile int ticks, seen_hidden, wrong_before, wrong_after, seen_before, seen_after;

static void look(const greg_t *r) {
  uintptr_t at = r[REG_RIP];
  if (is_hidden(at)) seen_hidden++;
  for (int i = 0; i < SITES; i++) {
    if (at == (uintptr_t)addresses[i]) {
      seen_before++;
      if ((uint32_t)r[REG_RAX] != leaf_asked || (uint32_t)r[REG_RCX] != sub_asked) wrong_before++;
    }
    if (at == (uintptr_t)addresses[i] + 2) {
      seen_after++;
      if (r[REG_RAX] != expected[0] || r[REG_RBX] != expected[1] || r[REG_RCX] != expected[2] ||
          r[REG_RDX] != expected[3])
        wrong_after++;
    }
  }
}
static void on_tick(int signo, siginfo_t *info, void *context) {
  look(((ucontext_t *)context)->uc_mcontext.gregs);
  ticks++;
}
static void ask(uint32_t leaf, uint32_t sub) {
  leaf_asked = leaf;
  sub_asked = sub;
  never_patched(leaf, sub, expected);
}

// A handler sees the registers as they are before the instruction or behind it, and the way back from it leads on.
TEST(interrupted, CPUS) {
  prepare();
  find_hidden();
  on_siginfo(SIGALRM, on_tick, SA_RESTART);
  struct itimerval often = {{0, 50}, {0, 50}};
  static const uint32_t leaves[][2] = {{0x80000000, 9}, {0x80000008, 0}, {7, 0}, {0xd, 2}, {0x12345678, 3}};
  for (int round = 0; ticks < 3000 && round < 2000; round++) {
    ask(leaves[round % 5][0], leaves[round % 5][1]);
    SYS(setitimer(ITIMER_REAL, &often, NULL));
    for (int k = 0; k < 100; k++)
      for (int site = 0; site < SITES; site++) {
        State s = {.rax = leaf_asked, .rcx = sub_asked, .flags = k & 1 ? 2 : 3};
        sites[site](&s);
        CHECK(s.a == expected[0] && s.b == expected[1] && s.c == expected[2] && s.d == expected[3]);
        CHECK_EQ(s.flags_out & FLAGS, s.flags & 1);
      }
    struct itimerval never = {{0, 0}, {0, 0}};
    SYS(setitimer(ITIMER_REAL, &never, NULL));
  }
  CHECK(ticks > 100);
  CHECK_EQ(seen_hidden, 0);
  CHECK_EQ(wrong_before, 0);
  CHECK_EQ(wrong_after, 0);
}

// One step at a time: no step ends in what the program does not have.
static void on_step(int signo, siginfo_t *info, void *context) {
  look(((ucontext_t *)context)->uc_mcontext.gregs);
  ticks++;
}
TEST(stepped) {
  prepare();
  find_hidden();
  on_siginfo(SIGTRAP, on_step, 0);
  ask(0x80000006, 0);
  for (int site = 0; site < SITES; site++) {
    State s = {.rax = leaf_asked, .rcx = sub_asked, .flags = 0x102};
    ticks = 0;
    sites[site](&s);
    CHECK(s.a == expected[0] && s.b == expected[1] && s.c == expected[2] && s.d == expected[3]);
    CHECK(ticks > 40);
  }
  CHECK_EQ(seen_hidden, 0);
  CHECK_EQ(wrong_before, 0);
  CHECK_EQ(wrong_after, 0);
  CHECK(seen_after > 0);
}
