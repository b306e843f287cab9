// SIGCHLD: what it says, and how not to have zombies.
#include "check.h"

static volatile int children;
static siginfo_t last;
static void on_child(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  last = *info;
  __atomic_add_fetch(&children, 1, __ATOMIC_SEQ_CST);
}

static void child_ends(int code, int signal) {
  children = 0;
  pid_t pid = SYS(fork());
  if (pid == 0) {
    if (signal) raise(signal);
    _exit(code);
  }
  CHECK(EVENTUALLY(children == 1));
  CHECK_EQ(last.si_signo, SIGCHLD);
  CHECK_EQ(last.si_pid, pid);
  CHECK_EQ(last.si_uid, getuid());
  CHECK_EQ(last.si_code, signal ? CLD_KILLED : CLD_EXITED);
  CHECK_EQ(last.si_status, signal ? signal : code);
  CHECK_EQ(wait_status(pid), signal ? signal : exited(code));
}

TEST(exit_and_kill, FORKS) {
  on_siginfo(SIGCHLD, on_child, SA_RESTART);
  child_ends(0, 0);
  child_ends(255, 0);
  child_ends(0, SIGTERM);
  child_ends(0, SIGKILL);
  child_ends(0, SIGUSR1);
}

static void no_zombies(void) {
  for (int i = 0; i < 50; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) _exit(i);
    CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);  // waits for the end, then has nothing to tell
    while (kill(pid, 0) == 0) sched_yield();   // Linux frees the number only after it has woken the parent
    CHECK_EQ(errno, ESRCH);
  }
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(ignored_child_signal, FORKS | CPUS) {
  on_signal(SIGCHLD, SIG_IGN, 0);
  no_zombies();
}

TEST(nocldwait, FORKS | CPUS) {
  on_siginfo(SIGCHLD, on_child, SA_NOCLDWAIT | SA_RESTART);
  children = 0;
  no_zombies();
  CHECK(EVENTUALLY(children > 0));  // the signal still comes
}

// SIG_DFL is not SIG_IGN, though both do nothing.
TEST(default_leaves_zombies, FORKS) {
  on_signal(SIGCHLD, SIG_DFL, 0);
  pid_t pid = SYS(fork());
  if (pid == 0) _exit(6);
  siginfo_t info;
  SYS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  CHECK_EQ(state_of(pid, pid), 'Z');
  CHECK_EQ(wait_status(pid), exited(6));
}

// A handler that reaps loses no child, however many end at once.
static volatile int reaped;
static void reap(int signal) {
  (void)signal;
  int saved = errno;
  while (waitpid(-1, NULL, WNOHANG) > 0) reaped++;
  errno = saved;
}

TEST(reaping_handler, FORKS | CPUS) {
  on_signal(SIGCHLD, reap, SA_RESTART);
  int total = storm();
  reaped = 0;
  for (int i = 0; i < total; i++) {
    pid_t pid;
    while ((pid = fork()) < 0 && errno == EAGAIN) usleep(1000);
    if (pid == 0) _exit(0);
  }
  CHECK(EVENTUALLY(reaped == total));
  CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
}

// sigwait for SIGCHLD, as supervisors do.
TEST(waited_for, FORKS | CPUS) {
  on_signal(SIGCHLD, SIG_DFL, 0);
  sigset_t set = set_of(SIGCHLD);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  for (int i = 0; i < 100; i++) {
    pid_t pid = SYS(fork());
    if (pid == 0) _exit(i);
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_status, i);
    CHECK_EQ(wait_status(pid), exited(i));
  }
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

// clone may ask for another signal at the child's end, or for none.
TEST(other_exit_signals, FORKS) {
  on_siginfo(SIGUSR2, on_child, SA_RESTART);
  children = 0;
  pid_t pid = SYS(syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0));
  if (pid == 0) _exit(1);
  CHECK(EVENTUALLY(children == 1));
  CHECK_ERR(waitpid(pid, NULL, WNOHANG), ECHILD);  // not a child of the ordinary kind
  int status;
  CHECK_EQ(waitpid(pid, &status, __WCLONE), pid);
  CHECK_EQ(status, exited(1));
  pid = SYS(syscall(SYS_clone, 0, 0, 0, 0, 0));
  if (pid == 0) _exit(2);
  CHECK_EQ(waitpid(pid, &status, __WALL), pid);
  CHECK_EQ(status, exited(2));
  CHECK_EQ(children, 1);
}
