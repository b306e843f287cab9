// umlinit FOLDER COMMAND...: process 1 of a user-mode Linux: memory file systems, one command, the end.
//
// The command runs in an empty tmpfs or, unless FOLDER is "-", in that folder of the host. Its exit status is the last line.
#include "bench.h"

#include <sys/mount.h>
#include <sys/reboot.h>
#include <termios.h>

int main(int argc, char **argv) {
  int status = 0x7f00;
  if (argc < 3) return 2;
  if (strncmp(argv[argc - 1], "console=", 8) == 0) argv[argc - 1] = NULL;  // UML adds it to the words that it passes on
  CHECK(mount("proc", "/proc", "proc", 0, NULL));
  bool host = strcmp(argv[1], "-") != 0;
  CHECK(mount("none", "/mnt", host ? "hostfs" : "tmpfs", 0, host ? argv[1] : NULL));
  CHECK(chdir("/mnt"));
  pid_t child = CHECK(fork());
  if (child == 0) {
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  waitpid(child, &status, 0);
  printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  fflush(stdout);
  tcdrain(1);
  reboot(RB_POWER_OFF);
}
