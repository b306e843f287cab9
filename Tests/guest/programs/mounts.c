// What is mounted, bound, moved and taken away, as path walks see it: each path is walked several times, so that the later
// walks find its names cached.
// guest: variants=static timeout=180
#include "check.h"

#include <sys/mount.h>

static bool put_map(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) close(fd);
  return done;
}
// On the host, mounts of its own, which end with the process.
static bool own_mounts(void) {
  if (in_martlet()) return true;
  unsigned uid = getuid(), gid = getgid();
  if (unshare(CLONE_NEWNS) < 0) {
    char users[32], groups[32];
    snprintf(users, sizeof users, "0 %u 1", uid);
    snprintf(groups, sizeof groups, "0 %u 1", gid);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !put_map("/proc/self/uid_map", users) ||
        !put_map("/proc/self/setgroups", "deny") || !put_map("/proc/self/gid_map", groups))
      return false;
  }
  // What is mounted here is seen here alone.
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}
#define OWN_MOUNTS() \
  if (!own_mounts()) SKIP("the host gives no mount namespace")

static void mount_new(const char *place) { SYS(mount("none", place, "tmpfs", 0, NULL)); }
static bool is_there(const char *path) {
  struct stat status;
  int first = stat(path, &status), number = errno;
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(stat(path, &status), first);
    CHECK_EQ(access(path, F_OK), first);
    int fd = open(path, O_RDONLY);
    CHECK_EQ(fd < 0, first < 0);
    if (fd >= 0) CHECK_EQ(close(fd), 0);
  }
  if (first < 0) CHECK_EQ(number, ENOENT);
  return first == 0;
}
static dev_t device(const char *path) {
  struct stat status;
  SYS(stat(path, &status));
  return status.st_dev;
}

TEST(cover) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  put_file("d/below", "x", 1);
  CHECK(is_there("d/below"));
  CHECK(!is_there("d/above"));
  mount_new("d");
  CHECK(!is_there("d/below"));
  CHECK(device("d") != device("."));
  CHECK_EQ(device("d/"), device("d/."));
  put_file("d/above", "x", 1);
  SYS(symlink("d/above", "relative"));
  char here[PATH_MAX], path[PATH_MAX + 16];
  REQUIRE(getcwd(here, sizeof here));
  snprintf(path, sizeof path, "%s/d/above", here);
  SYS(symlink(path, "absolute"));
  CHECK(is_there("d/above"));
  CHECK(is_there(path));
  CHECK(is_there("relative"));
  CHECK(is_there("absolute"));
  SYS(umount("d"));
  CHECK(is_there("d/below"));
  CHECK(!is_there("d/above"));
  CHECK(!is_there("relative"));
  CHECK_EQ(device("d"), device("."));
}

TEST(stack) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  mount_new("d");
  put_file("d/one", "x", 1);
  mount_new("d");
  put_file("d/two", "x", 1);
  CHECK(is_there("d/two"));
  CHECK(!is_there("d/one"));
  SYS(umount("d"));
  CHECK(is_there("d/one"));
  CHECK(!is_there("d/two"));
  SYS(umount("d"));
  CHECK(!is_there("d/one"));
}

// A mount belongs to its place as seen through one mount: the other view of the same directory does not have it.
TEST(bind) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  mount_new("d");
  SYS(mkdir("d/sub", 0755));
  put_file("d/sub/f", "x", 1);
  SYS(mkdir("view", 0755));
  SYS(mount("d", "view", NULL, MS_BIND, NULL));
  mount_new("d/sub");
  put_file("d/sub/g", "x", 1);
  CHECK(is_there("d/sub/g"));
  CHECK(!is_there("d/sub/f"));
  CHECK(is_there("view/sub/f"));
  CHECK(!is_there("view/sub/g"));
  CHECK_ERR(umount("d"), EBUSY);
  SYS(umount("d/sub"));
  CHECK(is_there("d/sub/f"));
  SYS(umount("d"));
  CHECK(is_there("view/sub/f"));
  SYS(umount("view"));
}

TEST(move) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  SYS(mkdir("e", 0755));
  mount_new("d");
  put_file("d/f", "x", 1);
  CHECK(is_there("d/f"));
  CHECK(!is_there("e/f"));
  SYS(mount("d", "e", NULL, MS_MOVE, NULL));
  CHECK(!is_there("d/f"));
  CHECK(is_there("e/f"));
  SYS(umount("e"));
  CHECK(!is_there("e/f"));
}

TEST(busy) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  mount_new("d");
  put_file("d/f", "data", 4);
  int fd = open("d/f", O_RDONLY);
  CHECK(is_there("d/f"));
  CHECK_ERR(umount("d"), EBUSY);
  SYS(umount2("d", MNT_DETACH));
  CHECK(!is_there("d/f"));
  char text[4];
  CHECK_EQ(read(fd, text, 4), 4);
  SYS(close(fd));
  mount_new("d");
  put_file("d/f", "data", 4);
  SYS(chdir("d"));
  CHECK_ERR(umount("../d"), EBUSY);
  SYS(umount2("../d", MNT_DETACH));
  CHECK(is_there("f"));
  CHECK(!is_there("g"));
}

static _Atomic int stopping, opening;
static _Atomic long found, missing;
static void *walk(void *unused) {
  (void)unused;
  while (!stopping && !check_failures) {
    struct stat status;
    if (stat("d/e/f", &status) == 0) {
      CHECK(S_ISREG(status.st_mode) && status.st_size == 4);
      found++;
    } else {
      CHECK_EQ(errno, ENOENT);
      missing++;
    }
    if (!opening) continue;
    int fd = open("d/e/f", O_RDONLY);
    if (fd < 0) {
      CHECK_EQ(errno, ENOENT);
      continue;
    }
    char text[4];
    CHECK_EQ(read(fd, text, 4), 4);
    CHECK_EQ(close(fd), 0);
  }
  return NULL;
}

TEST(come_and_go, CPUS) {
  OWN_MOUNTS();
  SYS(mkdir("d", 0755));
  enum { WALKERS = 3 };
  pthread_t walkers[WALKERS];
  for (int i = 0; i < WALKERS; i++) REQUIRE(pthread_create(&walkers[i], NULL, walk, NULL) == 0);
  for (long i = 0; i < storm() && !check_failures; i++) {
    opening = 1;
    mount_new("d");
    SYS(mkdir("d/e", 0755));
    put_file("d/e/new", "data", 4);
    SYS(rename("d/e/new", "d/e/f"));
    if (i % 8 == 0) usleep(100);
    if (i % 2) {
      SYS(umount2("d", MNT_DETACH));
    } else {
      while (umount("d") < 0 && !check_failures) {
        CHECK_EQ(errno, EBUSY);  // somebody has the file open, and may have it at each try
        opening = 0;
        sched_yield();
      }
    }
    if (i % 8 == 4) usleep(100);  // also with one processor, walks find it gone
  }
  stopping = 1;
  for (int i = 0; i < WALKERS; i++) REQUIRE(pthread_join(walkers[i], NULL) == 0);
  CHECK(missing > 0);
}
