// System calls with bad pointers, from a table. A row names the call and says what its arguments
// are; each pointer in turn is replaced by each kind of bad one, and what happens is printed:
// natively and in Martlet it must be the same, line by line.
//
// Argument words:
//   12, -100, 0x40   a number             p, q    an existing file's name, another one's
//   rN, rN=V         N bytes that the     n, l    a name that does not exist, a symbolic link's
//                    call reads (first    F D     descriptor of the file, of the directory
//                    int V, else zeros)   R W     ends of a pipe with 64 bytes in it
//   bN               N bytes that it      S U     ends of a socket pair, 64 bytes in U's queue
//                    writes               E T Y   an epoll with one event, a timerfd, a terminal
//   @                its own process id
// A row's `what` may hold: '=' the result is a count, to be printed; 'x' no readable kinds (they
// would block or do harm), and a digit, the argument that may be NULL, but then the call blocks.
#pragma once
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "check.h"

typedef struct {
  const char *name;
  long number;
  const char *arguments, *what;
} Call;

static int file = -1, directory, pipe_ends[2], sockets[2], epoll, timer, terminal;
static char *arena;  // two pages with nothing behind, a read-only one, a forbidden one, fresh ones
enum { PAGE = 4096 };

static void scene(void) {
  put_file("f", "0123456789012345678901234567890123456789012345678901234567890123", 64);
  put_file("g", "g", 1);
  SYS(symlink("f", "l"));
  file = SYS(open("f", O_RDWR)), directory = SYS(open(".", O_RDONLY | O_DIRECTORY));
  SYS(pipe2(pipe_ends, O_NONBLOCK));
  SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets));
  epoll = SYS(epoll_create1(0)), timer = SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
  terminal = SYS(posix_openpt(O_RDWR | O_NOCTTY));
  struct epoll_event event = {.events = EPOLLOUT};
  SYS(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[1], &event));
  signal(SIGUSR1, SIG_IGN);
  umask(022);
  arena = SYS(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  SYS(munmap(arena + 2 * PAGE, PAGE));
  SYS(mprotect(arena + 4 * PAGE, PAGE, PROT_READ));
  SYS(mprotect(arena + 6 * PAGE, PAGE, PROT_NONE));
}

// What a call may have left behind is undone, and told by the caller before.
static void restore(void) {
  char bytes[256];
  lseek(file, 0, SEEK_SET), lseek(directory, 0, SEEK_SET);
  if (pwrite(file, "0123456789012345678901234567890123456789012345678901234567890123", 64, 0) != 64) FAIL("pwrite");
  ftruncate(file, 64);
  while (read(pipe_ends[0], bytes, sizeof bytes) > 0) {}
  while (read(sockets[0], bytes, sizeof bytes) > 0) {}
  while (read(sockets[1], bytes, sizeof bytes) > 0) {}
  memset(bytes, 'q', sizeof bytes);
  if (write(pipe_ends[1], bytes, 64) != 64 || write(sockets[0], bytes, 64) != 64) FAIL("refill");
  if (access("f", F_OK)) rename("n", "f");
  unlink("n"), rmdir("n");
}

static int in_queue(int fd) {
  int waiting = -1;
  ioctl(fd, FIONREAD, &waiting);
  return waiting;
}

static long constant(char letter) {
  switch (letter) {
    case 'F': return file;
    case 'D': return directory;
    case 'R': return pipe_ends[0];
    case 'W': return pipe_ends[1];
    case 'S': return sockets[0];
    case 'U': return sockets[1];
    case 'E': return epoll;
    case 'T': return timer;
    case 'Y': return terminal;
    case '@': return getpid();
    default: FAIL("no argument '%c'", letter); return -1;
  }
}

static const char *const bad_kinds[] = {"good", "null", "low", "kernel", "kernel-end", "negative", "non-canonical",
                                        "unmapped", "forbidden", "read-only", "across-end", "fresh", "last-byte"};

// The pointer for one argument: good, or bad in the way `kind` says.
static char *pointer(const char *word, int index, const char *kind) {
  static _Alignas(64) char good[6][4096];
  static char *fresh;
  size_t size = strchr("pqnl", *word) ? 2 : (size_t)atol(word + 1);
  char *at = good[index];
  if (!strcmp(kind, "null")) return NULL;
  if (!strcmp(kind, "low")) return (char *)8;
  if (!strcmp(kind, "kernel")) return (char *)0x400000001000;
  if (!strcmp(kind, "kernel-end")) return (char *)0x4fffffffffff;
  if (!strcmp(kind, "negative")) return (char *)-8;
  if (!strcmp(kind, "non-canonical")) return (char *)0x8000000000001000;
  if (!strcmp(kind, "unmapped")) return arena + 2 * PAGE;
  if (!strcmp(kind, "forbidden")) return arena + 6 * PAGE;
  if (!strcmp(kind, "read-only")) at = arena + 4 * PAGE;
  if (!strcmp(kind, "across-end")) at = arena + 2 * PAGE - size / 2;
  if (!strcmp(kind, "last-byte")) at = arena + 2 * PAGE - size;  // all of it is there
  if (!strcmp(kind, "fresh")) {  // mapped, never touched
    if (fresh) munmap(fresh, 8 * PAGE);
    return fresh = SYS(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  if (!strcmp(kind, "read-only")) return at;
  size_t room = !strcmp(kind, "across-end") ? size / 2 : size;
  if (*word == 'b') memset(at, 0xa5, room);
  else if (*word == 'r') {
    memset(at, 0, room);
    const char *value = strchr(word, '=');
    if (value && room >= 4) *(int *)at = atoi(value + 1);
  } else {
    char text[2] = {*word == 'p' ? 'f' : *word == 'q' ? 'g' : *word, 0};
    memcpy(at, text, room);  // without its end where it lies across the end
  }
  return at;
}

static void one(const Call *call, int which, const char *kind) {
  char words[128], *next = words, *word;
  long a[6] = {0};
  char *changed = NULL;
  size_t room = 0;
  snprintf(words, sizeof words, "%s", call->arguments);
  restore();
  for (int i = 0; (word = strsep(&next, " ")); i++) {
    if (strchr("pqnlrb", *word)) {
      a[i] = (long)pointer(word, i, i == which ? kind : "good");
      if (i == which && *word == 'b' && (!strcmp(kind, "across-end") || !strcmp(kind, "good")))
        changed = (char *)a[i], room = atol(word + 1) / (*kind == 'a' ? 2 : 1);
    } else a[i] = strchr("-0123456789", *word) ? strtol(word, NULL, 0) : constant(*word);
  }
  int fds = count_fds(), pipe_before = in_queue(pipe_ends[0]), socket_before = in_queue(sockets[1]);
  errno = 0;
  long got = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
  int error = errno;
  char line[256];
  int n = snprintf(line, sizeof line, "%s %d %s: ", call->name, which, kind);
  if (got < 0) n += snprintf(line + n, sizeof line - n, "errno %d", error);
  else if (strchr(call->what, '=')) n += snprintf(line + n, sizeof line - n, "%ld", got);
  else n += snprintf(line + n, sizeof line - n, "done");
  int more = count_fds() - fds;
  if (got < 0 && more) n += snprintf(line + n, sizeof line - n, ", %d descriptors more", more);
  if (lseek(file, 0, SEEK_CUR)) n += snprintf(line + n, sizeof line - n, ", at %ld", (long)lseek(file, 0, SEEK_CUR));
  if (in_queue(pipe_ends[0]) != pipe_before)
    n += snprintf(line + n, sizeof line - n, ", pipe has %d", in_queue(pipe_ends[0]));
  if (in_queue(sockets[1]) != socket_before)
    n += snprintf(line + n, sizeof line - n, ", socket has %d", in_queue(sockets[1]));
  if (access("n", F_OK) == 0) n += snprintf(line + n, sizeof line - n, ", made");
  bool wrote = false;
  for (size_t i = 0; i < room; i++) wrote |= (unsigned char)changed[i] != 0xa5;
  if (wrote) n += snprintf(line + n, sizeof line - n, ", wrote");
  say("%s\n", line);
  for (int fd = 3; more > 0 && fd < 1024; fd++)  // all those that the call made
    if (fd > terminal && fcntl(fd, F_GETFD) >= 0) close(fd);
}

static void table(const Call *calls, int count) {
  scene();
  for (const Call *call = calls; call < calls + count; call++) {
    char words[128], *next = words, *word;
    snprintf(words, sizeof words, "%s", call->arguments);
    for (int i = 0; (word = strsep(&next, " ")); i++) {
      if (!strchr("pqnlrb", *word)) continue;
      bool harmful = strchr(call->what, 'x') != NULL;
      for (unsigned kind = harmful ? 1 : 0; kind < sizeof bad_kinds / sizeof *bad_kinds; kind++)
        if ((!harmful || kind < 9) && !(kind == 1 && strchr(call->what, '0' + i))) one(call, i, bad_kinds[kind]);
    }
  }
  restore();
  unlink("f"), unlink("g"), unlink("l");
}
#define TABLE(calls) table(calls, sizeof calls / sizeof *calls)
