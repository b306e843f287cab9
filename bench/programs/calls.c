// calls NAME [PATH | COUNT]: calls that a program makes most, and signals.
#include "bench.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char *argument;
static int file;
static char *page;
static long faults;
static fd_set selected;

static void open_argument(void) { file = CHECK(open(argument, O_RDWR | O_CREAT, 0600)); }

static void write_byte(void) {
  open_argument();
  CHECK(pwrite(file, "x", 1, 0));
}

static double do_getpid(long n) { return TIMED(n, syscall(SYS_getpid)); }
static double do_null(long n) { return TIMED(n, syscall(SYS_getppid)); }

static double do_read(long n) {
  char byte;
  return TIMED(n, CHECK(read(file, &byte, 1)));
}

static double do_pread(long n) {
  char byte;
  return TIMED(n, CHECK(pread(file, &byte, 1, 0)));
}

static double do_write(long n) { return TIMED(n, CHECK(write(file, "x", 1))); }
static double do_pwrite(long n) { return TIMED(n, CHECK(pwrite(file, "x", 1, 0))); }

static double do_stat(long n) {
  struct stat status;
  return TIMED(n, CHECK(stat(argument, &status)));
}

static double do_fstat(long n) {
  struct stat status;
  return TIMED(n, CHECK(fstat(file, &status)));
}

static double do_open(long n) { return TIMED(n, close(CHECK(open(argument, O_RDONLY)))); }

static void fill_selected(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = limit.rlim_max < FD_SETSIZE ? limit.rlim_max : FD_SETSIZE;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit));
  file = CHECK(open("selected", O_RDWR | O_CREAT, 0600));
  FD_SET(file, &selected);
  for (long i = atol(argument); --i > 0;) {
    file = CHECK(dup(file));
    FD_SET(file, &selected);
  }
}

static double do_select(long n) {
  struct timeval none = {0};
  fd_set set;
  return TIMED(n, ({ set = selected; CHECK(select(file + 1, NULL, &set, NULL, &none)); }));
}

static void handle(int signal) { (void)signal; }

static void install(void) { CHECK(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handle}, NULL)); }

static double do_install(long n) { return TIMED(n, install()); }
static double do_deliver(long n) {
  pid_t self = getpid();
  return TIMED(n, CHECK(kill(self, SIGUSR1)));
}

// Returns to the write that faulted, which faults again; the last time the page can be written.
static void handle_fault(int signal) {
  (void)signal;
  if (--faults == 0) CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE));
}

static void install_fault(void) {
  page = CHECK((char *)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(sigaction(SIGSEGV, &(struct sigaction){.sa_handler = handle_fault}, NULL));
}

static double do_fault(long n) {
  faults = n;
  CHECK(mprotect(page, 4096, PROT_READ));
  return TIMED(1, *(volatile char *)page = 1);
}

static void nothing(void) {}

static const struct {
  const char *name;
  void (*prepare)(void);
  double (*operation)(long);
} TABLE[] = {
  {"getpid", nothing, do_getpid},         {"null", nothing, do_null},
  {"read", open_argument, do_read},       {"write", open_argument, do_write},
  {"pread", write_byte, do_pread},        {"pwrite", open_argument, do_pwrite},
  {"stat", open_argument, do_stat},       {"fstat", open_argument, do_fstat},
  {"open", open_argument, do_open},       {"select", fill_selected, do_select},
  {"install", nothing, do_install},       {"deliver", install, do_deliver},
  {"fault", install_fault, do_fault},
};

int main(int argc, char **argv) {
  argument = argc > 2 ? argv[2] : "file";
  for (size_t i = 0; argc > 1 && i < sizeof TABLE / sizeof *TABLE; i++) {
    if (strcmp(argv[1], TABLE[i].name) != 0) continue;
    TABLE[i].prepare();
    measure(TABLE[i].operation, 1);
    return 0;
  }
  fprintf(stderr, "usage: calls NAME [PATH | COUNT]\n");
  return 2;
}
