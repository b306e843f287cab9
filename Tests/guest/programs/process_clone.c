// clone's flags one by one: what is shared, what is told to whom.
#include <linux/futex.h>
#include <linux/sched.h>

#include "check.h"

// A child that shares memory runs `work` on a stack of its own.
static char stacks[4][65536] __attribute__((aligned(64)));
static pid_t clone_child(int which, unsigned long flags, int (*work)(void *), void *argument) {
  return SYS(clone(work, stacks[which] + sizeof stacks[which] - 64, flags | SIGCHLD, argument));
}

static int sets(void *word) {
  *(volatile int *)word = 5;
  return 6;
}

TEST(vm) {
  int word = 0;
  CHECK_EQ(wait_status(clone_child(0, CLONE_VM, sets, &word)), exited(6));
  CHECK_EQ(word, 5);
}

TEST(without_vm, FORKS) {
  int word = 0;
  CHECK_EQ(wait_status(clone_child(0, 0, sets, &word)), exited(6));
  CHECK_EQ(word, 0);
}

static int opens(void *fd) {
  *(int *)fd = open("/dev/null", O_RDONLY);
  close(0);
  return *(int *)fd < 0;
}

TEST(files) {
  int fd = -1, zero = SYS(dup(0));
  wait_ok(clone_child(0, CLONE_VM | CLONE_FILES, opens, &fd));
  CHECK_EQ(close(fd), 0);
  CHECK_ERR(fcntl(0, F_GETFD), EBADF);
  SYS(dup2(zero, 0));
  wait_ok(clone_child(0, CLONE_VM, opens, &fd));
  CHECK_ERR(close(fd), EBADF);
  CHECK_EQ(fcntl(0, F_GETFD), 0);
  close(zero);
}

static int moves(void *unused) {
  (void)unused;
  umask(077);
  return chdir("/proc") && chdir("/dev");
}

TEST(fs) {
  char before[PATH_MAX], after[PATH_MAX];
  umask(022);
  REQUIRE(getcwd(before, sizeof before));
  wait_ok(clone_child(0, CLONE_VM, moves, NULL));
  REQUIRE(getcwd(after, sizeof after));
  CHECK(!strcmp(before, after));
  CHECK_EQ(umask(022), 022);
  wait_ok(clone_child(0, CLONE_VM | CLONE_FS, moves, NULL));
  REQUIRE(getcwd(after, sizeof after));
  CHECK(strcmp(before, after) != 0);
  CHECK_EQ(umask(022), 077);
  SYS(chdir(before));
}

static void handler(int signal) { (void)signal; }
static int handles(void *unused) {
  (void)unused;
  struct sigaction action = {.sa_handler = handler};
  return sigaction(SIGUSR1, &action, NULL);
}

TEST(sighand) {
  struct sigaction now;
  on_signal(SIGUSR1, SIG_DFL, 0);
  wait_ok(clone_child(0, CLONE_VM, handles, NULL));
  SYS(sigaction(SIGUSR1, NULL, &now));
  CHECK(now.sa_handler == SIG_DFL);
  wait_ok(clone_child(0, CLONE_VM | CLONE_SIGHAND, handles, NULL));
  SYS(sigaction(SIGUSR1, NULL, &now));
  CHECK(now.sa_handler == handler);
}

static pid_t sibling;
static int makes_sibling(void *unused) {
  (void)unused;
  sibling = clone(sets, stacks[1] + sizeof stacks[1] - 64, CLONE_VM | CLONE_PARENT | SIGCHLD, stacks[2]);
  return sibling < 0;
}

TEST(parent) {
  wait_ok(clone_child(0, CLONE_VM, makes_sibling, NULL));
  CHECK_EQ(wait_status(sibling), exited(6));
}

TEST(settid, FORKS) {
  pid_t ptid = 0, *ctid = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  pid_t pid = SYS(syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &ptid, ctid, 0));
  if (pid == 0) _exit(*ctid == getpid() ? 0 : 1);
  CHECK_EQ(ptid, pid);
  wait_ok(pid);
  CHECK_EQ(*ctid, pid);
}

// CHILD_SETTID writes the child's memory only.
TEST(child_settid_private, FORKS) {
  pid_t word = 0;
  pid_t pid = SYS(syscall(SYS_clone, CLONE_CHILD_SETTID | SIGCHLD, 0, 0, &word, 0));
  if (pid == 0) _exit(word == getpid() ? 0 : 1);
  wait_ok(pid);
  CHECK_EQ(word, 0);
}

static int naps(void *unused) {
  (void)unused;
  usleep(10000);
  return 0;
}

// The word is cleared at exit, and a futex waiter woken.
TEST(cleartid, CPUS) {
  for (int i = 0; i < 20; i++) {
    static pid_t word;
    word = 1;
    pid_t pid = clone(naps, stacks[0] + sizeof stacks[0] - 64, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
                      NULL, NULL, NULL, &word);
    REQUIRE(pid > 0);
    struct timespec t = {20, 0};
    long got = syscall(SYS_futex, &word, FUTEX_WAIT, 1, &t);
    CHECK(got == 0 || errno == EAGAIN);
    CHECK_EQ(*(volatile pid_t *)&word, 0);
    wait_ok(pid);
  }
}

static int tls_word(void *unused) {
  (void)unused;
  unsigned long value;
  __asm__("mov %%fs:0, %0" : "=r"(value));
  return value == 0x777 ? 0 : 1;
}

TEST(settls) {
  static unsigned long block[64] = {0x777};
  pid_t pid = clone(tls_word, stacks[0] + sizeof stacks[0] - 64, CLONE_VM | CLONE_SETTLS | SIGCHLD, NULL,
                    NULL, block);
  REQUIRE(pid > 0);
  wait_ok(pid);
}

TEST(errors) {
  CHECK_ERR(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
  CHECK_ERR(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
  CHECK_ERR(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
  CHECK_ERR(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

TEST(clone3, FORKS) {
  pid_t word = 0;
  struct clone_args args = {.flags = CLONE_PARENT_SETTID, .parent_tid = (uintptr_t)&word, .exit_signal = SIGCHLD};
  pid_t pid = SYS(syscall(SYS_clone3, &args, sizeof args));
  if (pid == 0) _exit(21);
  CHECK_EQ(word, pid);
  CHECK_EQ(wait_status(pid), exited(21));
  pid = SYS(syscall(SYS_clone3, &args, 64));  // the first version's size
  if (pid == 0) _exit(22);
  CHECK_EQ(wait_status(pid), exited(22));
}

TEST(clone3_errors) {
  struct { struct clone_args args; char more[64]; } big = {.args = {.exit_signal = SIGCHLD}};
  CHECK_ERR(syscall(SYS_clone3, &big, 63), EINVAL);
  big.more[40] = 1;
  CHECK_ERR(syscall(SYS_clone3, &big, sizeof big), E2BIG);
  struct clone_args args = {.exit_signal = 65};
  CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  args = (struct clone_args){.exit_signal = SIGCHLD, .stack = 0x10000};
  CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  args = (struct clone_args){.flags = SIGCHLD, .exit_signal = SIGCHLD};
  CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  args = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD};
  CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
}

// Without an MMU a copy of the address space cannot be made: EINVAL, as on nommu Linux.
TEST(fork_without_mmu, MARTLET) {
  if (!without_mmu()) SKIP("has fork");
  CHECK_ERR(syscall(SYS_fork), EINVAL);
  CHECK_ERR(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), EINVAL);
  struct clone_args args = {.exit_signal = SIGCHLD};
  CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
}
