// Faults that kill: by default action, blocked, ignored, and in the handler's own handler.
#include <sys/resource.h>

#include "faults.h"

static void no_core(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}
#define DIES(signal, ...)                         \
  do {                                            \
    pid_t pid_;                                   \
    CHILD(pid_) {                                 \
      no_core();                                  \
      __VA_ARGS__;                                \
    }                                             \
    CHECK_EQ(wait_status(pid_) & 0x7f, signal);   \
  } while (0)

TEST(default_actions, FORKS) {
  DIES(SIGSEGV, load(NULL));
  DIES(SIGSEGV, store((void *)load));
  DIES(SIGILL, __asm__ volatile("ud2"));
  DIES(SIGTRAP, __asm__ volatile("int3"));
  DIES(SIGFPE, __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idivl %%ecx" ::: "rax", "rcx", "rdx"));
  DIES(SIGSEGV, __asm__ volatile("hlt"));
  DIES(SIGABRT, abort());
}

static void mask(int signal) {
  sigset_t set = set_of(signal);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

// A blocked or ignored fault cannot be put off: it kills, whatever the handler.
TEST(blocked_kills, FORKS) {
  DIES(SIGSEGV, fault_catch(0); mask(SIGSEGV); load(NULL));
  DIES(SIGILL, fault_catch(0); mask(SIGILL); __asm__ volatile("ud2"));
  DIES(SIGTRAP, fault_catch(0); mask(SIGTRAP); __asm__ volatile("int3"));
}

TEST(ignored_kills, FORKS) {
  DIES(SIGSEGV, on_signal(SIGSEGV, SIG_IGN, 0); load(NULL));
  DIES(SIGILL, on_signal(SIGILL, SIG_IGN, 0); __asm__ volatile("ud2"));
}

static void again_handler(int signal) {
  (void)signal;
  load((void *)8);
}

TEST(fault_in_handler_kills, FORKS) { DIES(SIGSEGV, on_signal(SIGSEGV, again_handler, 0); load(NULL)); }

TEST(resethand_second_kills, FORKS) {
  DIES(SIGSEGV, on_signal(SIGSEGV, again_handler, SA_RESETHAND | SA_NODEFER); load(NULL));
}

// Sent by kill they are ordinary signals, to be blocked, ignored and waited for.
TEST(sent_ones_are_ordinary) {
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) {
    sigset_t set = set_of(signals[i]), old;
    SYS(sigprocmask(SIG_BLOCK, &set, &old));
    SYS(kill(getpid(), signals[i]));
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&set, &info), signals[i]);
    CHECK_EQ(info.si_code, SI_USER);
    CHECK_EQ(info.si_pid, getpid());
    SYS(sigprocmask(SIG_SETMASK, &old, NULL));
    on_signal(signals[i], SIG_IGN, 0);
    SYS(kill(getpid(), signals[i]));
  }
}

// A frame that does not fit anywhere kills by SIGSEGV.
TEST(no_room_for_frame, FORKS) {
  DIES(SIGSEGV, {
    on_signal(SIGUSR1, again_handler, 0);
    long pid = getpid();
    __asm__ volatile("mov $16, %%rsp; mov $62, %%eax; mov $10, %%esi; syscall" ::"D"(pid) : "rax", "rsi");
  });
  static char small[2048];
  DIES(SIGSEGV, {
    stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
    if (sigaltstack(&stack, NULL)) raise(SIGSEGV);  // with much vector state that is refused at once
    on_signal(SIGUSR1, again_handler, SA_ONSTACK);
    raise(SIGUSR1);
  });
}

// A broken frame at sigreturn kills as well.
static void break_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info, (void)context;
  __asm__ volatile("mov $8, %rsp; mov $15, %eax; syscall");
}

TEST(bad_sigreturn, FORKS) {
  DIES(SIGSEGV, on_siginfo(SIGUSR1, break_handler, 0); raise(SIGUSR1));
}

static void segment_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 0x8000000000000000;
}

// sigreturn to a non-canonical address is a fault of the program, not of the kernel.
TEST(sigreturn_to_non_canonical, FORKS) {
  DIES(SIGSEGV, on_siginfo(SIGUSR1, segment_handler, 0); raise(SIGUSR1));
}

// Whatever a frame's flags and vector state hold, sigreturn must not hurt the kernel.
static void junk_handler(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  m->gregs[REG_EFL] = -1 & ~0x100 & ~0x400 & ~0x40000;
  uint8_t *state = (uint8_t *)m->fpregs;
  memset(state + 24, 0xff, 4);  // mxcsr with reserved bits
}

TEST(sigreturn_with_junk, FORKS) {
  pid_t pid;
  CHILD(pid) {
    no_core();
    on_siginfo(SIGUSR1, junk_handler, 0);
    raise(SIGUSR1);
  }
  int status = wait_status(pid);
  CHECK(status == 0 || (status & 0x7f) == SIGSEGV);
}

static void *sleeper(void *unused) {
  pause();
  return unused;
}
static void *faulter(void *unused) {
  load(unused);
  return unused;
}

TEST(killed_thread_kills_process, FORKS | CPUS) {
  for (int i = 0; i < 20; i++) {
    pid_t pid;
    CHILD(pid) {
      no_core();
      pthread_t id;
      for (int j = 0; j < 3; j++) pthread_create(&id, NULL, sleeper, NULL);
      pthread_create(&id, NULL, faulter, NULL);
      for (;;) sched_yield();
    }
    CHECK_EQ(wait_status(pid) & 0x7f, SIGSEGV);
  }
}
