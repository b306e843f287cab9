// Controlling terminals: sessions, the foreground group's signals, background reads and writes,
// hanging up.
#include "terminal.h"

// A child that leads a session of its own with the slave as its controlling terminal. It reports
// through `tell`, the test listens with `hears`.
static int reports[2];
static void tell(char what) { write(reports[1], &what, 1); }
static char hears(void) {
  char what = '?';
  if (has_input(reports[0], 20000)) read(reports[0], &what, 1);
  return what;
}

static void begin(void) {
  open_pair();
  SYS(pipe2(reports, O_CLOEXEC));
  modes.c_lflag &= ~ECHO;
  set_modes();
}
static void end(void) {
  close_pair();
  close(reports[0]), close(reports[1]);
}

#define SESSION(pid) \
  CHILD(pid)         \
  for (bool once = (SYS(setsid()), SYS(ioctl(slave, TIOCSCTTY, 0)), close(master), true); once; once = false)

static volatile int got;
static void note(int signal) { got = signal; }
static const int noted[] = {SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGHUP, SIGCONT, SIGTTIN, SIGTTOU};
static void note_all(void) {
  for (unsigned i = 0; i < sizeof noted / sizeof *noted; i++) on_signal(noted[i], note, 0);
}

TEST(acquiring, FORKS) {
  begin();
  pid_t pid;
  CHILD(pid) {
    CHECK_ERR(tcgetsid(slave), ENOTTY);          // not ours
    CHECK_ERR(tcgetpgrp(slave), ENOTTY);
    CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM);  // not a session leader
    setsid();
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
    SYS(ioctl(slave, TIOCSCTTY, 0));
    CHECK_EQ(tcgetsid(slave), getpid());
    CHECK_EQ(tcgetpgrp(slave), getpid());
    int tty = SYS(open("/dev/tty", O_RDWR));
    CHECK_EQ(write(tty, "x", 1), 1);
    CHECK_EQ(ioctl(slave, TIOCSCTTY, 0), 0);  // again is no error
    pid_t other;
    CHILD(other) {
      setsid();
      CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM);  // another session has it
      CHECK_ERR(tcgetpgrp(slave), ENOTTY);
    }
    wait_ok(other);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCONT, SIG_IGN);
    SYS(ioctl(tty, TIOCNOTTY));
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
    CHECK_ERR(tcgetpgrp(slave), ENOTTY);
  }
  wait_ok(pid);
  SHOWS("x");
  end();
}

// A session leader without a terminal gets one by opening it, unless it says O_NOCTTY.
TEST(acquired_by_open, FORKS) {
  begin();
  pid_t pid;
  CHILD(pid) {
    setsid();
    char name[64];
    snprintf(name, sizeof name, "/dev/pts/%d", ({ int n; SYS(ioctl(master, TIOCGPTN, &n)); n; }));
    close(SYS(open(name, O_RDWR | O_NOCTTY)));
    CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
    close(SYS(open(name, O_RDWR)));
    close(SYS(open("/dev/tty", O_RDWR)));
    CHECK_EQ(tcgetsid(slave), getpid());
  }
  wait_ok(pid);
  end();
}

TEST(keys_send_signals, FORKS | CPUS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    note_all();
    sigset_t all, none = set_of(0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    tell('r');
    for (int i = 0; i < 4; i++) {
      sigsuspend(&none);
      tell(got == SIGINT ? 'i' : got == SIGQUIT ? 'q' : got == SIGTSTP ? 's' : got == SIGWINCH ? 'w' : '?');
    }
  }
  CHECK_EQ(hears(), 'r');
  type("abc\003");
  CHECK_EQ(hears(), 'i');
  CHECK(!has_input(slave, 30));  // the line so far is gone
  type("\034");
  CHECK_EQ(hears(), 'q');
  type("\032");
  CHECK_EQ(hears(), 's');
  struct winsize size = {30, 100, 0, 0};
  SYS(ioctl(master, TIOCSWINSZ, &size));
  CHECK_EQ(hears(), 'w');
  wait_ok(pid);
  end();
}

TEST(keys_without_isig, FORKS) {
  begin();
  modes.c_lflag &= ~ISIG;
  set_modes();
  pid_t pid;
  SESSION(pid) {
    tell('r');
    char text[16] = "";
    CHECK_EQ(read(slave, text, 16), 4);
    CHECK(!memcmp(text, "\003\034\032\n", 4));
  }
  CHECK_EQ(hears(), 'r');
  type("\003\034\032\n");
  wait_ok(pid);
  end();
}

TEST(foreground_group, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    signal(SIGTTOU, SIG_IGN);
    pid_t job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      for (;;) pause();
    }
    setpgid(job, job);
    CHECK_ERR(tcsetpgrp(slave, 0x3fffffff), ESRCH);
    CHECK_ERR(tcsetpgrp(slave, getppid()), EPERM);
    SYS(tcsetpgrp(slave, job));
    CHECK_EQ(tcgetpgrp(slave), job);
    tell('r');
    CHECK_EQ(wait_status(job), SIGINT);  // only the job gets it
    SYS(tcsetpgrp(slave, getpgrp()));
  }
  CHECK_EQ(hears(), 'r');
  type("\003");
  wait_ok(pid);
  end();
}

// A job in the background stops when it reads.
TEST(background_read, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    int status;
    pid_t job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      char text[8];
      _exit(read(slave, text, 8) == 3 ? 6 : 7);
    }
    setpgid(job, job);
    SYS(waitpid(job, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
    signal(SIGTTOU, SIG_IGN);
    SYS(tcsetpgrp(slave, job));
    SYS(kill(-job, SIGCONT));
    tell('r');
    CHECK_EQ(wait_status(job), exited(6));
    SYS(tcsetpgrp(slave, getpgrp()));
    // Ignored or blocked SIGTTIN: EIO instead.
    job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      signal(SIGTTIN, SIG_IGN);
      char text[8];
      _exit(read(slave, text, 8) == -1 && errno == EIO ? 0 : 7);
    }
    wait_ok(job);
  }
  CHECK_EQ(hears(), 'r');
  type("ab\n");
  wait_ok(pid);
  end();
}

TEST(background_write, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    int status;
    pid_t job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      _exit(write(slave, "w", 1) == 1 ? 0 : 7);  // allowed without TOSTOP
    }
    wait_ok(job);
    modes.c_lflag |= TOSTOP;
    set_modes();
    job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      _exit(write(slave, "x", 1) == 1 ? 0 : 7);
    }
    setpgid(job, job);
    SYS(waitpid(job, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
    modes.c_lflag &= ~TOSTOP;
    set_modes();
    SYS(kill(-job, SIGCONT));
    wait_ok(job);
    // Changing modes from the background stops in any case.
    job = SYS(fork());
    if (job == 0) {
      setpgid(0, 0);
      _exit(tcsetattr(slave, TCSANOW, &modes) ? 7 : 0);
    }
    setpgid(job, job);
    SYS(waitpid(job, &status, WUNTRACED));
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
    kill(job, SIGKILL);
    wait_status(job);
  }
  wait_ok(pid);
  SHOWS("wx");
  end();
}

// The master's end hangs up: SIGHUP and SIGCONT for the leader, then the end of everything.
TEST(hang_up, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    note_all();
    tell('r');
    char text[8];
    ssize_t n = read(slave, text, 8);
    int error = errno;
    CHECK(got == SIGHUP || got == SIGCONT);
    CHECK(n == 0 || (n == -1 && (error == EINTR || error == EIO)));
    CHECK_EQ(read(slave, text, 8), 0);
    CHECK_ERR(write(slave, "x", 1), EIO);
    struct pollfd p = {slave, POLLIN | POLLOUT, 0};
    CHECK_EQ(poll(&p, 1, 1000), 1);
    CHECK(p.revents & POLLHUP);
  }
  CHECK_EQ(hears(), 'r');
  wait_sleeping(pid, pid);
  close(master);
  wait_ok(pid);
  end();
}

TEST(hang_up_kills_shells, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    tell('r');
    for (;;) pause();
  }
  CHECK_EQ(hears(), 'r');
  close(master);
  CHECK_EQ(wait_status(pid), SIGHUP);
  end();
}

// When the leader ends, its foreground group gets SIGHUP and the terminal is free again.
TEST(leader_ends, FORKS) {
  begin();
  pid_t pid;
  SESSION(pid) {
    int ready[2];
    char byte;
    SYS(pipe(ready));
    pid_t job = SYS(fork());
    if (job == 0) {
      note_all();
      setpgid(0, 0);
      signal(SIGTTOU, SIG_IGN);
      tcsetpgrp(slave, getpid());
      sigset_t set, none = set_of(0);
      sigfillset(&set);
      sigprocmask(SIG_SETMASK, &set, NULL);
      write(ready[1], "x", 1);
      while (got != SIGHUP) sigsuspend(&none);
      tell('h');
      _exit(0);
    }
    SYS(read(ready[0], &byte, 1));
    tell('r');
  }
  CHECK_EQ(hears(), 'r');
  wait_ok(pid);
  CHECK_EQ(hears(), 'h');
  CHILD(pid) {
    setsid();
    CHECK_EQ(ioctl(slave, TIOCSCTTY, 0), 0);
  }
  wait_ok(pid);
  end();
}

TEST(slave_closed) {
  begin();
  char text[8];
  write(slave, "last", 4);
  close(slave);
  SHOWS("last");
  struct pollfd p = {master, POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 1000), 1);
  CHECK(p.revents & POLLHUP);
  CHECK_ERR(read(master, text, 8), EIO);
  char name[64];
  snprintf(name, sizeof name, "/dev/pts/%d", ({ int n; SYS(ioctl(master, TIOCGPTN, &n)); n; }));
  slave = SYS(open(name, O_RDWR | O_NOCTTY));  // and back to life
  write(slave, "again", 5);
  SHOWS("again");
  end();
}

TEST(numbers_and_locks) {
  int a = SYS(open("/dev/ptmx", O_RDWR | O_NOCTTY)), number, locked = 0;
  char name[64];
  SYS(ioctl(a, TIOCGPTN, &number));
  snprintf(name, sizeof name, "/dev/pts/%d", number);
  SYS(ioctl(a, TIOCGPTLCK, &locked));
  CHECK_EQ(locked, 1);
  CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO);  // locked until told otherwise
  locked = 0;
  SYS(ioctl(a, TIOCSPTLCK, &locked));
  int b = SYS(open(name, O_RDWR | O_NOCTTY));
  struct stat status;
  SYS(fstat(b, &status));
  CHECK(S_ISCHR(status.st_mode));
  CHECK_ERR(tcgetpgrp(b), ENOTTY);
  int null = SYS(open("/dev/null", O_RDWR));
  struct termios t;
  CHECK_ERR(tcgetattr(null, &t), ENOTTY);
  close(b), close(a), close(null);
  CHECK_ERR(open(name, O_RDWR | O_NOCTTY), ENOENT);
}
