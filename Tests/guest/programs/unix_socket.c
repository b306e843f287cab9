// AF_UNIX stream sockets: pairs, names, abstract names, shutdown, passing descriptors.
// guest: variants=static,musl
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

static int pair[2];
static void make_pair(int flags) { SYS(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, pair)); }
static void close_pair(void) {
  close(pair[0]), close(pair[1]);
}
static char text[65536];

TEST(both_ways) {
  make_pair(0);
  CHECK_EQ(write(pair[0], "abc", 3), 3);
  CHECK_EQ(write(pair[1], "defg", 4), 4);
  CHECK_EQ(read(pair[1], text, 100), 3);
  CHECK_EQ(read(pair[0], text, 100), 4);
  CHECK_EQ(send(pair[0], "abcdef", 6, 0), 6);
  CHECK_EQ(recv(pair[1], text, 3, MSG_PEEK), 3);
  CHECK_EQ(recv(pair[1], text, 4, 0), 4);
  CHECK_EQ(recv(pair[1], text, 4, MSG_DONTWAIT), 2);
  CHECK_ERR(recv(pair[1], text, 4, MSG_DONTWAIT), EAGAIN);
  struct stat status;
  SYS(fstat(pair[0], &status));
  CHECK(S_ISSOCK(status.st_mode));
  CHECK_ERR(lseek(pair[0], 0, SEEK_SET), ESPIPE);
  close_pair();
}

TEST(stream_has_no_borders) {
  make_pair(0);
  for (int i = 0; i < 10; i++) CHECK_EQ(write(pair[0], "0123456789", 10), 10);
  int waiting = 0;
  SYS(ioctl(pair[1], FIONREAD, &waiting));
  CHECK_EQ(waiting, 100);
  CHECK_EQ(recv(pair[1], text, 100, MSG_WAITALL), 100);
  close_pair();
}

TEST(full) {
  make_pair(SOCK_NONBLOCK);
  long total = 0, back = 0;
  for (ssize_t n; (n = write(pair[0], text, 10000)) > 0;) total += n;
  CHECK_EQ(errno, EAGAIN);
  CHECK(total >= 100000);
  struct pollfd p = {pair[0], POLLIN | POLLOUT, 0};
  CHECK_EQ(poll(&p, 1, 0), 0);
  for (ssize_t n; (n = read(pair[1], text, sizeof text)) > 0;) back += n;
  CHECK_EQ(back, total);
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLOUT);
  close_pair();
}

TEST(peer_closed) {
  signal(SIGPIPE, SIG_IGN);
  make_pair(0);
  write(pair[0], "x", 1);
  close(pair[0]);
  struct pollfd p = {pair[1], POLLIN | POLLOUT | POLLRDHUP, 0};
  CHECK_EQ(poll(&p, 1, 0), 1);
  CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
  CHECK_EQ(read(pair[1], text, 10), 1);
  CHECK_EQ(read(pair[1], text, 10), 0);
  CHECK_ERR(write(pair[1], "x", 1), EPIPE);
  CHECK_ERR(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
  close(pair[1]);
}

TEST(unread_data_reset) {
  make_pair(0);
  write(pair[0], "x", 1);
  close(pair[1]);  // with a byte unread
  CHECK_ERR(read(pair[0], text, 1), ECONNRESET);
  close(pair[0]);
}

TEST(shutdown) {
  signal(SIGPIPE, SIG_IGN);
  make_pair(0);
  write(pair[0], "x", 1);
  SYS(shutdown(pair[0], SHUT_WR));
  CHECK_EQ(read(pair[1], text, 10), 1);
  CHECK_EQ(read(pair[1], text, 10), 0);
  CHECK_ERR(write(pair[0], "x", 1), EPIPE);
  CHECK_EQ(write(pair[1], "y", 1), 1);  // the other way still works
  CHECK_EQ(read(pair[0], text, 10), 1);
  SYS(shutdown(pair[1], SHUT_RDWR));
  CHECK_EQ(read(pair[0], text, 10), 0);
  CHECK_ERR(shutdown(pair[0], 9), EINVAL);
  close_pair();
}

static struct sockaddr_un address;
static socklen_t named(const char *name, size_t size) {
  address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address.sun_path, name, size);
  return offsetof(struct sockaddr_un, sun_path) + size;
}
static int make_socket(void) { return SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

static void served(const char *name, size_t size, bool in_file_system) {
  socklen_t length = named(name, size), got = sizeof address;
  int server = make_socket(), client = make_socket(), other = make_socket();
  struct sockaddr *a = (struct sockaddr *)&address;
  CHECK_ERR(connect(client, a, length), in_file_system ? ENOENT : ECONNREFUSED);
  SYS(bind(server, a, length));
  CHECK_ERR(connect(client, a, length), ECONNREFUSED);  // nobody listens yet
  CHECK_ERR(bind(other, a, length), EADDRINUSE);
  if (!in_file_system) CHECK_ERR(bind(server, a, length), EINVAL);
  CHECK_ERR(accept(server, NULL, NULL), EINVAL);
  SYS(listen(server, 5));
  SYS(connect(client, a, length));
  CHECK_ERR(connect(client, a, length), EISCONN);
  CHECK_EQ(write(client, "early", 5), 5);  // before accept
  int peer = SYS(accept4(server, NULL, NULL, SOCK_CLOEXEC));
  CHECK_EQ(read(peer, text, 10), 5);
  CHECK_EQ(write(peer, "answer", 6), 6);
  CHECK_EQ(read(client, text, 10), 6);
  struct sockaddr_un back;
  SYS(getpeername(client, (struct sockaddr *)&back, &got));
  CHECK_EQ(got, length + (in_file_system ? 1 : 0));
  CHECK(!memcmp(back.sun_path, name, size));
  got = sizeof back;
  SYS(getsockname(client, (struct sockaddr *)&back, &got));
  CHECK_EQ(got, sizeof(sa_family_t));  // the client has no name
  struct ucred credentials;
  got = sizeof credentials;
  SYS(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &credentials, &got));
  CHECK(credentials.pid == getpid() && credentials.uid == geteuid());
  fcntl(server, F_SETFL, O_NONBLOCK);
  CHECK_ERR(accept(server, NULL, NULL), EAGAIN);
  SYS(connect(other, a, length));
  struct pollfd p = {server, POLLIN, 0};
  CHECK_EQ(poll(&p, 1, 0), 1);
  close(server);  // a connection that was never accepted
  CHECK_ERR(read(other, text, 1), ECONNRESET);
  CHECK_EQ(write(peer, "x", 1), 1);  // accepted ones live on
  close(client), close(other), close(peer);
}

TEST(with_a_name) {
  served("sock", 4, true);
  struct stat status;
  SYS(stat("sock", &status));
  CHECK(S_ISSOCK(status.st_mode));
  CHECK_ERR(open("sock", O_RDWR), ENXIO);
  int fd = make_socket();
  CHECK_ERR(connect(fd, (struct sockaddr *)&address, named("sock", 4)), ECONNREFUSED);
  CHECK_ERR(bind(fd, (struct sockaddr *)&address, named("sock", 4)), EADDRINUSE);
  unlink("sock");
  SYS(bind(fd, (struct sockaddr *)&address, named("sock", 4)));
  close(fd);
  unlink("sock");
}

TEST(with_an_abstract_name) {
  char name[32] = "";
  snprintf(name + 1, 31, "guest-%d", getpid());
  served(name, 1 + strlen(name + 1), false);
  served(name, 1 + strlen(name + 1), false);  // free again at once
}

TEST(with_an_automatic_name) {
  int fd = make_socket();
  struct sockaddr_un back;
  socklen_t got = sizeof back;
  SYS(bind(fd, (struct sockaddr *)&address, (named("", 0), sizeof(sa_family_t))));
  SYS(getsockname(fd, (struct sockaddr *)&back, &got));
  CHECK_EQ(got, sizeof(sa_family_t) + 6);
  CHECK_EQ(back.sun_path[0], 0);
  close(fd);
}

TEST(pass_descriptors) {
  int ends[2];
  char control[CMSG_SPACE(2 * sizeof(int))] = "", byte = 'm';
  make_pair(0);
  SYS(pipe(ends));
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(2 * sizeof(int));
  memcpy(CMSG_DATA(c), ends, sizeof ends);
  CHECK_EQ(sendmsg(pair[0], &message, 0), 1);
  close(ends[0]), close(ends[1]);  // they travel all the same
  memset(control, 0, sizeof control);
  CHECK_EQ(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC), 1);
  c = CMSG_FIRSTHDR(&message);
  REQUIRE(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)));
  memcpy(ends, CMSG_DATA(c), sizeof ends);
  CHECK_EQ(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
  CHECK_EQ(write(ends[1], "through", 7), 7);
  CHECK_EQ(read(ends[0], text, 10), 7);
  close(ends[0]), close(ends[1]);
  close_pair();
}

TEST(errors) {
  CHECK_ERR(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
  CHECK_ERR(socket(AF_UNIX, 99, 0), EINVAL);
  CHECK_ERR(socket(AF_UNIX, SOCK_STREAM, 99), EPROTONOSUPPORT);
  CHECK_ERR(listen(0x3fffffff, 1), EBADF);
  int fd = make_socket(), file = SYS(open("/dev/null", O_RDWR));
  CHECK_ERR(bind(file, (struct sockaddr *)&address, 10), ENOTSOCK);
  CHECK_ERR(recv(fd, text, 1, 0), EINVAL);  // not connected
  CHECK_ERR(send(fd, text, 1, MSG_NOSIGNAL), ENOTCONN);
  CHECK_ERR(getpeername(fd, (struct sockaddr *)&address, &(socklen_t){100}), ENOTCONN);
  CHECK_ERR(listen(fd, 1), EINVAL);  // without a name
  CHECK_EQ(shutdown(fd, SHUT_RD), 0);  // unlike TCP
  int type = 0;
  socklen_t size = sizeof type;
  SYS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size));
  CHECK_EQ(type, SOCK_STREAM);
  close(fd), close(file);
}

static void *echoes(void *unused) {
  ssize_t n;
  char bytes[100];
  while ((n = read(pair[1], bytes, sizeof bytes)) > 0)
    if (write(pair[1], bytes, n) != n) FAIL("echo");
  return unused;
}

TEST(ping_pong, CPUS) {
  make_pair(0);
  pthread_t id;
  REQUIRE(pthread_create(&id, NULL, echoes, NULL) == 0);
  for (long i = 0; i < rounds() / 4; i++) {
    long back = -1;
    if (write(pair[0], &i, 8) != 8 || read(pair[0], &back, 8) != 8 || back != i)
      FAIL("round %ld: %ld, errno %d", i, back, errno), check_leave();
  }
  SYS(shutdown(pair[0], SHUT_RDWR));
  pthread_join(id, NULL);
  close_pair();
}
