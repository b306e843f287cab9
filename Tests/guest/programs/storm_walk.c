// Names that come and go, directories that move and a working directory that changes while other threads walk there.
// guest: variants=static timeout=180
#include "check.h"

static _Atomic int stopping;
static _Atomic long found, missing;

static bool is_known(int error) { return error == ENOENT || error == ENOTDIR; }

// Whatever a walk meets, it finds the file that has the name or says that none has.
static void *walk(void *unused) {
  (void)unused;
  while (!stopping && !check_failures) {
    struct stat status;
    if (stat("d/e/f", &status) == 0) {
      CHECK(S_ISREG(status.st_mode) && status.st_size == 4);
      found++;
    } else {
      CHECK(is_known(errno));
      missing++;
    }
    int fd = open("d/e/f", O_RDONLY);
    if (fd < 0) {
      CHECK(is_known(errno));
      continue;
    }
    char text[5] = "";
    CHECK_EQ(read(fd, text, 4), 4);
    CHECK(!strcmp(text, "data"));
    CHECK_EQ(close(fd), 0);
  }
  return NULL;
}

static void *turn(void *unused) {
  (void)unused;
  while (!stopping && !check_failures) {
    SYS(chdir("../b"));
    SYS(chdir("../a"));
  }
  return NULL;
}

static void make(const char *base) {
  char path[64];
  snprintf(path, sizeof path, "../%s/d", base);
  SYS(mkdir(path, 0755));
  snprintf(path, sizeof path, "../%s/d/e", base);
  SYS(mkdir(path, 0755));
  snprintf(path, sizeof path, "../%s/d/new", base);
  put_file(path, "data", 4);
  char name[64];
  snprintf(name, sizeof name, "../%s/d/e/f", base);
  SYS(rename(path, name));
}
static void take(const char *base) {
  char path[64], moved[64];
  snprintf(path, sizeof path, "../%s/d", base);
  snprintf(moved, sizeof moved, "../%s/gone", base);
  SYS(rename(path, moved));
  snprintf(path, sizeof path, "../%s/gone/e/f", base);
  SYS(unlink(path));
  snprintf(path, sizeof path, "../%s/gone/e", base);
  SYS(rmdir(path));
  SYS(rmdir(moved));
}

TEST(names_come_and_go, CPUS) {
  SYS(mkdir("a", 0755));
  SYS(mkdir("b", 0755));
  SYS(chdir("a"));
  enum { WALKERS = 3 };
  pthread_t walkers[WALKERS], turner;
  for (int i = 0; i < WALKERS; i++) REQUIRE(pthread_create(&walkers[i], NULL, walk, NULL) == 0);
  REQUIRE(pthread_create(&turner, NULL, turn, NULL) == 0);
  for (long i = 0; i < storm() && !check_failures; i++) {
    const char *base = i % 2 ? "a" : "b";
    make(base);
    if (i % 8 == 0) usleep(100);
    take(base);
  }
  stopping = 1;
  for (int i = 0; i < WALKERS; i++) REQUIRE(pthread_join(walkers[i], NULL) == 0);
  REQUIRE(pthread_join(turner, NULL) == 0);
  CHECK(missing > 0);
}
