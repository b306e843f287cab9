// One system call (or a busy loop) with a known value in every register, in the flags, in the
// red zone and in the whole vector state, and a look at all of them afterwards.
#pragma once
#include "vector.h"

typedef struct {
  uint64_t args[6], nr;                                       // 0
  uint64_t rbx, rbp, r12, r13, r14, r15;                      // 56
  uint64_t flags;                                             // 104
  VectorImage *in, *out;                                      // 112
  uint64_t mask;                                              // 128
  uint64_t spins;                                             // 136
  uint64_t red;                                               // 144
  struct {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t flags, red[16];
  } after;                                                    // 152 … 415
  uint64_t saved[6], saved_rsp;                               // 416
  uint64_t rsp, next;                                         // 472
  uint64_t rcx, r11;                                          // 488
} Probe;
_Static_assert(offsetof(Probe, after) == 152 && offsetof(Probe, r11) == 496, "as the assembly has it");

uint64_t probe_call(Probe *);  // with a system call
uint64_t probe_spin(Probe *);  // with `spins` turns of a loop that uses memory only

#define RED_STORE(i) "mov %rax, -8*" #i "(%rsp); lea 0x11111(%rax), %rax\n"
#define RED_LOAD(i) "mov -8*" #i "(%rsp), %rcx; mov %rcx, 280+8*" #i "(%rax)\n"
#define SIXTEEN(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)
#define PROBE(NAME, BODY)                                                                    \
  __asm__(".text; .globl " #NAME "; .type " #NAME ", @function\n" #NAME ":\n"                \
    "mov %rbx, 416(%rdi); mov %rbp, 424(%rdi); mov %r12, 432(%rdi); mov %r13, 440(%rdi)\n"   \
    "mov %r14, 448(%rdi); mov %r15, 456(%rdi); mov %rsp, 464(%rdi)\n"                        \
    "mov 112(%rdi), %rcx; mov 128(%rdi), %eax; mov 132(%rdi), %edx\n"                        \
    "xrstor64 (%rcx)\n"                                                                      \
    "sub $24, %rsp; pushq 104(%rdi); popfq; mov %rsp, 472(%rdi)\n"                           \
    "mov %rdi, (%rsp); mov 136(%rdi), %rax; mov %rax, 8(%rsp)\n"                             \
    "mov 144(%rdi), %rax\n" SIXTEEN(RED_STORE)                                               \
    "lea 7f(%rip), %rax; mov %rax, 480(%rdi)\n"                                              \
    "mov 56(%rdi), %rbx; mov 64(%rdi), %rbp; mov 72(%rdi), %r12; mov 80(%rdi), %r13\n"       \
    "mov 88(%rdi), %r14; mov 96(%rdi), %r15; mov 488(%rdi), %rcx; mov 496(%rdi), %r11\n"     \
    "mov 8(%rdi), %rsi; mov 16(%rdi), %rdx; mov 24(%rdi), %r10; mov 32(%rdi), %r8\n"         \
    "mov 40(%rdi), %r9; mov 48(%rdi), %rax; mov (%rdi), %rdi\n"                              \
    BODY "\n7:\n"                                                                            \
    "xchg %rax, (%rsp)\n"                                                                    \
    "mov %rbx, 160(%rax); mov %rcx, 168(%rax); mov %rdx, 176(%rax); mov %rsi, 184(%rax)\n"   \
    "mov %rdi, 192(%rax); mov %rbp, 200(%rax); mov %rsp, 208(%rax); mov %r8, 216(%rax)\n"    \
    "mov %r9, 224(%rax); mov %r10, 232(%rax); mov %r11, 240(%rax); mov %r12, 248(%rax)\n"    \
    "mov %r13, 256(%rax); mov %r14, 264(%rax); mov %r15, 272(%rax)\n"                        \
    "mov (%rsp), %rcx; mov %rcx, 152(%rax)\n" SIXTEEN(RED_LOAD)                              \
    "pushfq; popq 280(%rax); pushq $0x202; popfq\n"                                          \
    "mov %rax, %rdi; mov 120(%rdi), %rcx; mov 128(%rdi), %eax; mov 132(%rdi), %edx\n"        \
    "xsave64 (%rcx)\n"                                                                       \
    "fninit; movl $0x1f80, (%rsp); ldmxcsr (%rsp); mov 152(%rdi), %rax\n"                    \
    "mov 416(%rdi), %rbx; mov 424(%rdi), %rbp; mov 432(%rdi), %r12; mov 440(%rdi), %r13\n"   \
    "mov 448(%rdi), %r14; mov 456(%rdi), %r15; mov 464(%rdi), %rsp; ret\n"                   \
    ".size " #NAME ", .-" #NAME "\n")
PROBE(probe_call, "syscall");
PROBE(probe_spin, "6: decq 8(%rsp); jnz 6b");

// CF, PF, AF, ZF, SF, OF in some mix, and DF for odd seeds: C code runs with DF clear only.
static inline uint64_t probe_flags(unsigned seed) {
  return 0x202 | ((seed * 0x4d5) & 0x8d5) | (seed & 1 ? 0x400 : 0);
}

static inline void probe_prepare(Probe *p, unsigned seed, VectorImage *in, VectorImage *out) {
  memset(p, 0, sizeof *p);
  uint64_t base = 0x8123456789abcdefULL * (2 * seed + 1);
  p->rbx = base ^ 0x10, p->rbp = base ^ 0x20, p->r12 = base ^ 0x30, p->r13 = base ^ 0x40;
  p->r14 = base ^ 0x50, p->r15 = base ^ 0x60, p->rcx = base ^ 0x70, p->r11 = base ^ 0x80;
  p->red = base + 0x90;
  p->flags = probe_flags(seed);
  p->in = in, p->out = out, p->mask = vector_mask;
  vector_fill(in, seed);
  memset(out, 0, sizeof *out);
}

#define PROBE_SAME(field, want)                                                              \
  if (p->after.field != (uint64_t)(want))                                                    \
    FAIL("%s: " #field " is %#lx, not %#lx", what, (long)p->after.field, (long)(want))

static inline void probe_verify_common(const Probe *p, const char *what, unsigned seed, bool red) {
  PROBE_SAME(rbx, p->rbx);
  PROBE_SAME(rbp, p->rbp);
  PROBE_SAME(r12, p->r12);
  PROBE_SAME(r13, p->r13);
  PROBE_SAME(r14, p->r14);
  PROBE_SAME(r15, p->r15);
  PROBE_SAME(rdi, p->args[0]);
  PROBE_SAME(rsi, p->args[1]);
  PROBE_SAME(rdx, p->args[2]);
  PROBE_SAME(r10, p->args[3]);
  PROBE_SAME(r8, p->args[4]);
  PROBE_SAME(r9, p->args[5]);
  for (int i = 0; red && i < 16; i++)
    if (p->after.red[i] != p->red + i * 0x11111)
      FAIL("%s: red zone at rsp-%d is %#lx", what, 8 * i + 8, (long)p->after.red[i]);
  const char *vector = vector_compare(p->out, seed);
  if (vector) FAIL("%s: %s (seed %u)", what, vector, seed);
}

// After a system call: rcx holds the return address, r11 the flags, as the instruction says.
static inline void probe_verify_call(const Probe *p, const char *what, unsigned seed) {
  probe_verify_common(p, what, seed, true);
  PROBE_SAME(rsp, p->rsp);
  PROBE_SAME(flags, p->flags);
  PROBE_SAME(r11, p->flags);
  PROBE_SAME(rcx, p->next);
}

// After a loop that was interrupted at any place: everything, DF and CF (`dec` keeps it).
static inline void probe_verify_spin(const Probe *p, const char *what, unsigned seed) {
  probe_verify_common(p, what, seed, true);
  PROBE_SAME(rsp, p->rsp);
  PROBE_SAME(rax, p->nr);
  PROBE_SAME(rcx, p->rcx);
  PROBE_SAME(r11, p->r11);
  if ((p->after.flags ^ p->flags) & 0x401) FAIL("%s: flags %#lx", what, (long)p->after.flags);
}

static inline long probed(const char *what, unsigned seed, long nr, long a, long b, long c, long d,
                          long e, long f) {
  static __thread VectorImage in, out;
  Probe p;
  probe_prepare(&p, seed, &in, &out);
  long args[6] = {a, b, c, d, e, f};
  memcpy(p.args, args, sizeof args);
  p.nr = nr;
  long result = probe_call(&p);
  probe_verify_call(&p, what, seed);
  return result;
}
