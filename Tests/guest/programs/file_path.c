// Path walking: symbolic links, dots, long names, permissions, magic links.
// guest: variants=static roots=default,host
#include <sys/vfs.h>

#include "check.h"

static bool is(const char *path, const char *content) {
  char text[64] = "";
  int fd = open(path, O_RDONLY);
  if (fd < 0) return false;
  read(fd, text, sizeof text - 1);
  close(fd);
  return !strcmp(text, content);
}

TEST(links) {
  SYS(mkdir("d", 0755));
  put_file("d/f", "data", 4);
  SYS(symlink("d", "to-d"));
  SYS(symlink("../d/f", "d/self"));
  SYS(symlink("to-d/self", "far"));
  char cwd[PATH_MAX / 2], absolute[PATH_MAX];
  REQUIRE(getcwd(cwd, sizeof cwd));
  snprintf(absolute, sizeof absolute, "%s/to-d/../far", cwd);
  SYS(symlink(absolute, "abs"));
  CHECK(is("to-d/f", "data") && is("d/self", "data") && is("far", "data") && is("abs", "data"));
  CHECK(is("to-d/../far", "data"));  // `..` of the directory that the link leads to
  SYS(symlink("d/", "slashed"));
  CHECK(is("slashed/f", "data"));
  struct stat status;
  SYS(lstat("far", &status));
  CHECK(S_ISLNK(status.st_mode));
  CHECK_EQ(status.st_size, 9);
  CHECK_EQ(status.st_mode & 0777, 0777);
  char text[32] = "";
  CHECK_EQ(readlink("far", text, sizeof text), 9);
  CHECK(!strcmp(text, "to-d/self"));
  CHECK_EQ(readlink("far", text, 4), 4);
  CHECK_ERR(readlink("far", text, 0), EINVAL);
  CHECK_ERR(readlink("d", text, 5), EINVAL);
  CHECK_ERR(readlink("none", text, 5), ENOENT);
  CHECK_ERR(symlink("", "empty"), ENOENT);
  CHECK_ERR(symlink("x", "far"), EEXIST);
  CHECK_ERR(symlink("x", "none/far"), ENOENT);
  unlink("far"), unlink("abs"), unlink("to-d"), unlink("slashed"), unlink("d/self"), unlink("d/f"), rmdir("d");
}

TEST(forty_links) {
  put_file("l0", "end", 3);
  char from[16], to[16];
  for (int i = 1; i <= 41; i++) {
    snprintf(from, sizeof from, "l%d", i - 1), snprintf(to, sizeof to, "l%d", i);
    SYS(symlink(from, to));
  }
  CHECK(is("l40", "end"));
  CHECK_ERR(open("l41", O_RDONLY), ELOOP);
  for (int i = 0; i <= 41; i++) snprintf(to, sizeof to, "l%d", i), unlink(to);
}

TEST(trailing_slash) {
  SYS(mkdir("d", 0755));
  put_file("f", "x", 1);
  SYS(symlink("d", "ld"));
  SYS(symlink("f", "lf"));
  struct stat status;
  SYS(lstat("ld/", &status));
  CHECK(S_ISDIR(status.st_mode));  // the slash follows
  CHECK_ERR(lstat("lf/", &status), ENOTDIR);
  CHECK_ERR(lstat("f/", &status), ENOTDIR);
  CHECK_EQ(mkdir("new/", 0755), 0);
  CHECK_EQ(rmdir("new/"), 0);
  CHECK_ERR(unlink("f/"), ENOTDIR);
  CHECK_ERR(rmdir("ld/"), ENOTDIR);
  CHECK_ERR(symlink("x", "new/"), ENOENT);
  CHECK_ERR(link("f", "new/"), ENOENT);
  CHECK_ERR(rename("f", "new/"), ENOTDIR);
  CHECK_ERR(mknod("new/", S_IFREG, 0), ENOENT);
  CHECK_EQ(rename("d/", "d2/"), 0);
  unlink("lf"), unlink("ld"), unlink("f"), rmdir("d2");
}

TEST(dots) {
  SYS(mkdir("d", 0755));
  CHECK_ERR(rmdir("d/."), EINVAL);
  CHECK_ERR(rmdir("d/.."), ENOTEMPTY);
  CHECK_ERR(mkdir("d/.", 0755), EEXIST);
  CHECK_ERR(mkdir(".", 0755), EEXIST);
  CHECK_ERR(mkdir("/", 0755), EEXIST);
  CHECK_ERR(unlink("d/."), EISDIR);
  CHECK_ERR(rename("d/.", "e"), EBUSY);
  CHECK_ERR(rename("d", "d/.."), EBUSY);
  CHECK_ERR(rmdir("/"), EBUSY);
  CHECK_EQ(access("d/../d/./../d", F_OK), 0);
  CHECK_ERR(access("none/../d", F_OK), ENOENT);  // no textual folding
  rmdir("d");
}

TEST(long_names) {
  char name[PATH_MAX + 10];
  memset(name, 'n', 256), name[256] = 0;
  CHECK_ERR(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
  name[255] = 0;
  int fd = SYS(open(name, O_CREAT | O_RDWR, 0600));
  close(fd);
  SYS(unlink(name));
  memset(name, '/', sizeof name);
  name[PATH_MAX] = 0;
  CHECK_ERR(access(name, F_OK), ENAMETOOLONG);
  name[PATH_MAX - 1] = 0;
  CHECK_EQ(access(name, F_OK), 0);
}

TEST(deep_directories) {
  char cwd[PATH_MAX];
  REQUIRE(getcwd(cwd, sizeof cwd));
  int top = SYS(open(".", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < 300; i++) {
    SYS(mkdir("abcdefghijklmno", 0755));
    SYS(chdir("abcdefghijklmno"));
  }
  CHECK_ERR(syscall(SYS_getcwd, cwd, sizeof cwd), ENAMETOOLONG);
  put_file("bottom", "deep", 4);
  CHECK(is("bottom", "deep"));
  SYS(unlink("bottom"));
  for (int i = 0; i < 300; i++) {
    SYS(chdir(".."));
    SYS(rmdir("abcdefghijklmno"));
  }
  SYS(fchdir(top));
  close(top);
}

TEST(search_permission, FORKS) {
  if (getuid() != 0) SKIP("needs root");
  SYS(mkdir("open", 0755));
  SYS(mkdir("open/closed", 0700));
  put_file("open/closed/f", "x", 1);
  chmod("open/closed/f", 0666);
  put_file("open/unreadable", "x", 1);
  chmod("open/unreadable", 0200);
  SYS(mkdir("open/nolist", 0711));
  put_file("open/nolist/f", "x", 1);
  pid_t pid;
  CHILD(pid) {
    SYS(chdir("open"));
    SYS(setresgid(12345, 12345, 12345));
    SYS(setresuid(12345, 12345, 12345));
    CHECK_ERR(open("closed/f", O_RDONLY), EACCES);
    CHECK_ERR(open("closed/../unreadable", O_RDONLY), EACCES);
    CHECK_ERR(chdir("closed"), EACCES);
    CHECK_ERR(open("unreadable", O_RDONLY), EACCES);
    CHECK_ERR(open("unreadable", O_WRONLY), EACCES);
    CHECK_ERR(open("nolist", O_RDONLY), EACCES);
    CHECK_EQ(access("nolist/f", R_OK), 0);
    CHECK_ERR(open("new", O_CREAT | O_RDWR, 0600), EACCES);
    CHECK_ERR(unlink("unreadable"), EACCES);
    CHECK_ERR(mkdir("new", 0755), EACCES);
    int fd = open("nolist/f", O_PATH);
    CHECK(fd >= 0);
    CHECK(open("closed/f", O_PATH) == -1 && errno == EACCES);
  }
  wait_ok(pid);
  unlink("open/closed/f"), unlink("open/unreadable"), unlink("open/nolist/f");
  rmdir("open/closed"), rmdir("open/nolist"), rmdir("open");
}

TEST(magic_links) {
  char text[PATH_MAX] = "", cwd[PATH_MAX];
  REQUIRE(getcwd(cwd, sizeof cwd));
  CHECK(readlink("/proc/self/cwd", text, sizeof text - 1) > 0);
  CHECK(!strcmp(text, cwd));
  memset(text, 0, sizeof text);
  CHECK(readlink("/proc/self/exe", text, sizeof text - 1) > 0);
  CHECK(strstr(text, "file_path") != NULL);
  put_file("gone", "still there", 11);
  int fd = SYS(open("gone", O_RDONLY));
  SYS(unlink("gone"));
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  memset(text, 0, sizeof text);
  CHECK(readlink(name, text, sizeof text - 1) > 0);
  CHECK(strstr(text, "/gone (deleted)") != NULL);
  CHECK(is(name, "still there"));
  close(fd);
  snprintf(text, sizeof text, "%d", getpid());
  char self[32] = "";
  CHECK(readlink("/proc/self", self, sizeof self - 1) > 0);
  CHECK(!strcmp(self, text));
}

TEST(dotdot_of_moved_directory) {
  SYS(mkdir("a", 0755)), SYS(mkdir("b", 0755)), SYS(mkdir("a/in", 0755));
  put_file("b/mark", "b", 1);
  int fd = SYS(open("a/in", O_PATH | O_DIRECTORY));
  SYS(rename("a/in", "b/in"));
  CHECK_EQ(faccessat(fd, "../mark", F_OK, 0), 0);
  close(fd);
  unlink("b/mark"), rmdir("b/in"), rmdir("a"), rmdir("b");
}

TEST(removed_directory) {
  SYS(mkdir("gone", 0755));
  int fd = SYS(open("gone", O_RDONLY | O_DIRECTORY)), top = SYS(open(".", O_RDONLY | O_DIRECTORY));
  SYS(chdir("gone"));
  SYS(rmdir("../gone"));
  char text[PATH_MAX];
  CHECK(getcwd(text, sizeof text) == NULL && errno == ENOENT);
  CHECK_ERR(open("new", O_CREAT | O_RDWR, 0600), ENOENT);
  CHECK_ERR(mkdirat(fd, "new", 0700), ENOENT);
  CHECK_EQ(access("..", F_OK), 0);
  SYS(fchdir(top));
  struct stat status;
  SYS(fstat(fd, &status));
  CHECK_EQ(status.st_nlink, 0);
  close(fd), close(top);
}
