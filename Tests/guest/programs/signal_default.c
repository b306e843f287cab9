// The default action of every signal, as the parent sees it; and alternate stacks.
#include <sys/resource.h>
#include <sys/auxv.h>

#include "check.h"

static void no_core(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

static bool ignores(int s) { return s == SIGCHLD || s == SIGURG || s == SIGWINCH || s == SIGCONT; }
static bool stops(int s) { return s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU; }

TEST(every_signal, FORKS) {
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == 32 || signal == 33 || signal == 34) continue;  // libc's own
    pid_t pid = SYS(fork());
    if (pid == 0) {
      no_core();
      setpgid(0, 0);
      struct sigaction action = {.sa_handler = SIG_DFL};
      sigaction(signal, &action, NULL);
      sigset_t none = set_of(0);
      sigprocmask(SIG_SETMASK, &none, NULL);
      kill(getpid(), signal);
      _exit(42);
    }
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    if (ignores(signal)) CHECK_EQ(status, exited(42));
    else if (stops(signal)) {
      CHECK_EQ(status, signal << 8 | 0x7f);
      SYS(kill(pid, SIGKILL));
      CHECK_EQ(wait_status(pid), SIGKILL);
    } else if (status != signal) FAIL("signal %d: status %#x", signal, status);
  }
}

// The same from outside, while the process sleeps, spins, or calls.
TEST(kills_whatever_it_does, FORKS | CPUS) {
  for (int what = 0; what < 4; what++)
    for (int i = 0; i < 10; i++) {
      pid_t pid = SYS(fork());
      if (pid == 0) {
        if (what == 0)
          for (;;) pause();
        if (what == 1)
          for (;;) __asm__ volatile("");
        if (what == 2)
          for (;;) getppid();
        for (;;) sched_yield();
      }
      usleep(i * 100);
      SYS(kill(pid, SIGTERM));
      CHECK_EQ(wait_status(pid), SIGTERM);
    }
}

static stack_t state_inside;
static volatile uintptr_t frame_inside;
static volatile int handled, set_error;
static char other_memory[65536];
static void stack_handler(int signal) {
  (void)signal;
  handled++;
  frame_inside = (uintptr_t)__builtin_frame_address(0);
  sigaltstack(NULL, &state_inside);
  stack_t other = {.ss_sp = other_memory, .ss_size = sizeof other_memory};
  set_error = sigaltstack(&other, NULL) ? errno : 0;
}

TEST(alternate_stack) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, old;
  SYS(sigaltstack(NULL, &old));
  CHECK_EQ(old.ss_flags, SS_DISABLE);
  SYS(sigaltstack(&stack, NULL));
  SYS(sigaltstack(NULL, &old));
  CHECK(old.ss_sp == memory);
  CHECK_EQ(old.ss_size, sizeof memory);
  CHECK_EQ(old.ss_flags, 0);
  on_signal(SIGUSR1, stack_handler, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK_EQ(handled, 1);
  CHECK(frame_inside > (uintptr_t)memory && frame_inside < (uintptr_t)memory + sizeof memory);
  CHECK_EQ(state_inside.ss_flags, SS_ONSTACK);
  CHECK_EQ(set_error, EPERM);  // not while standing on it
  on_signal(SIGUSR1, stack_handler, 0);
  raise(SIGUSR1);
  CHECK(!(frame_inside > (uintptr_t)memory && frame_inside < (uintptr_t)memory + sizeof memory));
  CHECK_EQ(set_error, 0);
  stack.ss_flags = SS_DISABLE;
  SYS(sigaltstack(&stack, NULL));
  on_signal(SIGUSR1, stack_handler, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(!(frame_inside > (uintptr_t)memory && frame_inside < (uintptr_t)memory + sizeof memory));
}

TEST(alternate_stack_errors) {
  static char memory[65536];
  stack_t small = {.ss_sp = memory, .ss_size = 100};
  CHECK_ERR(sigaltstack(&small, NULL), ENOMEM);
  stack_t flags = {.ss_sp = memory, .ss_size = sizeof memory, .ss_flags = 0x4000};
  CHECK_ERR(sigaltstack(&flags, NULL), EINVAL);
  unsigned long least = getauxval(51 /* AT_MINSIGSTKSZ */);
  CHECK(least >= 1000 && least < 65536);
}

// SS_AUTODISARM: the stack is off while the handler runs, so it may be set anew.
TEST(autodisarm) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory, .ss_flags = 1u << 31}, old;
  SYS(sigaltstack(&stack, NULL));
  on_signal(SIGUSR1, stack_handler, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(frame_inside > (uintptr_t)memory && frame_inside < (uintptr_t)memory + sizeof memory);
  CHECK_EQ(state_inside.ss_flags, SS_DISABLE);
  CHECK_EQ(set_error, 0);
  SYS(sigaltstack(NULL, &old));
  CHECK(old.ss_sp == memory);  // sigreturn armed it again
  stack.ss_flags = SS_DISABLE;
  SYS(sigaltstack(&stack, NULL));
}

static int depth;
static void nesting(int signal) {
  if (++depth < 10) raise(signal);
}

// A second signal on the alternate stack goes below the first, not to its top.
TEST(nested_on_alternate_stack) {
  static char memory[1 << 20];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  SYS(sigaltstack(&stack, NULL));
  on_signal(SIGUSR1, nesting, SA_ONSTACK | SA_NODEFER);
  depth = 0;
  raise(SIGUSR1);
  CHECK_EQ(depth, 10);
}

// The child of fork keeps the alternate stack, a thread and exec start without.
static void *thread_has_none(void *unused) {
  stack_t old;
  SYS(sigaltstack(NULL, &old));
  CHECK_EQ(old.ss_flags, SS_DISABLE);
  return unused;
}
HELPER(has_none) {
  thread_has_none(NULL);
  return check_failures != 0;
}

TEST(inheritance, FORKS) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory}, old;
  SYS(sigaltstack(&stack, NULL));
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, thread_has_none, NULL) == 0);
  pthread_join(id, NULL);
  pid_t pid;
  CHILD(pid) {
    SYS(sigaltstack(NULL, &old));
    CHECK(old.ss_sp == memory);
    execl(check_self, check_self, "@has_none", NULL);
  }
  wait_ok(pid);
}
