// memory map|anonymous|file: mappings, and the first touch of a page.
#include "bench.h"

#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 1024 };

static int file = -1;

static void touch(char *page) { *(volatile char *)page = 1; }

// As lmbench does it, the page is touched: a mapping that nobody uses is not worth measuring.
static double do_map(long n) {
  return TIMED(n, ({
    char *page = CHECK((char *)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    touch(page);
    munmap(page, PAGE);
  }));
}

// Writes, since reading a file's page maps its neighbours too.
static double do_touch(long n) {
  int kind = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  double elapsed = 0;
  while (n > 0) {
    long pages = n < PAGES ? n : PAGES;
    char *area = CHECK((char *)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, kind, file, 0));
    madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE);
    elapsed += TIMED(pages, touch(area + turn_ * PAGE));
    munmap(area, PAGES * PAGE);
    n -= pages;
  }
  return elapsed;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  if (strcmp(name, "file") == 0) {
    static char zeros[PAGE];
    file = CHECK(open("pages", O_RDWR | O_CREAT | O_TRUNC, 0600));
    for (int i = 0; i < PAGES; i++) CHECK(write(file, zeros, PAGE));
  }
  measure(strcmp(name, "map") == 0 ? do_map : do_touch, 1);
  return 0;
}
