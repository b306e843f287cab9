// Owners, modes, sticky bits, access, umask, chroot: as root and as somebody else.
// guest: roots=default,host
#include <grp.h>
#include <sys/statfs.h>

#include "check.h"

static void become(uid_t uid) {
  SYS(setgroups(0, NULL));
  SYS(setresgid(uid, uid, uid));
  SYS(setresuid(uid, uid, uid));
}
#define NEEDS_ROOT() \
  if (getuid() != 0) SKIP("needs root")

static int mode(const char *path) {
  struct stat status;
  SYS(stat(path, &status));
  return status.st_mode & 07777;
}

TEST(chmod) {
  put_file("f", "x", 1);
  SYS(mkdir("d", 0755)), SYS(symlink("f", "l"));
  SYS(chmod("f", 07777));
  CHECK_EQ(mode("f"), 07777);
  SYS(chmod("l", 0640));
  CHECK_EQ(mode("f"), 0640);
  int fd = SYS(open("f", O_RDONLY));
  SYS(fchmod(fd, 0));
  CHECK_EQ(mode("f"), 0);
  close(fd);
  SYS(chmod("d", 01777));
  CHECK_EQ(mode("d"), 01777);
  CHECK_ERR(chmod("none", 0), ENOENT);
  CHECK_ERR(fchmod(999, 0), EBADF);
  unlink("l"), unlink("f"), rmdir("d");
}

TEST(chown, FORKS) {
  NEEDS_ROOT();
  put_file("f", "x", 1);
  SYS(symlink("f", "l"));
  struct stat status;
  SYS(chmod("f", 06755));
  SYS(chown("f", 1234, 2345));
  SYS(stat("f", &status));
  CHECK(status.st_uid == 1234 && status.st_gid == 2345);
  CHECK_EQ(status.st_mode & 07777, 0755);  // set-id bits go
  SYS(chown("f", -1, 77));
  SYS(stat("f", &status));
  CHECK(status.st_uid == 1234 && status.st_gid == 77);
  SYS(lchown("l", 5, 6));
  SYS(lstat("l", &status));
  CHECK(status.st_uid == 5 && status.st_gid == 6);
  SYS(stat("l", &status));
  CHECK_EQ(status.st_uid, 1234);
  pid_t pid;
  SYS(chmod(".", 0777));
  CHILD(pid) {
    become(1234);
    CHECK_ERR(chown("f", 0, -1), EPERM);
    CHECK_ERR(chown("f", 4321, -1), EPERM);
    CHECK_ERR(chown("f", -1, 4321), EPERM);  // not a group of mine
    CHECK_EQ(chown("f", -1, 1234), 0);
    CHECK_EQ(chown("f", 1234, -1), 0);
    CHECK_EQ(chmod("f", 0600), 0);
  }
  wait_ok(pid);
  CHILD(pid) {
    become(999);
    CHECK_ERR(chmod("f", 0666), EPERM);
    CHECK_ERR(truncate("f", 0), EACCES);
    CHECK_ERR(open("f", O_RDONLY), EACCES);
  }
  wait_ok(pid);
  unlink("l"), unlink("f");
}

// Owner, group, others: the first class that matches decides, even when a later one is more open.
TEST(first_class_decides, FORKS) {
  NEEDS_ROOT();
  static const struct { int mode, uid_class, can; } rows[] = {
      {0400, 0, 4}, {0040, 0, 0}, {0004, 0, 0}, {0040, 1, 4}, {0400, 1, 0}, {0004, 1, 0},
      {0004, 2, 4}, {0440, 2, 0}, {0222, 0, 2}, {0111, 2, 1}, {0770, 2, 0}, {0070, 1, 7}, {0007, 2, 7}};
  SYS(chmod(".", 0755));
  put_file("f", "x", 1);
  SYS(chown("f", 100, 200));
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    SYS(chmod("f", rows[i].mode));
    pid_t pid;
    CHILD(pid) {
      SYS(setgroups(0, NULL));
      SYS(setresgid(rows[i].uid_class == 1 ? 200 : 300, rows[i].uid_class == 1 ? 200 : 300, 300));
      SYS(setresuid(rows[i].uid_class == 0 ? 100 : 400, rows[i].uid_class == 0 ? 100 : 400, 400));
      for (int want = 1; want < 8; want++)
        if ((access("f", want) == 0) != ((rows[i].can & want) == want)) FAIL("row %u, access %d", i, want);
    }
    wait_ok(pid);
  }
  // A supplementary group counts.
  SYS(chmod("f", 0040));
  pid_t pid;
  CHILD(pid) {
    gid_t groups[] = {7, 200};
    SYS(setgroups(2, groups));
    SYS(setresgid(300, 300, 300));
    SYS(setresuid(400, 400, 400));
    CHECK_EQ(access("f", R_OK), 0);
  }
  wait_ok(pid);
  unlink("f");
}

TEST(root_may, FORKS) {
  NEEDS_ROOT();
  put_file("f", "x", 1);
  SYS(chown("f", 100, 200));
  SYS(chmod("f", 0));
  CHECK_EQ(access("f", R_OK | W_OK), 0);
  CHECK_ERR(access("f", X_OK), EACCES);  // there must be one x bit
  SYS(chmod("f", 0001));
  CHECK_EQ(access("f", X_OK), 0);
  unlink("f");
}

TEST(sticky, FORKS) {
  NEEDS_ROOT();
  SYS(chmod(".", 0755));
  SYS(mkdir("s", 01777));
  SYS(chmod("s", 01777));
  put_file("s/root", "x", 1), put_file("s/mine", "x", 1), put_file("s/mine2", "x", 1);
  SYS(chown("s/mine", 100, 100)), SYS(chown("s/mine2", 100, 100));
  pid_t pid;
  CHILD(pid) {
    become(100);
    CHECK_ERR(unlink("s/root"), EPERM);
    CHECK_ERR(rename("s/root", "s/new"), EPERM);
    CHECK_ERR(rename("s/mine", "s/root"), EPERM);
    CHECK_EQ(rename("s/mine", "s/moved"), 0);
    CHECK_EQ(unlink("s/moved"), 0);
    CHECK_EQ(mkdir("s/d", 0755), 0);
    CHECK_EQ(rmdir("s/d"), 0);
  }
  wait_ok(pid);
  CHECK_EQ(unlink("s/mine2"), 0);
  unlink("s/root"), rmdir("s");
}

TEST(setgid_directory) {
  NEEDS_ROOT();
  SYS(mkdir("d", 0755));
  SYS(chown("d", -1, 321));
  SYS(chmod("d", 02755));
  put_file("d/f", "x", 1);
  SYS(mkdir("d/e", 0755));
  struct stat status;
  SYS(stat("d/f", &status));
  CHECK_EQ(status.st_gid, 321);
  SYS(stat("d/e", &status));
  CHECK_EQ(status.st_gid, 321);
  CHECK_EQ(status.st_mode & 07777, 02755);
  unlink("d/f"), rmdir("d/e"), rmdir("d");
}

// A write by somebody without privilege takes the set-id bits away.
TEST(write_drops_setid, FORKS) {
  NEEDS_ROOT();
  SYS(chmod(".", 0755));
  put_file("f", "x", 1);
  SYS(chown("f", 100, 100));
  SYS(chmod("f", 06755));
  pid_t pid;
  CHILD(pid) {
    become(100);
    int fd = SYS(open("f", O_WRONLY));
    CHECK_EQ(write(fd, "y", 1), 1);
  }
  wait_ok(pid);
  CHECK_EQ(mode("f"), 0755);
  unlink("f");
}

TEST(access_uses_real_ids, FORKS) {
  NEEDS_ROOT();
  SYS(chmod(".", 0755));
  put_file("f", "x", 1);
  SYS(chmod("f", 0600));
  pid_t pid;
  CHILD(pid) {
    SYS(setresuid(100, 0, 0));
    CHECK_ERR(access("f", R_OK), EACCES);
    CHECK_EQ(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS), 0);
    CHECK_EQ(syscall(439 /* faccessat2 */, AT_FDCWD, "f", R_OK, AT_EACCESS), 0);
    int fd = open("f", O_RDONLY);
    CHECK(fd >= 0);
  }
  wait_ok(pid);
  CHECK_ERR(access("f", 8), EINVAL);
  CHECK_ERR(syscall(439, AT_FDCWD, "f", R_OK, 0x8000), EINVAL);
  CHECK_ERR(access("none", F_OK), ENOENT);
  unlink("f");
}

TEST(umask) {
  umask(0);
  CHECK_EQ(umask(077), 0);
  int fd = SYS(open("f", O_CREAT | O_RDWR, 0666));
  CHECK_EQ(mode("f"), 0600);
  close(fd);
  CHECK_EQ(umask(07777), 077);
  CHECK_EQ(umask(022), 0777);  // only the permission bits count
  unlink("f");
}

TEST(chroot, FORKS) {
  NEEDS_ROOT();
  SYS(mkdir("jail", 0755)), SYS(mkdir("jail/in", 0755));
  put_file("jail/f", "inside", 6), put_file("outside", "x", 1);
  SYS(symlink("/f", "jail/in/abs")), SYS(symlink("../../../../../f", "jail/in/up"));
  pid_t pid;
  CHILD(pid) {
    int out = SYS(open(".", O_RDONLY | O_DIRECTORY));
    SYS(chroot("jail"));
    SYS(chdir("/"));
    char text[PATH_MAX] = "";
    REQUIRE(getcwd(text, sizeof text));
    CHECK(!strcmp(text, "/"));
    CHECK_EQ(access("/f", F_OK), 0);
    CHECK_EQ(access("/../../f", F_OK), 0);
    CHECK_EQ(access("/in/abs", F_OK), 0);
    CHECK_EQ(access("/in/up", F_OK), 0);
    CHECK_ERR(access("../outside", F_OK), ENOENT);
    CHECK_EQ(faccessat(out, "outside", F_OK, 0), 0);  // a descriptor from before still leads there
    SYS(chdir("in"));
    REQUIRE(getcwd(text, sizeof text));
    CHECK(!strcmp(text, "/in"));
    SYS(fchdir(out));
    CHECK_EQ(access("outside", F_OK), 0);
    CHECK(syscall(SYS_getcwd, text, sizeof text) > 0 && !strncmp(text, "(unreachable)", 13));
    CHECK_ERR(chroot("none"), ENOENT);
  }
  wait_ok(pid);
  unlink("jail/in/abs"), unlink("jail/in/up"), unlink("jail/f"), unlink("outside"), rmdir("jail/in"), rmdir("jail");
}

TEST(directory_of_process, FORKS) {
  char before[PATH_MAX], after[PATH_MAX];
  REQUIRE(getcwd(before, sizeof before));
  SYS(mkdir("d", 0755));
  put_file("f", "x", 1);
  pid_t pid;
  CHILD(pid) SYS(chdir("d"));
  wait_ok(pid);
  REQUIRE(getcwd(after, sizeof after));
  CHECK(!strcmp(before, after));
  SYS(chdir("d"));
  REQUIRE(getcwd(after, sizeof after));
  CHECK(!strncmp(before, after, strlen(before)) && !strcmp(after + strlen(before), "/d"));
  CHECK_EQ(syscall(SYS_getcwd, after, sizeof after), (long)strlen(before) + 3);
  CHECK_ERR(syscall(SYS_getcwd, after, 3), ERANGE);
  SYS(rename("../d", "../e"));
  REQUIRE(getcwd(after, sizeof after));
  CHECK(!strcmp(after + strlen(before), "/e"));
  SYS(chdir(".."));
  CHECK_ERR(chdir("f"), ENOTDIR);
  CHECK_ERR(chdir("none"), ENOENT);
  CHECK_ERR(fchdir(999), EBADF);
  rmdir("e"), unlink("f");
}
