// files read|write BYTES, files list COUNT: files and a directory in the current directory.
#include "bench.h"

#include <sys/stat.h>
#include <sys/syscall.h>

static int file;
static char *buffer;
static long size;

static double do_read(long n) { return TIMED(n, CHECK(pread(file, buffer, size, 0))); }
static double do_write(long n) { return TIMED(n, CHECK(pwrite(file, buffer, size, 0))); }

static void list(void) {
  CHECK(lseek(file, 0, SEEK_SET));
  while (CHECK(syscall(SYS_getdents64, file, buffer, 32768)) > 0) continue;
}

static double do_list(long n) { return TIMED(n, list()); }

static void make_directory(long count) {
  char name[64];
  CHECK(mkdir("directory", 0700));
  for (long i = 0; i < count; i++) {
    snprintf(name, sizeof name, "directory/%ld", i);
    close(CHECK(open(name, O_WRONLY | O_CREAT, 0600)));
  }
  file = CHECK(open("directory", O_RDONLY | O_DIRECTORY));
  buffer = malloc(32768);
}

static void make_file(void) {
  file = CHECK(open("data", O_RDWR | O_CREAT, 0600));
  buffer = malloc(size);
  memset(buffer, 'x', size);
  CHECK(pwrite(file, buffer, size, 0));
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: files read|write|list NUMBER\n"), 2;
  size = atol(argv[2]);
  bool listing = strcmp(argv[1], "list") == 0;
  if (listing) make_directory(size); else make_file();
  measure(listing ? do_list : strcmp(argv[1], "read") == 0 ? do_read : do_write, 1);
  return 0;
}
