// execve: arguments and their limits, scripts, errors, what is kept and what is not.
#include <sys/auxv.h>
#include <sys/resource.h>

#include "check.h"

extern char **environ;

static int run(const char *path, char *const args[], char *const env[]) {
  pid_t pid = SYS(fork());
  if (pid == 0) {
    execve(path, args, env);
    _exit(errno == ENOENT ? 101 : errno == EACCES ? 102 : errno == ENOEXEC ? 103 : errno == E2BIG ? 104 :
          errno == ETXTBSY ? 105 : errno == ELOOP ? 106 : errno == EFAULT ? 107 : errno == EISDIR ? 108 :
          errno == ENOTDIR ? 109 : errno == ENAMETOOLONG ? 110 : errno == EINVAL ? 111 : errno == ENOMEM ? 112 : 120);
  }
  int status = wait_status(pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

HELPER(arguments) {
  // Prints argv and the environment into fd 3, if it is there.
  FILE *out = fdopen(3, "w");
  if (!out) return 1;
  for (int i = 2; i < argc; i++) fprintf(out, "[%s]", argv[i]);
  for (char **e = environ; *e; e++) fprintf(out, "{%s}", *e);
  fclose(out);
  return argc % 100;
}

static char output[65536];
static int captured(const char *path, char *const args[], char *const env[]) {
  int ends[2];
  SYS(pipe2(ends, O_CLOEXEC));
  pid_t pid = SYS(fork());
  if (pid == 0) {
    dup2(ends[1], 3);
    fcntl(3, F_SETFD, 0);
    execve(path, args, env);
    _exit(120);
  }
  close(ends[1]);
  ssize_t n, total = 0;
  while ((n = read(ends[0], output + total, sizeof output - 1 - total)) > 0) total += n;
  output[total] = 0;
  close(ends[0]);
  return WEXITSTATUS(wait_status(pid));
}

TEST(arguments, FORKS) {
  char *args[] = {"zero", "@arguments", "", "a b", "\xff\n", NULL}, *env[] = {"A=1", "EMPTY=", "odd", NULL};
  CHECK_EQ(captured(check_self, args, env), 5);
  CHECK(!strcmp(output, "[][a b][\xff\n]{A=1}{EMPTY=}{odd}"));
  char *none[] = {NULL};
  CHECK_EQ(captured(check_self, (char *[]){"z", "@arguments", NULL}, none), 2);
  CHECK(!strcmp(output, ""));
}

TEST(many_arguments, FORKS) {
  static char *args[20004];
  args[0] = "z", args[1] = "@arguments";
  for (int i = 2; i < 20002; i++) args[i] = "1";
  CHECK_EQ(captured(check_self, args, environ), 20002 % 100);
}

TEST(too_long, FORKS) {
  static char one[131072 + 2];
  memset(one, 'x', sizeof one - 1);
  char *args[] = {"z", "@arguments", one, NULL};
  CHECK_EQ(run(check_self, args, environ), 104);  // one string over 128 KiB
  one[131071] = 0;
  CHECK_EQ(run(check_self, args, environ), 1);    // exactly that: it runs (and has no descriptor 3)
  static char *many[100];
  for (int i = 0; i < 99; i++) many[i] = one;
  CHECK_EQ(run(check_self, many, environ), 104);  // all together over a quarter of the stack limit
}

TEST(errors, FORKS) {
  char *args[] = {"x", NULL}, name[300], **volatile bad = (char **)8;
  memset(name, 'n', sizeof name - 1), name[299] = 0;
  put_file("plain", "#", 1);
  put_file("text", "not a program\n", 14);
  chmod("text", 0755);
  put_file("empty", "", 0);
  chmod("empty", 0755);
  mkdir("dir", 0755);
  symlink("loop", "loop");
  CHECK_EQ(run("missing", args, environ), 101);
  CHECK_EQ(run("", args, environ), 101);
  CHECK_EQ(run("plain", args, environ), 102);
  CHECK_EQ(run("dir", args, environ), 102);
  CHECK_EQ(run("text", args, environ), 103);
  CHECK_EQ(run("empty", args, environ), 103);
  CHECK_EQ(run("loop", args, environ), 106);
  CHECK_EQ(run("plain/x", args, environ), 109);
  CHECK_EQ(run(name, args, environ), 110);
  CHECK_EQ(run((char *)8, args, environ), 107);
  CHECK_EQ(run(check_self, bad, environ), 107);
  CHECK_EQ(run(check_self, (char *[]){"x", (char *)8, NULL}, environ), 107);
  CHECK_EQ(run("/dev/null", args, environ), 102);
  unlink("plain"), unlink("text"), unlink("empty"), rmdir("dir"), unlink("loop");
}

TEST(broken_elf, FORKS) {
  static const char header[64] = "\177ELF\2\1\1";
  char *args[] = {"x", NULL}, bytes[64];
  put_file("elf", header, 64);
  chmod("elf", 0755);
  CHECK_EQ(run("./elf", args, environ), 103);  // no machine
  memcpy(bytes, header, 64);
  bytes[16] = 2, bytes[18] = 3, bytes[20] = 1;  // i386
  put_file("elf", bytes, 64);
  CHECK_EQ(run("./elf", args, environ), 103);
  put_file("elf", "\177ELF", 4);
  CHECK_EQ(run("./elf", args, environ), 103);
  unlink("elf");
}

static void script(const char *name, const char *first_line) {
  put_file(name, first_line, strlen(first_line));
  SYS(chmod(name, 0755));
}

TEST(scripts, FORKS) {
  char line[PATH_MAX + 64], *none[] = {NULL}, *args[] = {"zero", "one", "two", NULL};
  snprintf(line, sizeof line, "#!%s @arguments\n", check_self);
  script("plain.sh", line);
  CHECK_EQ(captured("./plain.sh", args, none), 5);
  CHECK(!strcmp(output, "[./plain.sh][one][two]"));
  snprintf(line, sizeof line, "#! \t%s \t @arguments  \nrest", check_self);  // blanks around
  script("plain.sh", line);
  CHECK_EQ(captured("./plain.sh", args, none), 5);
  CHECK(!strcmp(output, "[./plain.sh][one][two]"));
  // One argument, however many words it has.
  snprintf(line, sizeof line, "#!%s @arguments more words\n", check_self);
  script("plain.sh", line);
  CHECK_EQ(captured("./plain.sh", args, none), 98);  // no helper of that name
  // A script run by a script: each puts its name in.
  char cwd[PATH_MAX / 2];
  REQUIRE(getcwd(cwd, sizeof cwd));
  snprintf(line, sizeof line, "#!%s @arguments\n", check_self);
  script("plain.sh", line);
  snprintf(line, sizeof line, "#!%s/plain.sh inner\n", cwd);
  script("outer.sh", line);
  CHECK_EQ(captured("./outer.sh", args, none), 7);
  snprintf(line, sizeof line, "[%s/plain.sh][inner][./outer.sh][one][two]", cwd);
  CHECK(!strcmp(output, line));
  unlink("plain.sh"), unlink("outer.sh");
}

TEST(script_errors, FORKS) {
  char *args[] = {"x", NULL}, cwd[PATH_MAX / 2], line[PATH_MAX];
  script("s", "#!/nonexistent/interpreter\n");
  CHECK_EQ(run("./s", args, environ), 101);
  script("s", "#!\n");
  CHECK_EQ(run("./s", args, environ), 103);
  script("s", "#!/\n");
  CHECK_EQ(run("./s", args, environ), 102);
  REQUIRE(getcwd(cwd, sizeof cwd));
  snprintf(line, sizeof line, "#!%s/s\n", cwd);  // its own interpreter
  script("s", line);
  CHECK_EQ(run("./s", args, environ), 106);
  unlink("s");
}

TEST(text_busy, FORKS) {
  char *args[] = {"x", "@arguments", NULL}, block[65536];
  int from = SYS(open(check_self, O_RDONLY)), to = SYS(open("copy", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
  for (ssize_t n; (n = read(from, block, sizeof block)) > 0;) REQUIRE(write(to, block, n) == n);
  CHECK_EQ(run("./copy", args, environ), 105);
  close(to);
  pid_t pid = SYS(fork());
  if (pid == 0) {
    execl("./copy", "copy", "@stopped", NULL);
    _exit(99);
  }
  int status;
  SYS(waitpid(pid, &status, WUNTRACED));
  CHECK(WIFSTOPPED(status));
  CHECK_ERR(open("copy", O_WRONLY), ETXTBSY);
  CHECK_ERR(truncate("copy", 0), ETXTBSY);
  CHECK_EQ(unlink("copy"), 0);
  kill(pid, SIGKILL);
  wait_status(pid);
  close(from);
}
HELPER(stopped) { return raise(SIGSTOP); }

// What exec keeps: ids, limits, directory, umask, open files. What it drops: CLOEXEC, timers' memory.
HELPER(kept) {
  struct rlimit limit;
  CHECK_EQ(atoi(argv[2]), getpid());
  CHECK_EQ(atoi(argv[3]), getppid());
  CHECK_EQ(fcntl(50, F_GETFD), 0);
  CHECK_ERR(fcntl(51, F_GETFD), EBADF);
  CHECK_EQ(umask(0), 0123);
  getrlimit(RLIMIT_NOFILE, &limit);
  CHECK_EQ(limit.rlim_cur, 77);
  CHECK_EQ(getpgrp(), getpid());
  CHECK(alarm(0) > 0);
  CHECK(getauxval(AT_PAGESZ) == 4096);
  CHECK(getauxval(AT_RANDOM) != 0);
  CHECK(getauxval(AT_SECURE) == 0);
  CHECK(getauxval(AT_EXECFN) && !strcmp((char *)getauxval(AT_EXECFN), check_self));
  CHECK(getauxval(AT_PHDR) && getauxval(AT_PHNUM) > 0 && getauxval(AT_ENTRY));
  CHECK_EQ(getauxval(AT_UID), getuid());
  CHECK(getauxval(AT_PLATFORM) && !strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
  return check_failures != 0;
}

TEST(keeps, FORKS) {
  pid_t pid;
  CHILD(pid) {
    char me[16], parent[16];
    struct rlimit limit = {77, 200};
    SYS(dup2(1, 50));
    SYS(dup3(1, 51, O_CLOEXEC));
    SYS(setrlimit(RLIMIT_NOFILE, &limit));
    umask(0123);
    setpgid(0, 0);
    alarm(1000);
    snprintf(me, sizeof me, "%d", getpid());
    snprintf(parent, sizeof parent, "%d", getppid());
    execl(check_self, check_self, "@kept", me, parent, NULL);
  }
  wait_ok(pid);
}

TEST(fexecve, FORKS) {
  int fd = SYS(open(check_self, O_RDONLY | O_CLOEXEC));
  char *args[] = {"z", "@arguments", NULL};
  pid_t pid = SYS(fork());
  if (pid == 0) {
    syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
    _exit(99);
  }
  CHECK_EQ(wait_status(pid), exited(1));
  CHECK_ERR(syscall(SYS_execveat, fd, "", args, environ, 0), ENOENT);
  CHECK_ERR(syscall(SYS_execveat, fd, "x", args, environ, 0x80000), EINVAL);
  close(fd);
}
