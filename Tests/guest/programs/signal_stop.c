// Stop and continue, as a shell sees them through waitpid and SIGCHLD.
#include "check.h"

static pid_t stopped_child(void) {
  pid_t pid = SYS(fork());
  if (pid == 0)
    for (;;) pause();
  return pid;
}
static void end(pid_t pid) {
  SYS(kill(pid, SIGKILL));
  CHECK_EQ(wait_status(pid), SIGKILL);
}

TEST(stop_and_continue, FORKS | CPUS) {
  pid_t pid = stopped_child();
  for (int i = 0; i < 20; i++) {
    int status = 0;
    SYS(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(status, SIGSTOP << 8 | 0x7f);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);  // told once only
    SYS(kill(pid, SIGCONT));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK_EQ(status, 0xffff);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED | WUNTRACED | WNOHANG), 0);
  }
  end(pid);
}

TEST(every_stop_signal, FORKS) {
  static const int signals[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (int i = 0; i < 4; i++) {
    pid_t pid = stopped_child();
    int status = 0;
    SYS(setpgid(pid, pid));  // not an orphaned group: its parent is in another one of the session
    SYS(kill(pid, signals[i]));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(WSTOPSIG(status), signals[i]);
    end(pid);
  }
}

// In an orphaned process group the terminal's stop signals do nothing; SIGSTOP does.
TEST(orphaned_group_does_not_stop, FORKS) {
  pid_t pid = SYS(fork());
  if (pid == 0) {
    setsid();
    raise(SIGTSTP), raise(SIGTTIN), raise(SIGTTOU);
    _exit(3);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
  CHECK_EQ(status, exited(3));
}

TEST(stopped_takes_no_signal_but_kill, FORKS) {
  pid_t pid = stopped_child();
  int status = 0;
  SYS(kill(pid, SIGSTOP));
  SYS(waitpid(pid, &status, WUNTRACED));
  SYS(kill(pid, SIGTERM));
  usleep(30000);
  CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
  SYS(kill(pid, SIGCONT));
  CHECK_EQ(wait_status(pid), SIGTERM);
  pid = stopped_child();
  SYS(kill(pid, SIGSTOP));
  SYS(waitpid(pid, &status, WUNTRACED));
  end(pid);
}

// A stop signal drops a pending SIGCONT and the other way round.
TEST(stop_and_continue_cancel, FORKS) {
  sigset_t set = set_of(SIGCONT), pending;
  sigaddset(&set, SIGTSTP);
  SYS(sigprocmask(SIG_BLOCK, &set, NULL));
  raise(SIGTSTP);
  SYS(sigpending(&pending));
  CHECK(sigismember(&pending, SIGTSTP));
  raise(SIGCONT);
  SYS(sigpending(&pending));
  CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
  raise(SIGTSTP);
  SYS(sigpending(&pending));
  CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
  raise(SIGCONT);
  SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static volatile int continued, last_code, last_status, children;
static void on_cont(int signal) {
  (void)signal;
  continued++;
}
static void on_child(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  children++, last_code = info->si_code, last_status = info->si_status;
}

TEST(handler_for_continue, FORKS) {
  int ends[2];
  char byte = 0;
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    on_signal(SIGCONT, on_cont, 0);
    write(ends[1], "r", 1);
    while (!continued) pause();
    _exit(9);
  }
  SYS(read(ends[0], &byte, 1));
  int status;
  SYS(kill(pid, SIGSTOP));
  SYS(waitpid(pid, &status, WUNTRACED));
  SYS(kill(pid, SIGCONT));
  CHECK_EQ(wait_status(pid), exited(9));
}

TEST(child_signals, FORKS) {
  on_siginfo(SIGCHLD, on_child, SA_RESTART);
  pid_t pid = stopped_child();
  children = 0;
  SYS(kill(pid, SIGSTOP));
  CHECK(EVENTUALLY(children == 1));
  CHECK_EQ(last_code, CLD_STOPPED);
  CHECK_EQ(last_status, SIGSTOP);
  SYS(kill(pid, SIGCONT));
  CHECK(EVENTUALLY(children == 2));
  CHECK_EQ(last_code, CLD_CONTINUED);
  CHECK_EQ(last_status, SIGCONT);
  SYS(kill(pid, SIGKILL));
  CHECK(EVENTUALLY(children == 3));
  CHECK_EQ(last_code, CLD_KILLED);
  CHECK_EQ(last_status, SIGKILL);
  CHECK_EQ(wait_status(pid), SIGKILL);
}

TEST(nocldstop, FORKS) {
  on_siginfo(SIGCHLD, on_child, SA_NOCLDSTOP | SA_RESTART);
  pid_t pid = stopped_child();
  int status;
  children = 0;
  SYS(kill(pid, SIGSTOP));
  SYS(waitpid(pid, &status, WUNTRACED));
  SYS(kill(pid, SIGCONT));
  SYS(waitpid(pid, &status, WCONTINUED));
  CHECK_EQ(children, 0);
  SYS(kill(pid, SIGKILL));
  CHECK(EVENTUALLY(children == 1));
  CHECK_EQ(wait_status(pid), SIGKILL);
}

TEST(waitid_stop, FORKS) {
  pid_t pid = stopped_child();
  siginfo_t info;
  SYS(kill(pid, SIGSTOP));
  SYS(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT));
  CHECK_EQ(info.si_code, CLD_STOPPED);
  CHECK_EQ(info.si_status, SIGSTOP);
  SYS(waitid(P_PID, pid, &info, WSTOPPED));
  CHECK_EQ(info.si_pid, pid);
  CHECK_EQ(state_of(pid, pid), 'T');
  SYS(kill(pid, SIGCONT));
  SYS(waitid(P_ALL, 0, &info, WCONTINUED));
  CHECK_EQ(info.si_code, CLD_CONTINUED);
  end(pid);
}

static volatile long *progress;
static void *counts(void *which) {
  for (;;) progress[(long)which]++;
  return NULL;
}

// Every thread of the process stops, busy ones too.
TEST(stops_all_threads, FORKS | CPUS) {
  progress = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    pthread_t id;
    for (long i = 0; i < 3; i++) pthread_create(&id, NULL, counts, (void *)i);
    for (;;) pause();
  }
  for (long i = 0; i < 3; i++) REQUIRE(EVENTUALLY(progress[i] > 0));
  for (int round = 0; round < 5; round++) {
    int status;
    SYS(kill(pid, SIGSTOP));
    SYS(waitpid(pid, &status, WUNTRACED));
    long a[3], b[3];
    memcpy(a, (void *)progress, sizeof a);
    usleep(20000);
    memcpy(b, (void *)progress, sizeof b);
    CHECK(!memcmp(a, b, sizeof a));
    SYS(kill(pid, SIGCONT));
    for (int i = 0; i < 3; i++) CHECK(EVENTUALLY(progress[i] > b[i]));
  }
  end(pid);
}

// A stopped process that sleeps in a call goes on sleeping; the call does not fail.
TEST(stop_in_a_call, FORKS) {
  int ends[2];
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    char byte;
    _exit(read(ends[0], &byte, 1) == 1 ? 4 : 5);
  }
  wait_sleeping(pid, pid);
  int status;
  SYS(kill(pid, SIGSTOP));
  SYS(waitpid(pid, &status, WUNTRACED));
  SYS(kill(pid, SIGCONT));
  wait_sleeping(pid, pid);
  write(ends[1], "x", 1);
  CHECK_EQ(wait_status(pid), exited(4));
}

// When the last outside parent goes, a group with a stopped member gets SIGHUP and SIGCONT.
TEST(newly_orphaned_group_hangs_up, FORKS) {
  int ends[2];
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    setsid();
    pid_t member = fork();
    if (member == 0) {
      setpgid(0, 0);
      raise(SIGSTOP);
      for (;;) pause();  // SIGHUP ends it
    }
    int status;
    if (waitpid(member, &status, WUNTRACED) != member) _exit(90);
    write(ends[1], &member, sizeof member);
    _exit(0);
  }
  close(ends[1]);
  pid_t member = 0;
  CHECK_EQ(read(ends[0], &member, sizeof member), sizeof member);
  wait_ok(pid);
  CHECK_EQ(read(ends[0], &member, 1), 0);  // the member is gone as well
}
