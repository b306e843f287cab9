// ipc futex|pipe|unix threads|processes, ipc ring COUNT, ipc bandwidth: hand-overs, round trips, switches.
//
// Processes are this program again, started by posix_spawn, so that all of it runs where there is no fork. Such a peer has
// what it needs as descriptors 0 and 1.
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { MINE, THEIRS, END };  // whose turn it is, in the futex's word
enum { BLOCK = 65536, TRANSFER = 1 << 20 };

static int input, output;        // from the peer and to it
static int spare[2];             // a pipe to oneself: what writing and reading cost without a switch
static int members;              // of the ring
static atomic_int *word;
static int futex_flag;           // FUTEX_PRIVATE_FLAG between threads
static char block[BLOCK];

static void hand_over(int to) {
  atomic_store(word, to);
  syscall(SYS_futex, word, FUTEX_WAKE | futex_flag, 1);
}

static int wait_while(int value) {
  int seen;
  while ((seen = atomic_load(word)) == value) syscall(SYS_futex, word, FUTEX_WAIT | futex_flag, value, NULL);
  return seen;
}

static void serve_futex(void) {
  while (wait_while(MINE) != END) hand_over(MINE);
}

static void echo(int from, int to) {
  char byte;
  while (read(from, &byte, 1) == 1) CHECK(write(to, &byte, 1));
}

static void pour(void) {
  while (write(1, block, BLOCK) > 0) continue;
}

static void *map_word(int memory) {
  return CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
}

static int serve(const char *how) {
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(how, "futex") == 0) word = map_word(0), serve_futex();
  else if (strcmp(how, "pour") == 0) pour();
  else echo(0, 1);
  return 0;
}

static pid_t start_peer(const char *how, int from, int to) {
  extern char **environ;
  char *arguments[] = {"ipc", "peer", (char *)how, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, from, 0);
  posix_spawn_file_actions_adddup2(&actions, to, 1);
  pid_t child;
  errno = posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ);
  if (errno != 0) die("posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

static double do_futex(long n) { return TIMED(n, ({ hand_over(THEIRS); wait_while(THEIRS); })); }

static double do_token(long n) {
  char byte = 0;
  return TIMED(n, ({ CHECK(write(output, &byte, 1)); CHECK(read(input, &byte, 1)); }));
}

// Writing and reading n times without a switch: by the fastest of short runs, so that what disturbs one of them is not
// taken off as well.
static double pipe_cost(long n) {
  char byte = 0;
  long part = n / 16 + 1;
  double fastest = 1e18;
  for (int i = 0; i < 16; i++) {
    double elapsed = TIMED(part, ({ CHECK(write(spare[1], &byte, 1)); CHECK(read(spare[0], &byte, 1)); }));
    if (elapsed < fastest) fastest = elapsed;
  }
  return fastest / part * n;
}

// As lmbench's lat_ctx: from the time of the token's way round, what the pipes themselves cost is taken off.
static double do_ring(long n) { return do_token(n) - pipe_cost(n * members); }

static double do_bandwidth(long n) {
  return TIMED(n, for (long rest = TRANSFER; rest > 0;) rest -= CHECK(read(input, block, rest < BLOCK ? rest : BLOCK)));
}

// Everything is close-on-exec: a peer has 0 and 1, and sees the end when this process has closed its side.
static void make_pipe(int ends[2]) { CHECK(pipe2(ends, O_CLOEXEC)); }

static void *futex_thread(void *unused) { return serve_futex(), unused; }

static void *echo_thread(void *ends) { return echo(((int *)ends)[0], ((int *)ends)[1]), NULL; }

static void futexes(bool threads) {
  int memory = CHECK(memfd_create("word", MFD_CLOEXEC));
  CHECK(ftruncate(memory, 4096));
  word = map_word(memory);
  futex_flag = threads ? FUTEX_PRIVATE_FLAG : 0;
  pthread_t thread;
  pid_t child = 0;
  if (threads) pthread_create(&thread, NULL, futex_thread, NULL);
  else child = start_peer("futex", memory, memory);
  measure(do_futex, 1);
  hand_over(END);
  if (threads) pthread_join(thread, NULL); else reap(child);
}

static void round_trips(bool sockets, bool threads) {
  int there[2], back[2], peer[2];
  if (sockets) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    input = output = pair[0], peer[0] = peer[1] = pair[1];
  } else {
    make_pipe(there), make_pipe(back);
    input = back[0], output = there[1], peer[0] = there[0], peer[1] = back[1];
  }
  pthread_t thread;
  pid_t child = 0;
  if (threads) {
    pthread_create(&thread, NULL, echo_thread, peer);
  } else {
    child = start_peer("echo", peer[0], peer[1]);
    close(peer[0]), close(peer[1]);
  }
  measure(do_token, 1);
  close(output);
  if (threads) pthread_join(thread, NULL); else reap(child);
}

static void ring(int count) {
  pid_t children[count];
  int first[2], next[2];
  members = count;
  make_pipe(spare), make_pipe(first);
  input = first[0], output = first[1];
  for (int i = 1; i < count; i++) {
    make_pipe(next);
    children[i] = start_peer("echo", input, next[1]);
    close(input), close(next[1]);
    input = next[0];
  }
  measure(do_ring, count);
  close(output);
  for (int i = 1; i < count; i++) reap(children[i]);
}

static void bandwidth(void) {
  int ends[2];
  make_pipe(ends);
  input = ends[0];
  pid_t child = start_peer("pour", ends[0], ends[1]);
  close(ends[1]);
  measure(do_bandwidth, 1);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "", *how = argc > 2 ? argv[2] : "";
  bool threads = strcmp(how, "threads") == 0;
  if (strcmp(what, "peer") == 0) return serve(how);
  if (strcmp(what, "futex") == 0) futexes(threads);
  else if (strcmp(what, "ring") == 0) ring(atoi(how));
  else if (strcmp(what, "bandwidth") == 0) bandwidth();
  else round_trips(strcmp(what, "unix") == 0, threads);
  return 0;
}
