// wait4, waitid, exit codes, reparenting, subreapers, death signals.
#include <sys/prctl.h>
#include <sys/resource.h>

#include "check.h"

static pid_t exits(int code) {
  pid_t pid = SYS(fork());
  if (pid == 0) _exit(code);
  return pid;
}

TEST(exit_codes, FORKS) {
  for (int code = 0; code < 256; code++) CHECK_EQ(wait_status(exits(code)), exited(code));
  CHECK_EQ(wait_status(exits(256)), 0);
  CHECK_EQ(wait_status(exits(-1)), exited(255));
}

TEST(wait_for_whom, FORKS) {
  int status;
  pid_t a = exits(1), b = exits(2);
  CHECK_EQ(waitpid(b, &status, 0), b);
  CHECK_EQ(status, exited(2));
  CHECK_EQ(waitpid(-1, &status, 0), a);
  CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
  CHECK_ERR(waitpid(a, &status, 0), ECHILD);
  CHECK_ERR(waitpid(getpid(), &status, 0), ECHILD);
  CHECK_ERR(waitpid(-1, &status, 0x100), EINVAL);
  CHECK_ERR(waitpid(INT_MIN, &status, 0), ESRCH);
  a = SYS(fork());
  if (a == 0) {
    setpgid(0, 0);
    _exit(3);
  }
  siginfo_t info;
  SYS(waitid(P_PID, a, &info, WEXITED | WNOWAIT));
  CHECK_ERR(waitpid(0, &status, WNOHANG), ECHILD);  // not of my group
  CHECK_EQ(waitpid(-a, &status, 0), a);
}

TEST(nohang, FORKS) {
  int ends[2], status = 77;
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    char byte;
    close(ends[1]);
    read(ends[0], &byte, 1);
    _exit(4);
  }
  CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
  CHECK_EQ(status, 77);
  close(ends[1]);
  CHECK_EQ(waitpid(pid, &status, 0), pid);
  CHECK_EQ(status, exited(4));
}

TEST(waitid_forms, FORKS) {
  siginfo_t info;
  pid_t pid = exits(9);
  memset(&info, 0xff, sizeof info);
  SYS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  SYS(waitid(P_PID, pid, &info, WEXITED));
  CHECK_EQ(info.si_signo, SIGCHLD);
  CHECK_EQ(info.si_code, CLD_EXITED);
  CHECK_EQ(info.si_status, 9);
  CHECK_EQ(info.si_pid, pid);
  CHECK_EQ(info.si_uid, getuid());
  CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  CHECK_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
  CHECK_ERR(waitid(P_PID, 0, &info, WEXITED), EINVAL);
  CHECK_ERR(waitid(99, 0, &info, WEXITED), EINVAL);
  pid = SYS(fork());
  if (pid == 0)
    for (;;) pause();
  info.si_pid = 1, info.si_signo = 1;
  SYS(waitid(P_PID, pid, &info, WEXITED | WNOHANG));
  CHECK_EQ(info.si_pid, 0);
  CHECK_EQ(info.si_signo, 0);
  kill(pid, SIGKILL);
  SYS(waitid(P_PGID, getpgrp(), &info, WEXITED));
  CHECK_EQ(info.si_code, CLD_KILLED);
  CHECK_EQ(info.si_status, SIGKILL);
}

TEST(usage, FORKS) {
  struct rusage usage;
  pid_t pid = SYS(fork());
  if (pid == 0) {
    long long end = now_us() + 60000;
    while (now_us() < end) {}
    _exit(0);
  }
  int status;
  CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
  long us = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000 +
            usage.ru_stime.tv_usec;
  CHECK(us > 5000 && us < 10000000);
  struct rusage children;
  SYS(getrusage(RUSAGE_CHILDREN, &children));
  CHECK(children.ru_utime.tv_sec * 1000000 + children.ru_utime.tv_usec + 100 >= usage.ru_utime.tv_usec);
  CHECK_ERR(getrusage(77, &usage), EINVAL);
}

// A thread's children are its process's: any thread may wait for them.
static void *waits(void *pid) {
  CHECK_EQ(wait_status((long)pid), exited(5));
  return NULL;
}
TEST(another_thread_waits, FORKS) {
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, waits, (void *)(long)exits(5)) == 0);
  pthread_join(id, NULL);
}

// Two threads wait for two children: each gets one.
static void *waits_any(void *sum) {
  int status;
  if (wait(&status) > 0) __atomic_add_fetch((int *)sum, WEXITSTATUS(status), __ATOMIC_SEQ_CST);
  return NULL;
}
TEST(two_threads_wait, FORKS | CPUS) {
  for (int i = 0; i < 20; i++) {
    int sum = 0;
    pthread_t a, b;
    pid_t one = exits(3), two = exits(8);
    (void)one, (void)two;
    REQUIRE(pthread_create(&a, NULL, waits_any, &sum) == 0);
    REQUIRE(pthread_create(&b, NULL, waits_any, &sum) == 0);
    pthread_join(a, NULL), pthread_join(b, NULL);
    CHECK_EQ(sum, 11);
  }
}

// The grandchild goes to the next subreaper, else to init.
TEST(subreaper, FORKS) {
  int ends[2];
  pid_t grandchild = 0;
  SYS(pipe(ends));
  SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
  int is = 0;
  SYS(prctl(PR_GET_CHILD_SUBREAPER, &is));
  CHECK_EQ(is, 1);
  pid_t pid = SYS(fork());
  if (pid == 0) {
    pid_t parent = getpid();
    grandchild = fork();
    if (grandchild == 0) {
      while (getppid() == parent) usleep(1000);
      _exit(12);
    }
    write(ends[1], &grandchild, sizeof grandchild);
    _exit(0);
  }
  SYS(read(ends[0], &grandchild, sizeof grandchild));
  wait_ok(pid);
  CHECK_EQ(wait_status(grandchild), exited(12));
  SYS(prctl(PR_SET_CHILD_SUBREAPER, 0));
}

TEST(reparented_to_init, FORKS | MARTLET) {
  int ends[2];
  pid_t parent = 0;
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    pid_t middle = getpid();
    if (fork() == 0) {
      while (getppid() == middle) usleep(1000);
      parent = getppid();
      write(ends[1], &parent, sizeof parent);
    }
    _exit(0);
  }
  wait_ok(pid);
  SYS(read(ends[0], &parent, sizeof parent));
  CHECK_EQ(parent, 1);
}

// The parent's death signal; cleared by fork.
TEST(parent_death_signal, FORKS) {
  int ends[2];
  char text[16] = "";
  SYS(pipe(ends));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    close(ends[0]);
    pid_t child = fork();
    if (child == 0) {
      int got = -1;
      sigset_t set = set_of(SIGUSR1);
      sigprocmask(SIG_BLOCK, &set, NULL);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      prctl(PR_GET_PDEATHSIG, &got);
      write(ends[1], got == SIGUSR1 ? "a" : "x", 1);
      struct timespec t = {20, 0};
      write(ends[1], sigtimedwait(&set, NULL, &t) == SIGUSR1 ? "b" : "y", 1);
      _exit(0);
    }
    while (wait_sleeping(child, child), state_of(child, child) != 'S') {}
    usleep(20000);
    _exit(0);
  }
  close(ends[1]);
  wait_ok(pid);
  for (int n = 0; read(ends[0], text + n, 1) == 1 && n < 8; n++) {}
  CHECK(!strcmp(text, "ab"));
  CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
}

// Zombies keep their number until they are waited for.
TEST(zombie_keeps_its_number, FORKS) {
  pid_t pid = exits(1);
  siginfo_t info;
  SYS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  for (int i = 0; i < 50; i++) {
    pid_t other = exits(0);
    CHECK(other != pid);
    wait_ok(other);
  }
  CHECK_EQ(getpgid(pid), getpgrp());
  CHECK_EQ(wait_status(pid), exited(1));
}
