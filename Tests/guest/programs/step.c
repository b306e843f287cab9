// step FILE COMMAND…: runs a command and single-steps what its descendants do between two breakpoints, whichever process it is.
// At the first breakpoint rdi is the address of a name, at the second it is zero. Each such stretch is a line in FILE:
//   NAME ADDRESS… with "!" behind those of instructions that lock memory and "@" behind host calls
// unless a signal came in between. A native program: it watches Martlet from outside.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t word(pid_t thread, uint64_t address) {
  return ptrace(PTRACE_PEEKDATA, thread, address, 0);
}

// '!' for a lock prefix or an exchange with memory, which locks without one; '@' for a host call.
static const char *kind(const uint8_t *code) {
  if (code[0] == 0x0f && code[1] == 0x05) return "@";
  while (memchr("\x66\x67\x64\x65\x2e\x36\x3e\x26\xf2\xf3", *code, 10)) code++;
  if (*code == 0xf0) return "!";
  if ((*code & 0xf0) == 0x40) code++;
  return (*code == 0x86 || *code == 0x87) && code[1] < 0xc0 ? "!" : "";
}

static bool is_breakpoint(pid_t thread, int status) {
  siginfo_t signal;
  return WIFSTOPPED(status) && status >> 8 == SIGTRAP && ptrace(PTRACE_GETSIGINFO, thread, 0, &signal) == 0 &&
         signal.si_code == SI_KERNEL;
}

// Steps to the next breakpoint. Returns the status that something else stopped it with, 0 where nothing did.
static int step(pid_t thread, FILE *out) {
  enum { MOST = 1 << 16 };
  static struct { uint64_t address; const char *kind; } steps[MOST];
  struct user_regs_struct registers;
  uint64_t name[4];
  ptrace(PTRACE_GETREGS, thread, 0, &registers);
  for (int i = 0; i < 4; i++) name[i] = word(thread, registers.rdi + 8 * i);
  int count = 0, status;
  while (count < MOST) {
    uint64_t code[2] = {word(thread, registers.rip), word(thread, registers.rip + 8)};
    steps[count].address = registers.rip;
    steps[count++].kind = kind((uint8_t *)code);
    ptrace(PTRACE_SINGLESTEP, thread, 0, 0);
    if (waitpid(thread, &status, __WALL) < 0 || !WIFSTOPPED(status)) return status;
    if (is_breakpoint(thread, status)) break;
    if (status >> 8 != SIGTRAP) return status;
    ptrace(PTRACE_GETREGS, thread, 0, &registers);
    // The flag by which it is stepped must not show where it pushes the flags: the kernel's entry looks.
    if ((uint8_t)code[0] == 0x9c)
      ptrace(PTRACE_POKEDATA, thread, registers.rsp, word(thread, registers.rsp) & ~0x100ull);
  }
  fprintf(out, "%.31s", (char *)name);
  for (int i = 0; i < count; i++) fprintf(out, " %lx%s", (long)steps[i].address, steps[i].kind);
  fputc('\n', out);
  return 0;
}

int main(int argc, char **argv) {
  enum { THREADS = 1 << 22 };
  static bool seen[THREADS];
  FILE *out = argc > 2 ? fopen(argv[1], "we") : NULL;
  if (!out) return 2;
  // All on one processor: waking another costs so much that a stretch would take half a second, and meet a timer's signal.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) return 2;
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  ptrace(PTRACE_SETOPTIONS, child, 0,
         PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  seen[child % THREADS] = true;
  ptrace(PTRACE_CONT, child, 0, 0);
  pid_t thread;
  while ((thread = waitpid(-1, &status, __WALL)) > 0) {
    if (!WIFSTOPPED(status)) {
      if (thread != child) continue;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int signal = status >> 16 ? 0 : WSTOPSIG(status);
    if (!seen[thread % THREADS]) signal = 0;  // the stop that a new thread begins with
    seen[thread % THREADS] = true;
    struct user_regs_struct registers;
    if (is_breakpoint(thread, status) && ptrace(PTRACE_GETREGS, thread, 0, &registers) == 0 && registers.rdi) {
      status = step(thread, out);
      signal = WIFSTOPPED(status) && status >> 16 == 0 ? WSTOPSIG(status) : 0;
    }
    ptrace(PTRACE_CONT, thread, 0, signal == SIGTRAP ? 0 : signal);  // traps are this program's own
  }
  return 1;
}
