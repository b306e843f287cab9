// rename, link, unlink, mkdir, rmdir: what they refuse and what they do.
// guest: variants=static,musl roots=default,host
#include "check.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static long rename2(const char *from, const char *to, unsigned flags) {
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}
static bool there(const char *path) { return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0; }
static ino_t inode(const char *path) {
  struct stat status;
  SYS(lstat(path, &status));
  return status.st_ino;
}
static int links(const char *path) {
  struct stat status;
  SYS(lstat(path, &status));
  return status.st_nlink;
}

TEST(rename_files) {
  put_file("a", "A", 1), put_file("b", "B", 1);
  ino_t a = inode("a");
  int b = SYS(open("b", O_RDONLY));
  SYS(rename("a", "b"));
  CHECK(!there("a"));
  CHECK_EQ(inode("b"), a);
  char byte = 0;
  CHECK_EQ(read(b, &byte, 1), 1);  // the replaced one lives while it is open
  CHECK_EQ(byte, 'B');
  struct stat status;
  SYS(fstat(b, &status));
  CHECK_EQ(status.st_nlink, 0);
  close(b);
  CHECK_EQ(rename("b", "b"), 0);
  SYS(link("b", "c"));
  CHECK_EQ(rename("b", "c"), 0);  // the same file: nothing happens
  CHECK(there("b") && there("c"));
  CHECK_ERR(rename("none", "x"), ENOENT);
  CHECK_ERR(rename("b", "none/x"), ENOENT);
  CHECK_ERR(rename("b", "c/x"), ENOTDIR);
  CHECK_ERR(rename("", "x"), ENOENT);
  unlink("b"), unlink("c");
}

TEST(rename_directories) {
  SYS(mkdir("d", 0755)), SYS(mkdir("e", 0755)), SYS(mkdir("d/sub", 0755));
  put_file("f", "x", 1), put_file("e/f", "x", 1);
  CHECK_ERR(rename("d", "f"), ENOTDIR);
  CHECK_ERR(rename("f", "d"), EISDIR);
  CHECK_ERR(rename("d", "e"), ENOTEMPTY);
  CHECK_ERR(rename("d", "d/sub/x"), EINVAL);  // into itself
  CHECK_ERR(rename("d", "d/x"), EINVAL);
  CHECK_ERR(rename("d/sub", "d"), ENOTEMPTY);
  CHECK_ERR(rename("f/x", "y"), ENOTDIR);
  SYS(unlink("e/f"));
  SYS(rename("d", "e"));  // over an empty one
  CHECK(there("e/sub") && !there("d"));
  CHECK_EQ(links("e"), 3);
  SYS(mkdir("d", 0755));
  SYS(rename("e/sub", "d/sub"));
  CHECK_EQ(links("e"), 2);
  CHECK_EQ(links("d"), 3);
  CHECK_EQ(inode("d/sub/.."), inode("d"));
  rmdir("d/sub"), rmdir("d"), rmdir("e"), unlink("f");
}

TEST(rename_links) {
  put_file("f", "x", 1);
  SYS(symlink("f", "l")), SYS(symlink("none", "dangling"));
  SYS(rename("l", "m"));  // the link itself
  CHECK(there("m") && there("f"));
  SYS(rename("f", "dangling"));
  CHECK(!there("none"));
  struct stat status;
  SYS(lstat("dangling", &status));
  CHECK(S_ISREG(status.st_mode));
  unlink("m"), unlink("dangling");
}

TEST(rename_flags) {
  put_file("a", "A", 1), put_file("b", "B", 1);
  SYS(mkdir("d", 0755));
  put_file("d/x", "", 0);
  CHECK_ERR(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
  SYS(rename2("a", "c", RENAME_NOREPLACE));
  ino_t c = inode("c"), b = inode("b"), d = inode("d");
  SYS(rename2("c", "b", RENAME_EXCHANGE));
  CHECK(inode("c") == b && inode("b") == c);
  SYS(rename2("c", "d", RENAME_EXCHANGE));  // of different kinds
  CHECK(inode("c") == d && there("c/x"));
  CHECK_ERR(rename2("b", "none", RENAME_EXCHANGE), ENOENT);
  CHECK_ERR(rename2("b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
  CHECK_ERR(rename2("b", "c", 0x80), EINVAL);
  unlink("c/x"), rmdir("c"), unlink("d"), unlink("b");
}

TEST(hard_links) {
  put_file("a", "A", 1);
  SYS(mkdir("d", 0755)), SYS(symlink("a", "l"));
  SYS(link("a", "b"));
  CHECK_EQ(links("a"), 2);
  CHECK_EQ(inode("a"), inode("b"));
  CHECK_ERR(link("a", "b"), EEXIST);
  CHECK_ERR(link("none", "c"), ENOENT);
  CHECK_ERR(link("d", "c"), EPERM);
  CHECK_ERR(link("a", "none/c"), ENOENT);
  SYS(link("l", "l2"));  // the link itself
  CHECK_EQ(inode("l"), inode("l2"));
  SYS(linkat(AT_FDCWD, "l", AT_FDCWD, "c", AT_SYMLINK_FOLLOW));
  CHECK_EQ(inode("c"), inode("a"));
  CHECK_EQ(links("a"), 3);
  SYS(unlink("a"));
  CHECK_EQ(links("b"), 2);
  CHECK_ERR(linkat(AT_FDCWD, "b", AT_FDCWD, "x", 0x8000), EINVAL);
  unlink("b"), unlink("c"), unlink("l"), unlink("l2"), rmdir("d");
}

TEST(unlink_errors) {
  SYS(mkdir("d", 0755)), SYS(mkdir("d/e", 0755));
  put_file("f", "x", 1);
  SYS(symlink("d", "l"));
  CHECK_ERR(unlink("d"), EISDIR);
  CHECK_ERR(unlink("none"), ENOENT);
  CHECK_ERR(unlink("f/x"), ENOTDIR);
  CHECK_ERR(unlink(""), ENOENT);
  CHECK_ERR(rmdir("f"), ENOTDIR);
  CHECK_ERR(rmdir("l"), ENOTDIR);
  CHECK_ERR(rmdir("d"), ENOTEMPTY);
  CHECK_ERR(rmdir("none"), ENOENT);
  CHECK_ERR(unlinkat(AT_FDCWD, "d", 0), EISDIR);
  CHECK_ERR(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
  CHECK_ERR(unlinkat(AT_FDCWD, "f", 0x8000), EINVAL);
  CHECK_EQ(unlinkat(AT_FDCWD, "d/e", AT_REMOVEDIR), 0);
  SYS(unlink("l"));
  CHECK(there("d"));
  unlink("f"), rmdir("d");
}

TEST(mkdir_and_mknod) {
  umask(027);
  struct stat status;
  SYS(mkdir("d", 0777));
  SYS(stat("d", &status));
  CHECK_EQ(status.st_mode, S_IFDIR | 0750);
  CHECK_EQ(status.st_nlink, 2);
  CHECK_ERR(mkdir("d", 0777), EEXIST);
  CHECK_ERR(mkdir("none/d", 0777), ENOENT);
  CHECK_ERR(mkdir("", 0777), ENOENT);
  SYS(mkdir("s", 01777));
  SYS(stat("s", &status));
  CHECK_EQ(status.st_mode, S_IFDIR | 01750);
  SYS(mknod("f", S_IFREG | 0666, 0));
  SYS(stat("f", &status));
  CHECK_EQ(status.st_mode, S_IFREG | 0640);
  CHECK_ERR(mknod("f", S_IFREG, 0), EEXIST);
  CHECK_ERR(mknod("g", S_IFDIR, 0), EPERM);
  CHECK_ERR(mknod("g", 0130000, 0), EINVAL);
  SYS(mknod("p", S_IFIFO | 0666, 0));
  SYS(stat("p", &status));
  CHECK_EQ(status.st_mode, S_IFIFO | 0640);
  umask(022);
  rmdir("d"), rmdir("s"), unlink("f"), unlink("p");
}

TEST(descriptor_relative) {
  SYS(mkdir("d", 0755));
  put_file("d/f", "x", 1), put_file("top", "t", 1);
  int d = SYS(open("d", O_RDONLY | O_DIRECTORY)), f = SYS(open("top", O_RDONLY));
  struct stat status;
  CHECK_EQ(fstatat(d, "f", &status, 0), 0);
  CHECK_EQ(fstatat(d, "../top", &status, 0), 0);
  CHECK_EQ(fstatat(f, "", &status, AT_EMPTY_PATH), 0);
  CHECK_EQ(status.st_size, 1);
  CHECK_ERR(fstatat(f, "", &status, 0), ENOENT);
  CHECK_ERR(fstatat(f, "x", &status, 0), ENOTDIR);
  CHECK_ERR(fstatat(999, "x", &status, 0), EBADF);
  CHECK_EQ(fstatat(999, "/", &status, 0), 0);  // an absolute path needs no descriptor
  CHECK_ERR(fstatat(d, "f", &status, 0x8000), EINVAL);
  CHECK_EQ(mkdirat(d, "sub", 0755), 0);
  CHECK_EQ(symlinkat("f", d, "l"), 0);
  CHECK_EQ(fstatat(d, "l", &status, AT_SYMLINK_NOFOLLOW), 0);
  CHECK(S_ISLNK(status.st_mode));
  CHECK_EQ(renameat(d, "f", AT_FDCWD, "moved"), 0);
  CHECK_EQ(linkat(AT_FDCWD, "moved", d, "sub/again", 0), 0);
  char text[8] = "";
  CHECK_EQ(readlinkat(d, "l", text, 8), 1);
  CHECK_EQ(fchmodat(d, "sub/again", 0600, 0), 0);
  CHECK_EQ(faccessat(d, "sub/again", R_OK, 0), 0);
  CHECK_EQ(unlinkat(d, "sub/again", 0), 0);
  CHECK_EQ(unlinkat(d, "sub", AT_REMOVEDIR), 0);
  CHECK_EQ(unlinkat(d, "l", 0), 0);
  close(d), close(f);
  unlink("moved"), unlink("top"), rmdir("d");
}

// procfs has no new names to give; sysfs finds none but refuses to make one.
TEST(names_of_the_kernel) {
  static const char *const directories[] = {"/proc", "/proc/self", "/proc/self/fd", "/proc/sys", "/proc/self/task"};
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s/new", directories[i]);
    CHECK_ERR(mkdir(name, 0755), ENOENT);
    CHECK_ERR(mknod(name, S_IFIFO | 0600, 0), ENOENT);
    CHECK_ERR(open(name, O_WRONLY | O_CREAT, 0600), ENOENT);
    CHECK_ERR(symlink("x", name), ENOENT);
    CHECK_ERR(link("/proc/version", name), ENOENT);
    CHECK_ERR(rename("/proc/version", name), ENOENT);
    CHECK_ERR(rmdir(name), ENOENT);
  }
  CHECK_ERR(unlink("/proc/version"), EPERM);
  CHECK_ERR(mkdir("/sys/new", 0755), EPERM);
  CHECK_ERR(open("/sys/new", O_WRONLY | O_CREAT, 0600), EACCES);
}
