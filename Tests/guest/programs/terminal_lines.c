// The line discipline: line editing, echo, output processing, raw modes.
// guest: variants=static,musl
#include "terminal.h"

TEST(defaults) {
  open_pair();
  CHECK_EQ(modes.c_lflag & (ICANON | ECHO | ISIG | IEXTEN | ECHOE | ECHOK | ECHOCTL | ECHOKE),
           ICANON | ECHO | ISIG | IEXTEN | ECHOE | ECHOK | ECHOCTL | ECHOKE);
  CHECK_EQ(modes.c_iflag & (ICRNL | IXON), ICRNL | IXON);
  CHECK_EQ(modes.c_oflag & (OPOST | ONLCR), OPOST | ONLCR);
  CHECK(modes.c_cc[VINTR] == 3 && modes.c_cc[VQUIT] == 28 && modes.c_cc[VERASE] == 127 && modes.c_cc[VKILL] == 21);
  CHECK(modes.c_cc[VEOF] == 4 && modes.c_cc[VSUSP] == 26 && modes.c_cc[VMIN] == 1 && modes.c_cc[VTIME] == 0);
  CHECK(modes.c_cc[VWERASE] == 23 && modes.c_cc[VLNEXT] == 22 && modes.c_cc[VREPRINT] == 18);
  CHECK(isatty(slave) && isatty(master));
  close_pair();
}

TEST(lines) {
  open_pair();
  type("abc");
  CHECK(!has_input(slave, 30));  // not before the end of the line
  type("\n");
  RECEIVES("abc\n");
  type("one\rtwo\n");  // a return is a newline
  RECEIVES("one\n");   // one line at a time
  RECEIVES("two\n");
  type("long line\n");
  char part[8] = "";
  CHECK_EQ(read(slave, part, 4), 4);
  CHECK(!memcmp(part, "long", 4));
  RECEIVES(" line\n");
  close_pair();
}

TEST(editing) {
  open_pair();
  type("abx\177c\n");
  RECEIVES("abc\n");
  type("\177\177a\n");  // nothing to erase
  RECEIVES("a\n");
  type("gone\025kept\n");
  RECEIVES("kept\n");
  type("one two  \027three\n");
  RECEIVES("one three\n");
  type("one two\027\027\027x\n");
  RECEIVES("x\n");
  type("a\026\177b\n");  // the next one literally
  RECEIVES("a\177b\n");
  type("\026\003\n");
  RECEIVES("\003\n");
  close_pair();
}

TEST(end_of_file) {
  open_pair();
  char text[16];
  type("part\004");
  RECEIVES("part");
  type("\004");
  REQUIRE(has_input(slave, 1000));
  CHECK_EQ(read(slave, text, 16), 0);
  type("on\n");  // the end is not for ever
  RECEIVES("on\n");
  close_pair();
}

TEST(echo) {
  open_pair();
  type("ab\n");
  SHOWS("ab\r\n");
  type("a\001\033\n");
  SHOWS("a^A^[\r\n");
  type("ab\177\n");
  SHOWS("ab\b \b\r\n");
  type("\001\177\n");
  SHOWS("^A\b \b\b \b\r\n");
  type("abc\025\n");
  SHOWS("abc\b \b\b \b\b \b\r\n");
  type("ab cd\027\n");
  SHOWS("ab cd\b \b\b \b\r\n");
  type("ab\022c\n");  // reprint
  SHOWS("ab^R\r\nabc\r\n");
  type("\tx\n");
  SHOWS("\tx\r\n");
  type("\t\177\n");  // erases as many columns as the tab took
  SHOWS("\t\b\b\b\b\b\b\b\b\r\n");
  close_pair();
}

TEST(echo_modes) {
  open_pair();
  modes.c_lflag &= ~ECHO;
  set_modes();
  type("secret\n");
  RECEIVES("secret\n");
  CHECK(!has_input(master, 30));
  modes.c_lflag |= ECHONL;
  set_modes();
  type("secret\n");
  SHOWS("\r\n");
  modes.c_lflag |= ECHO;
  modes.c_lflag &= ~ECHOCTL;
  set_modes();
  type("a\001\n");
  SHOWS("a\001\r\n");
  modes.c_lflag &= ~ECHOE;
  set_modes();
  type("ab\177\n");
  SHOWS("ab\177\r\n");
  modes.c_lflag |= ECHOE;
  modes.c_lflag &= ~(ECHOK | ECHOKE);
  set_modes();
  type("abc\025\n");
  SHOWS("abc\025\r\n");
  close_pair();
}

TEST(output) {
  open_pair();
  write(slave, "a\nb", 3);
  SHOWS("a\r\nb");
  modes.c_oflag &= ~ONLCR;
  set_modes();
  write(slave, "a\nb", 3);
  SHOWS("a\nb");
  modes.c_oflag |= OCRNL;
  set_modes();
  write(slave, "a\rb", 3);
  SHOWS("a\nb");
  modes.c_oflag = OPOST | OLCUC;
  set_modes();
  write(slave, "abC", 3);
  SHOWS("ABC");
  modes.c_oflag = OPOST | TABDLY;
  set_modes();
  write(slave, "\r\n", 2);
  shown(2);
  write(slave, "ab\tc", 4);
  SHOWS("ab      c");
  modes.c_oflag = 0;
  set_modes();
  write(slave, "\r\n\t", 3);
  SHOWS("\r\n\t");
  close_pair();
}

TEST(input_flags) {
  open_pair();
  modes.c_lflag &= ~(ICANON | ECHO | ISIG);
  modes.c_iflag = 0;
  set_modes();
  type("\r\n");
  RECEIVES("\r\n");
  modes.c_iflag = INLCR;
  set_modes();
  type("\r\n");
  RECEIVES("\r\r");
  modes.c_iflag = IGNCR;
  set_modes();
  type("\ra");
  RECEIVES("a");
  modes.c_iflag = ISTRIP;
  set_modes();
  type_n("\xe1", 1);
  RECEIVES("a");
  modes.c_iflag = IUCLC;
  modes.c_lflag |= IEXTEN;
  set_modes();
  type("AbC");
  RECEIVES("abc");
  close_pair();
}

TEST(raw) {
  open_pair();
  cfmakeraw(&modes);
  set_modes();
  static char all[256], back[256];
  for (int i = 0; i < 256; i++) all[i] = i;
  type_n(all, 256);
  for (int done = 0; done < 256;) {
    REQUIRE(has_input(slave, 1000));
    ssize_t n = read(slave, back + done, 256 - done);
    REQUIRE(n > 0);
    done += n;
  }
  CHECK(!memcmp(all, back, 256));
  CHECK(!has_input(master, 30));
  write(slave, all, 256);
  for (int done = 0; done < 256;) {
    REQUIRE(has_input(master, 1000));
    ssize_t n = read(master, back + done, 256 - done);
    REQUIRE(n > 0);
    done += n;
  }
  CHECK(!memcmp(all, back, 256));
  close_pair();
}

static void *types_later(void *text) {
  sleep_ms(50);
  type(text);
  return NULL;
}
static void later(pthread_t *id, char *text) { REQUIRE(pthread_create(id, NULL, types_later, text) == 0); }

TEST(minimum_and_time) {
  open_pair();
  char text[32];
  pthread_t id;
  modes.c_lflag &= ~(ICANON | ECHO);
  modes.c_cc[VMIN] = 0, modes.c_cc[VTIME] = 0;  // whatever there is
  set_modes();
  CHECK_EQ(read(slave, text, 32), 0);
  type("ab");
  REQUIRE(has_input(slave, 1000));
  CHECK_EQ(read(slave, text, 32), 2);
  modes.c_cc[VMIN] = 3;  // at least three
  set_modes();
  type("ab");
  later(&id, "c");
  CHECK_EQ(read(slave, text, 32), 3);
  pthread_join(id, NULL);
  type("abcdefg");
  REQUIRE(has_input(slave, 1000));
  sleep_ms(20);
  CHECK_EQ(read(slave, text, 2), 2);  // but no more than asked for
  CHECK_EQ(read(slave, text, 32), 5);
  modes.c_cc[VMIN] = 0, modes.c_cc[VTIME] = 2;  // a fifth of a second
  set_modes();
  long long start = now_us();
  CHECK_EQ(read(slave, text, 32), 0);
  CHECK(now_us() - start >= 150000);
  later(&id, "x");
  CHECK_EQ(read(slave, text, 32), 1);
  pthread_join(id, NULL);
  modes.c_cc[VMIN] = 5, modes.c_cc[VTIME] = 1;  // between bytes, after the first
  set_modes();
  later(&id, "xy");
  CHECK_EQ(read(slave, text, 32), 2);
  pthread_join(id, NULL);
  close_pair();
}

TEST(nonblocking) {
  open_pair();
  char text[8];
  fcntl(slave, F_SETFL, O_NONBLOCK);
  CHECK_ERR(read(slave, text, 8), EAGAIN);
  type("ab");
  sleep_ms(30);
  CHECK_ERR(read(slave, text, 8), EAGAIN);  // no line yet
  fcntl(master, F_SETFL, O_NONBLOCK);
  SHOWS("ab");
  CHECK_ERR(read(master, text, 8), EAGAIN);
  close_pair();
}

TEST(queues) {
  open_pair();
  int waiting = -1;
  type("abc\n");
  REQUIRE(has_input(slave, 1000));
  SYS(ioctl(slave, FIONREAD, &waiting));
  CHECK_EQ(waiting, 4);
  SYS(tcflush(slave, TCIFLUSH));
  CHECK(!has_input(slave, 30));
  type("kept\n");
  REQUIRE(has_input(slave, 1000));
  SYS(tcsetattr(slave, TCSADRAIN, &modes));
  RECEIVES("kept\n");
  type("dropped\n");
  REQUIRE(has_input(slave, 1000));
  SYS(tcsetattr(slave, TCSAFLUSH, &modes));
  CHECK(!has_input(slave, 30));
  type("abc");
  sleep_ms(30);
  modes.c_lflag &= ~ICANON;  // a half line can be read then
  set_modes();
  RECEIVES("abc");
  SYS(tcdrain(slave));
  close_pair();
}

TEST(flow_control) {
  open_pair();
  type("\023");  // stop
  sleep_ms(30);
  SYS(fcntl(slave, F_SETFL, O_NONBLOCK));
  write(slave, "held", 4);
  CHECK(!has_input(master, 50));
  type("\021");  // start
  sleep_ms(30);
  write(slave, "on", 2);
  const char *text = shown(2);
  CHECK(strstr(text, "on") != NULL);
  SYS(tcflow(slave, TCOOFF));
  SYS(tcflow(slave, TCOON));
  close_pair();
}

TEST(window_size) {
  open_pair();
  struct winsize size = {1, 1, 1, 1};
  SYS(ioctl(slave, TIOCGWINSZ, &size));
  CHECK(size.ws_row == 0 && size.ws_col == 0);
  size = (struct winsize){24, 80, 0, 0};
  SYS(ioctl(master, TIOCSWINSZ, &size));
  memset(&size, 0, sizeof size);
  SYS(ioctl(slave, TIOCGWINSZ, &size));
  CHECK(size.ws_row == 24 && size.ws_col == 80);
  close_pair();
}

TEST(long_line) {
  open_pair();
  modes.c_lflag &= ~ECHO;
  set_modes();
  static char line[5000];
  memset(line, 'x', sizeof line);
  fcntl(master, F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 50; i++) write(master, line, 100), sleep_ms(1);
  type("\n");
  CHECK_EQ(strlen(received()), 4096);  // 4,095 of them and the newline
  close_pair();
}

TEST(packet_mode) {
  open_pair();
  int on = 1;
  SYS(ioctl(master, TIOCPKT, &on));
  write(slave, "data", 4);
  char text[16];
  REQUIRE(has_input(master, 1000));
  CHECK_EQ(read(master, text, 16), 5);
  CHECK(text[0] == TIOCPKT_DATA && !memcmp(text + 1, "data", 4));
  SYS(tcflush(slave, TCIFLUSH));
  REQUIRE(has_input(master, 1000) || 1);
  CHECK_EQ(read(master, text, 16), 1);
  CHECK(text[0] & TIOCPKT_FLUSHREAD);
  close_pair();
}
