// Handlers: what they are told, which signals wait meanwhile, SA_NODEFER and SA_RESETHAND.
// guest: variants=static,dynamic,musl
#include <sys/ucontext.h>

#include "check.h"

static volatile int count;
static siginfo_t last;
static sigset_t inside;

static void counting(int signal) {
  (void)signal;
  count++;
}
static void informed(int signal, siginfo_t *info, void *context) {
  count++;
  last = *info;
  if (info->si_signo != signal) FAIL("si_signo %d in a handler for %d", info->si_signo, signal);
  inside = ((ucontext_t *)context)->uc_sigmask;
}

TEST(every_signal) {
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33 || signal == 34) continue;
    count = 0;
    on_siginfo(signal, informed, 0);
    SYS(kill(getpid(), signal));
    CHECK_EQ(count, 1);
    CHECK_EQ(last.si_signo, signal);
    CHECK_EQ(last.si_code, SI_USER);
    CHECK_EQ(last.si_pid, getpid());
    CHECK_EQ(last.si_uid, getuid());
    on_signal(signal, SIG_DFL, 0);
  }
}

TEST(impossible_handlers) {
  struct sigaction action = {.sa_handler = counting};
  CHECK_ERR(sigaction(SIGKILL, &action, NULL), EINVAL);
  CHECK_ERR(sigaction(SIGSTOP, &action, NULL), EINVAL);
  struct { void *h; unsigned long f; void *r; uint64_t m; } raw = {0};
  CHECK_ERR(syscall(SYS_rt_sigaction, 0, &raw, NULL, 8), EINVAL);
  CHECK_ERR(syscall(SYS_rt_sigaction, 65, &raw, NULL, 8), EINVAL);
  CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, &raw, NULL, 4), EINVAL);
  CHECK_EQ(syscall(SYS_rt_sigaction, SIGKILL, NULL, &raw, 8), 0);
}

TEST(old_action_comes_back) {
  struct sigaction action = {.sa_handler = counting, .sa_flags = SA_RESTART | SA_NODEFER}, old;
  sigaddset(&action.sa_mask, SIGUSR2);
  SYS(sigaction(SIGUSR1, &action, &old));
  CHECK(old.sa_handler == SIG_DFL);
  SYS(sigaction(SIGUSR1, NULL, &old));
  CHECK(old.sa_handler == counting);
  CHECK_EQ(old.sa_flags & (SA_RESTART | SA_NODEFER | SA_ONSTACK), SA_RESTART | SA_NODEFER);
  CHECK(sigismember(&old.sa_mask, SIGUSR2));
  CHECK(!sigismember(&old.sa_mask, SIGUSR1));
}

TEST(ignored) {
  on_signal(SIGUSR1, SIG_IGN, 0);
  SYS(raise(SIGUSR1));
  SYS(kill(getpid(), SIGURG));   // ignored by default
  SYS(kill(getpid(), SIGCHLD));
  SYS(kill(getpid(), SIGWINCH));
}

// Pending blocked signals are dropped when they become ignored.
TEST(ignoring_drops_pending) {
  sigset_t set = set_of(SIGUSR1), pending;
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  on_signal(SIGUSR1, counting, 0);
  count = 0;
  raise(SIGUSR1);
  SYS(sigpending(&pending));
  CHECK(sigismember(&pending, SIGUSR1));
  on_signal(SIGUSR1, SIG_IGN, 0);
  SYS(sigpending(&pending));
  CHECK(!sigismember(&pending, SIGUSR1));
  on_signal(SIGUSR1, counting, 0);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
  CHECK_EQ(count, 0);
}

static int order[8], ordered;
static void ordering(int signal) {
  order[ordered++] = signal;
  if (signal == SIGUSR1 && ordered == 1) {
    raise(SIGUSR1), raise(SIGUSR2);  // both wait: one for itself, one for the mask
    order[ordered++] = -1;
  }
}

TEST(mask_during_handler) {
  struct sigaction action = {.sa_handler = ordering};
  sigaddset(&action.sa_mask, SIGUSR2);
  SYS(sigaction(SIGUSR1, &action, NULL));
  on_signal(SIGUSR2, ordering, 0);
  ordered = 0;
  raise(SIGUSR1);
  // USR1 again before USR2 or after it, but neither before the first handler's end.
  CHECK_EQ(order[0], SIGUSR1);
  CHECK_EQ(order[1], -1);
  CHECK(ordered >= 4);
}

static int depth, deepest;
static void recursing(int signal) {
  if (++depth > deepest) deepest = depth;
  if (depth < 3) raise(signal);
  depth--;
}

TEST(nodefer) {
  on_signal(SIGUSR1, recursing, SA_NODEFER);
  depth = deepest = 0;
  raise(SIGUSR1);
  CHECK_EQ(deepest, 3);
}

static int entered, nested;
static void not_recursing(int signal) {
  if (entered++) nested++;
  if (entered > 1) return;
  raise(signal);
  CHECK_EQ(nested, 0);
}

TEST(deferred) {
  on_signal(SIGUSR1, not_recursing, 0);
  entered = nested = 0;
  raise(SIGUSR1);
  CHECK_EQ(entered, 2);
  CHECK_EQ(nested, 1);
}

TEST(resethand) {
  on_signal(SIGURG, counting, SA_RESETHAND);
  count = 0;
  raise(SIGURG), raise(SIGURG);
  CHECK_EQ(count, 1);
  struct sigaction old;
  SYS(sigaction(SIGURG, NULL, &old));
  CHECK(old.sa_handler == SIG_DFL);
}

// The mask in the frame is the interrupted one; sigreturn puts it back, changed or not.
static void change_mask(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  if (!sigismember(&now, SIGUSR1) || !sigismember(&now, SIGHUP)) FAIL("mask in the handler");
  if (sigismember(&((ucontext_t *)context)->uc_sigmask, SIGUSR1)) FAIL("mask in the frame");
  sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGWINCH);
}

TEST(mask_in_frame) {
  sigset_t set = set_of(SIGHUP), now;
  SYS(sigprocmask(SIG_SETMASK, &set, NULL));
  on_siginfo(SIGUSR1, change_mask, 0);
  raise(SIGUSR1);
  SYS(sigprocmask(SIG_BLOCK, NULL, &now));
  CHECK(sigismember(&now, SIGWINCH));
  CHECK(sigismember(&now, SIGHUP));
  CHECK(!sigismember(&now, SIGUSR1));
}

TEST(sigprocmask_forms) {
  sigset_t one = set_of(SIGUSR1), two = set_of(SIGUSR2), old, none = set_of(0);
  SYS(sigprocmask(SIG_SETMASK, &none, NULL));
  SYS(sigprocmask(SIG_BLOCK, &one, &old));
  CHECK(!sigismember(&old, SIGUSR1));
  SYS(sigprocmask(SIG_BLOCK, &two, &old));
  CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
  SYS(sigprocmask(SIG_UNBLOCK, &one, &old));
  CHECK(sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
  SYS(sigprocmask(SIG_SETMASK, NULL, &old));
  CHECK(!sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
  CHECK_ERR(sigprocmask(17, &one, NULL), EINVAL);
  CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &one, NULL, 7), EINVAL);
  // KILL and STOP cannot be blocked.
  sigset_t all;
  sigfillset(&all);
  uint64_t raw = ~0ull;
  SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &raw, NULL, 8));
  SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &raw, 8));
  CHECK_EQ(raw, ~0ull & ~(1ull << (SIGKILL - 1)) & ~(1ull << (SIGSTOP - 1)));
}

// Handlers do not survive exec; ignored signals and the mask do.
HELPER(inherited) {
  struct sigaction action;
  sigset_t mask;
  sigaction(SIGUSR1, NULL, &action);
  if (action.sa_handler != SIG_DFL) FAIL("a handler survived exec");
  sigaction(SIGUSR2, NULL, &action);
  if (action.sa_handler != SIG_IGN) FAIL("SIG_IGN did not survive exec");
  sigprocmask(SIG_BLOCK, NULL, &mask);
  if (!sigismember(&mask, SIGHUP)) FAIL("the mask did not survive exec");
  sigpending(&mask);
  if (!sigismember(&mask, SIGHUP)) FAIL("the pending signal did not survive exec");
  return check_failures != 0;
}

TEST(across_exec, FORKS) {
  pid_t pid;
  CHILD(pid) {
    sigset_t set = set_of(SIGHUP);
    on_signal(SIGUSR1, counting, 0);
    on_signal(SIGUSR2, SIG_IGN, 0);
    SYS(sigprocmask(SIG_BLOCK, &set, NULL));
    raise(SIGHUP);
    execl(check_self, check_self, "@inherited", NULL);
  }
  wait_ok(pid);
}

// fork keeps handlers and mask, but the child has nothing pending.
TEST(across_fork, FORKS) {
  sigset_t set = set_of(SIGUSR1), now;
  on_signal(SIGUSR1, counting, 0);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  raise(SIGUSR1);
  count = 0;
  pid_t pid;
  CHILD(pid) {
    SYS(sigpending(&now));
    CHECK(!sigismember(&now, SIGUSR1));
    SYS(sigprocmask(SIG_BLOCK, NULL, &now));
    CHECK(sigismember(&now, SIGUSR1));
    SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK_EQ(count, 0);
    raise(SIGUSR1);
    CHECK_EQ(count, 1);
  }
  wait_ok(pid);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
  CHECK_EQ(count, 1);
}
