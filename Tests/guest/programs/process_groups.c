// Sessions and process groups: the rules of setsid, setpgid, getsid, getpgid.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "check.h"

// A child that waits until it is told to go.
static int gate[2];
static pid_t waiting(void) {
  pid_t pid = SYS(fork());
  if (pid == 0) {
    char byte;
    close(gate[1]);
    read(gate[0], &byte, 1);
    _exit(0);
  }
  return pid;
}
static void open_gate(void) { SYS(pipe2(gate, O_CLOEXEC)); }

TEST(inherited, FORKS) {
  pid_t pid, group = getpgrp(), session = getsid(0);
  CHILD(pid) {
    CHECK_EQ(getpgrp(), group);
    CHECK_EQ(getsid(0), session);
    CHECK_EQ(getpgid(getppid()), group);
  }
  wait_ok(pid);
}

TEST(setsid, FORKS) {
  pid_t pid;
  CHILD(pid) {
    CHECK_EQ(setsid(), getpid());
    CHECK_EQ(getsid(0), getpid());
    CHECK_EQ(getpgrp(), getpid());
    CHECK_ERR(setsid(), EPERM);          // a group leader already
    CHECK_ERR(setpgid(0, 0), EPERM);     // a session leader stays in its group
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
    pid_t child;
    CHILD(child) {
      CHECK_EQ(getsid(0), getppid());
      CHECK_EQ(setsid(), getpid());
    }
    wait_ok(child);
  }
  wait_ok(pid);
}

TEST(setsid_by_group_leader, FORKS) {
  pid_t pid;
  CHILD(pid) {
    SYS(setpgid(0, 0));
    CHECK_ERR(setsid(), EPERM);
  }
  wait_ok(pid);
}

TEST(by_the_parent, FORKS) {
  open_gate();
  pid_t a = waiting(), b = waiting();
  SYS(setpgid(a, 0));
  CHECK_EQ(getpgid(a), a);
  SYS(setpgid(b, a));
  CHECK_EQ(getpgid(b), a);
  SYS(setpgid(b, getpgrp()));
  CHECK_EQ(getpgid(b), getpgrp());
  SYS(setpgid(b, b));
  CHECK_EQ(getpgid(b), b);
  close(gate[1]);
  wait_ok(a), wait_ok(b);
}

// As shells do it: both make the child's group, so that it is there for whoever goes on first.
TEST(by_both_at_once, FORKS | CPUS) {
  _Atomic int *met = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(met != MAP_FAILED);
  for (int i = 0; i < 2000 && !check_failures; i++) {
    *met = 0;
    pid_t pid = SYS(fork());
    if (pid == 0) {
      for (++*met; *met < 2;) sched_yield();
      setpgid(0, 0);
      for (;;) pause();
    }
    while (*met < 1) sched_yield();
    ++*met;
    SYS(setpgid(pid, pid));
    for (int turns = 0; turns < i % 10; turns++) sched_yield();
    SYS(kill(-pid, 0));
    SYS(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(-pid, NULL, 0), pid);
  }
}

TEST(errors, FORKS) {
  open_gate();
  pid_t a = waiting();
  CHECK_ERR(setpgid(-1, 0), EINVAL);
  CHECK_ERR(setpgid(0, -1), EINVAL);
  CHECK_ERR(setpgid(a, 0x3fffffff), EPERM);   // no such group
  CHECK_ERR(setpgid(0x3fffffff, 0), ESRCH);
  CHECK_ERR(setpgid(getppid(), 0), ESRCH);    // neither me nor my child
  CHECK_ERR(getpgid(0x3fffffff), ESRCH);
  CHECK_ERR(getsid(0x3fffffff), ESRCH);
  CHECK_ERR(getpgid(-1), ESRCH);
  close(gate[1]);
  wait_ok(a);
}

TEST(after_exec, FORKS) {
  pid_t pid = SYS(fork());
  if (pid == 0) {
    execl(check_self, check_self, "@hold", NULL);
    _exit(98);
  }
  // The helper has run exec as soon as it stops itself.
  int status;
  SYS(waitpid(pid, &status, WUNTRACED));
  CHECK(WIFSTOPPED(status));
  CHECK_ERR(setpgid(pid, 0), EACCES);
  kill(pid, SIGKILL);
  CHECK_EQ(wait_status(pid), SIGKILL);
}
HELPER(hold) {
  raise(SIGSTOP);
  return 0;
}

TEST(other_session, FORKS) {
  int told[2];
  char byte;
  open_gate();
  SYS(pipe(told));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    setsid();
    write(told[1], "s", 1);
    close(gate[1]);
    read(gate[0], &byte, 1);
    _exit(0);
  }
  SYS(read(told[0], &byte, 1));
  CHECK_EQ(getsid(pid), pid);
  CHECK_ERR(setpgid(pid, 0), EPERM);
  pid_t b = waiting();
  CHECK_ERR(setpgid(b, pid), EPERM);  // a group of another session
  close(gate[1]);
  wait_ok(pid), wait_ok(b);
}

// A group exists as long as a member does; its number is not given to a process meanwhile.
TEST(group_outlives_leader, FORKS) {
  open_gate();
  SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
  pid_t leader = SYS(fork());
  if (leader == 0) {
    setpgid(0, 0);
    if (fork() == 0) {
      char byte;
      close(gate[1]);
      read(gate[0], &byte, 1);
    }
    _exit(0);
  }
  wait_ok(leader);
  CHECK_EQ(kill(-leader, 0), 0);
  CHECK_ERR(kill(leader, 0), ESRCH);
  close(gate[1]);
  int status;
  SYS(waitpid(-leader, &status, 0));
  CHECK_ERR(kill(-leader, 0), ESRCH);
  SYS(prctl(PR_SET_CHILD_SUBREAPER, 0));
}
