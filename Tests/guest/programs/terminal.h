// A pseudo-terminal pair for the terminal tests.
#pragma once
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "check.h"

static int master, slave;
static struct termios modes;

static inline void open_pair(void) {
  master = SYS(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(grantpt(master) == 0 && unlockpt(master) == 0);
  char name[64];
  int number = -1;
  SYS(ioctl(master, TIOCGPTN, &number));
  snprintf(name, sizeof name, "/dev/pts/%d", number);
  slave = SYS(open(name, O_RDWR | O_NOCTTY));
  SYS(tcgetattr(slave, &modes));
}
static inline void close_pair(void) {
  close(master);
  close(slave);
}
static inline void set_modes(void) { SYS(tcsetattr(slave, TCSANOW, &modes)); }

static inline bool has_input(int fd, int ms) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}
static inline void type_n(const char *keys, size_t size) {
  if (write(master, keys, size) != (ssize_t)size) FAIL("typing");
}
static inline void type(const char *keys) { type_n(keys, strlen(keys)); }

// What the slave can read within a second (the line discipline may work behind our back).
static inline const char *received(void) {
  static char text[8192];
  memset(text, 0, sizeof text);
  if (has_input(slave, 1000) && read(slave, text, sizeof text - 1) < 0) FAIL("read: errno %d", errno);
  return text;
}
// What has come out of the master; waits until the wanted length is there.
static inline const char *shown(size_t want) {
  static char text[8192];
  size_t size = 0;
  memset(text, 0, sizeof text);
  while (has_input(master, size < want ? 1000 : 20) && size < sizeof text - 1) {
    ssize_t n = read(master, text + size, sizeof text - 1 - size);
    if (n <= 0) break;
    size += n;
  }
  return text;
}

#define SAME(got, want)                                             \
  do {                                                              \
    const char *got_ = (got);                                       \
    if (strcmp(got_, want)) FAIL("%s is \"%s\", not \"%s\"", #got, quoted(got_, 0), quoted(want, 1)); \
  } while (0)
#define RECEIVES(want) SAME(received(), want)
#define SHOWS(want) SAME(shown(strlen(want)), want)

// Control characters made visible, for messages.
static inline const char *quoted(const char *text, int which) {
  static char out[2][512];
  char *o = out[which];
  for (; *text && o < out[which] + 500; text++)
    if ((unsigned char)*text < 32 || *text == 127) o += sprintf(o, "\\x%02x", *text);
    else *o++ = *text;
  *o = 0;
  return out[which];
}
