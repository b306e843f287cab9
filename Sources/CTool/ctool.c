#define _GNU_SOURCE
#include "ctool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const int tool_o_path = O_PATH;

int tool_memfd(const char *name) { return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }

int tool_seal(int descriptor) {
  return fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

int tool_fill_standard_descriptors(void) {
  int closed = 0;
  for (int descriptor = 0; descriptor <= 2; descriptor++) {
    if (fcntl(descriptor, F_GETFD) >= 0) continue;
    // O_PATH: neither readable nor writable, so the tool sees EBADF as it would have.
    if (open("/dev/null", O_PATH | O_CLOEXEC) == descriptor) closed |= 1 << descriptor;
  }
  return closed;
}

// MARK: - Children

static void close_from(int first) {
  if (syscall(SYS_close_range, first, ~0u, 0) == 0) return;
  long limit = sysconf(_SC_OPEN_MAX);
  if (limit < 0 || limit > 65536) limit = 65536;
  for (int descriptor = first; descriptor < limit; descriptor++) close(descriptor);
}

// Runs between vfork and exec: system calls only, on the parent's memory. Two rounds, since a number to be filled
// may be one that is still to be copied from.
static int place_descriptors(const struct tool_spawn_request *request, int *copies) {
  int end = request->first + request->count;
  for (int i = 0; i < request->count; i++) {
    copies[i] = request->descriptors[i] < 0 ? -1 : fcntl(request->descriptors[i], F_DUPFD_CLOEXEC, end);
    if (request->descriptors[i] >= 0 && copies[i] < 0) return errno;
  }
  for (int i = 0; i < request->count; i++) {
    close(request->first + i);
    if (copies[i] >= 0 && dup2(copies[i], request->first + i) < 0) return errno;
  }
  close_from(end);
  return 0;
}

static void reset_signals(void) {
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t tool_spawn(const struct tool_spawn_request *request) {
  pid_t parent = getpid();
  int *copies = calloc(request->count + 1, sizeof *copies);
  if (copies == NULL) return -1;
  volatile int failure = 0;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t child = vfork();
  if (child == 0) {
    // Kept across exec: whatever happens to the tool from here on, the child does not outlive it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    failure = place_descriptors(request, copies);
    if (failure == 0) {
      reset_signals();
      execve(request->path, request->arguments, request->environment);
      failure = errno;
    }
    _exit(125);
  }
  int error = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  free(copies);
  if (child < 0) {
    errno = error;
    return -1;
  }
  if (failure != 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    errno = failure;
    return -1;
  }
  return child;
}

int tool_wait(pid_t child, int milliseconds, int *status) {
  int handle = milliseconds == 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
  uint64_t end = tool_monotonic() + (uint64_t)milliseconds * 1000000;
  int result;
  for (;;) {
    pid_t done = waitpid(child, status, WNOHANG);
    if (done < 0 && errno == EINTR) continue;
    if (done != 0) {
      result = done == child ? 1 : -1;
      break;
    }
    result = 0;
    uint64_t now = tool_monotonic();
    if (milliseconds >= 0 && now >= end) break;
    int rest = milliseconds < 0 ? -1 : (int)((end - now) / 1000000) + 1;
    struct pollfd item = {.fd = handle, .events = POLLIN};
    if (handle < 0 && (rest < 0 || rest > 5)) rest = 5;      // a host that refuses pidfd_open
    poll(&item, 1, rest);
  }
  if (handle >= 0) close(handle);
  return result;
}

int tool_status_exited(int status) { return WIFEXITED(status); }
int tool_status_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status); }

// MARK: - The terminal

int tool_window_size(int descriptor, unsigned *rows, unsigned *columns) {
  struct winsize size;
  if (ioctl(descriptor, TIOCGWINSZ, &size) < 0) return -1;
  *rows = size.ws_row;
  *columns = size.ws_col;
  return 0;
}

static struct termios crash_settings;
static volatile sig_atomic_t crash_terminal = -1;

static void crashed(int number) {
  if (crash_terminal >= 0) tcsetattr(crash_terminal, TCSANOW, &crash_settings);
  raise(number);                // SA_RESETHAND: this time it ends the tool
}

void tool_restore_at_crash(int descriptor, const struct termios *settings) {
  crash_terminal = -1;
  if (settings == NULL) return;
  crash_settings = *settings;
  crash_terminal = descriptor;
  struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_RESETHAND | SA_NODEFER};
  const int fatal[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
  for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++) sigaction(fatal[i], &action, NULL);
}

// MARK: - Signals

static const int supervised[] = {
  SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT,
};
static uint64_t ignored;

int tool_signal_descriptor(void) {
  sigset_t set;
  sigemptyset(&set);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (unsigned i = 0; i < sizeof supervised / sizeof *supervised; i++) {
    int number = supervised[i];
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) ignored |= 1ull << number;
    // An ignored signal never reaches a signalfd, and with SIGCHLD ignored no child could be waited for.
    if (number == SIGCHLD || !tool_was_ignored(number)) {
      sigaction(number, &standard, NULL);
      sigaddset(&set, number);
    }
  }
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int tool_next_signal(int descriptor) {
  struct signalfd_siginfo info;
  ssize_t size;
  do size = read(descriptor, &info, sizeof info);
  while (size < 0 && errno == EINTR);
  return size == sizeof info ? (int)info.ssi_signo : 0;
}

int tool_was_ignored(int signal) { return (ignored >> signal) & 1; }

void tool_stop(void) { raise(SIGSTOP); }

// MARK: - The rest

int tool_socketpair(int ends[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); }

uint64_t tool_monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

unsigned long tool_hwcap2(void) { return getauxval(AT_HWCAP2); }

// The call has no wrapper in glibc; its flag 1 asks for the version.
int tool_can_map_page_zero(void) {
  void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page != NULL) return 0;
  munmap(page, 4096);
  return 1;
}

int tool_landlock(void) { return (int)syscall(444, NULL, 0, 1); }
