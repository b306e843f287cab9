// Behaves as told, for the tests of the tool itself: `behave @null`, `behave @take 5`, …
#include <alloca.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "check.h"

HELPER(null) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  return *(volatile int *)0;
}
HELPER(exit) { return atoi(argv[2]); }
HELPER(abort) { abort(); }

// Which of the descriptors 0, 1, 2 are open, as bits of the exit status.
HELPER(open) {
  int mask = 0;
  for (int fd = 0; fd < 3; fd++) mask |= (fcntl(fd, F_GETFD) >= 0) << fd;
  return mask;
}

// Takes exactly N bytes of its input and gives them out.
HELPER(take) {
  char bytes[4096];
  ssize_t n = read(0, bytes, atoi(argv[2]));
  return n < 0 || write(1, bytes, n) != n;
}

// Gives out its input from offset N on: only a file can do that.
HELPER(seek) {
  char bytes[4096];
  if (lseek(0, atol(argv[2]), SEEK_SET) < 0) return errno == ESPIPE ? 29 : 1;
  for (ssize_t n; (n = read(0, bytes, sizeof bytes)) > 0;) write(1, bytes, n);
  return 0;
}

// The flags of its descriptors as it finds them: O_NONBLOCK and O_APPEND are of interest.
HELPER(flags) {
  for (int fd = 0; fd < 3; fd++) say("%d:%s%s\n", fd, fcntl(fd, F_GETFL) & O_NONBLOCK ? " nonblock" : "",
                                     fcntl(fd, F_GETFL) & O_APPEND ? " append" : "");
  return 0;
}

// For each line of its input: `count` children, one after the other, that end at once ('f'), or run a program first ('e'
// after a fork, 'v' after a vfork).
__attribute__((noinline)) static int have_children(char how, int count, char *self) {
  extern char **environ;
  char line[16], *program[] = {self, "@exit", "0", NULL};
  while (read(0, line, sizeof line) > 0) {
    for (volatile int i = 0; i < count; i++) {
      pid_t child = SYS(how == 'v' ? vfork() : fork());
      if (child == 0) {
        if (how != 'f') execve(check_self, program, environ);
        _exit(how != 'f');
      }
      if (wait_status(child) != 0) return 1;
    }
    say("done\n");
  }
  return 0;
}
// HOW COUNT SLEEPING FILES: the same with so many sleeping children and files around.
HELPER(children) {
  for (int i = 0; i < atoi(argv[4]); i++) {
    if (SYS(fork()) == 0) {
      for (;;) pause();
    }
  }
  SYS(mkdir("/tmp/many", 0700));
  for (int i = 0; i < atoi(argv[5]); i++) {
    char path[32];
    snprintf(path, sizeof path, "/tmp/many/%d", i);
    close(SYS(open(path, O_CREAT | O_WRONLY, 0600)));
  }
  say("ready\n");
  // The stack is random: were it used across the end of a page, each child would copy one more.
  volatile char *rest = alloca(((uintptr_t)__builtin_frame_address(0) & 4095) + 1024);
  *rest = 0;
  return have_children(*argv[2], atoi(argv[3]), argv[0]);
}

// 60 MiB of private memory make the host process easy to find.
static void fatten(void) {
  char *p = mmap(NULL, 60 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < 60 << 20; i += 4096) p[i] = 1;
  say("ready\n");
}
HELPER(spin) {
  fatten();
  for (;;) __asm__ volatile("pause");
  return 0;
}
HELPER(sleep) {
  fatten();
  for (;;) pause();
  return 0;
}
static void *spin_a_while(void *unused) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while (now.tv_sec - start.tv_sec < 2);
  return unused;
}
// Threads that are busy for a while, twice, with a pause in between.
HELPER(threads) {
  for (int round = 0; round < 2; round++) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, spin_a_while, NULL);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    sleep(3);
  }
  return 0;
}
HELPER(call) {
  fatten();
  char bytes[4096];
  int ends[2];
  if (pipe(ends)) return 1;
  for (;;) {
    write(ends[1], bytes, sizeof bytes);
    read(ends[0], bytes, sizeof bytes);
  }
}

// Waits for a signal with SIGINT blocked, so that Ctrl-C stays pending.
HELPER(deaf) {
  sigset_t set = set_of(SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  say("deaf\n");
  for (;;) pause();
  return 0;
}

// Says which signals of INT, QUIT, HUP, TERM it gets; ends at TERM with 3.
static volatile int got;
static void note(int signal) { got = signal; }
HELPER(signals) {
  static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGUSR1};
  sigset_t all, none = set_of(0);
  sigfillset(&all);
  for (int i = 0; i < 5; i++) on_signal(signals[i], note, 0);
  sigprocmask(SIG_BLOCK, &all, NULL);
  say("ready\n");
  for (;;) {
    got = 0;
    sigsuspend(&none);
    say("signal %d\n", got);
    if (got == SIGTERM) return 3;
  }
}

// Ignores everything that can be ignored.
HELPER(stubborn) {
  for (int signal = 1; signal < 32; signal++)
    if (signal != SIGKILL && signal != SIGSTOP) {
      struct sigaction action = {.sa_handler = SIG_IGN};
      sigaction(signal, &action, NULL);
    }
  say("ready\n");
  for (;;) pause();
  return 0;
}

// Counts seconds by tenths, for stop and continue.
HELPER(count) {
  for (int i = 0;; i++) {
    say("%d\n", i);
    usleep(100000);
  }
  return 0;
}

// Calls that no kernel knows.
HELPER(unknown) {
  syscall(1000);
  return errno == ENOSYS ? 0 : 1;
}

// Fills its argument's file system until it is full; then removes the file and writes again.
HELPER(fill) {
  static char block[1 << 20];
  memset(block, 1, sizeof block);
  int fd = open(argv[2], O_CREAT | O_WRONLY | O_TRUNC, 0600);
  long total = 0;
  for (ssize_t n; (n = write(fd, block, sizeof block)) > 0;) total += n;
  int error = errno;
  close(fd);
  unlink(argv[2]);
  fd = open(argv[2], O_CREAT | O_WRONLY | O_TRUNC, 0600);
  bool again = write(fd, block, sizeof block) == sizeof block;
  unlink(argv[2]);
  say("%ld bytes, then %s, then %s\n", total, error == ENOSPC ? "ENOSPC" : strerror(error), again ? "room" : "none");
  return error != ENOSPC || !again;
}
