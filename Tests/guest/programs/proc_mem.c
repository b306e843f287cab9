// /proc/PID/mem, and process_vm_readv(2) where it shows the same.
// guest: variants=static,dynamic,musl
#include <sys/uio.h>

#include "memory.h"

static int own(void) { return SYS(open("/proc/self/mem", O_RDWR)); }

static int data = 0x1234;
TEST(data) {
  int fd = own(), got = 0, new = 0x5678;
  CHECK_EQ(pread(fd, &got, sizeof got, (off_t)(uintptr_t)&data), sizeof got);
  CHECK_EQ(got, 0x1234);
  CHECK_EQ(pwrite(fd, &new, sizeof new, (off_t)(uintptr_t)&data), sizeof new);
  CHECK_EQ(*(volatile int *)&data, 0x5678);
  int local = 77;
  CHECK_EQ(pread(fd, &got, sizeof got, (off_t)(uintptr_t)&local), sizeof got);
  CHECK_EQ(got, 77);
  close(fd);
}

TEST(position) {
  int fd = own();
  static char text[] = "0123456789";
  char part[4];
  CHECK_EQ(lseek(fd, (off_t)(uintptr_t)text, SEEK_SET), (off_t)(uintptr_t)text);
  CHECK_EQ(read(fd, part, 4), 4);
  CHECK_EQ(memcmp(part, "0123", 4), 0);
  CHECK_EQ(lseek(fd, 2, SEEK_CUR), (off_t)(uintptr_t)text + 6);
  CHECK_EQ(write(fd, "ab", 2), 2);
  CHECK_EQ(strcmp(text, "012345ab89"), 0);
  CHECK_ERR(lseek(fd, 0, SEEK_END), EINVAL);
  CHECK_EQ(read(fd, part, 0), 0);
  close(fd);
}

TEST(holes) {
  int fd = own();
  char *p = map_pages(3, RW), buffer[3 * 4096];
  memset(p, 7, 3 * 4096);
  SYS(munmap(p + 2 * 4096, 4096));
  CHECK_EQ(pread(fd, buffer, 3 * 4096, (off_t)(uintptr_t)p), 2 * 4096);
  CHECK_EQ(pwrite(fd, buffer, 3 * 4096, (off_t)(uintptr_t)p), 2 * 4096);
  CHECK_ERR(pread(fd, buffer, 10, (off_t)(uintptr_t)p + 2 * 4096), EIO);
  CHECK_ERR(pwrite(fd, buffer, 10, (off_t)(uintptr_t)p + 2 * 4096), EIO);
  CHECK_ERR(pread(fd, buffer, 10, 0), EIO);
  CHECK_ERR(pread(fd, (void *)8, 10, (off_t)(uintptr_t)p), EFAULT);
  CHECK_ERR(pwrite(fd, (void *)8, 10, (off_t)(uintptr_t)p), EFAULT);
  close(fd);
}

// More than the kernel moves at once.
TEST(much) {
  enum { COUNT = 300000 };
  int fd = own();
  char *a = malloc(COUNT), *b = malloc(COUNT);
  for (int i = 0; i < COUNT; i++) a[i] = i * 7;
  CHECK_EQ(pread(fd, b, COUNT, (off_t)(uintptr_t)a), COUNT);
  CHECK_EQ(memcmp(a, b, COUNT), 0);
  close(fd);
}

// What the program itself may not do.
TEST(forced) {
  int fd = own();
  char *p = map_pages(2, RW), got[4];
  strcpy(p, "abc");
  SYS(mprotect(p, 8192, PROT_NONE));
  CHECK_EQ(pread(fd, got, 4, (off_t)(uintptr_t)p), 4);
  CHECK_EQ(strcmp(got, "abc"), 0);
  CHECK_EQ(pwrite(fd, "xyz", 4, (off_t)(uintptr_t)p + 4094), 4);
  CHECK(!readable(p));
  SYS(mprotect(p, 8192, PROT_READ));
  CHECK_EQ(strcmp(p + 4094, "xyz"), 0);
  CHECK_EQ(pwrite(fd, "def", 4, (off_t)(uintptr_t)p), 4);
  CHECK_EQ(strcmp(p, "def"), 0);
  CHECK(!writable(p));
  close(fd);
}

// A private mapping gets its own copy, the file stays; what is shared is not written to.
TEST(files) {
  int fd = own(), file = SYS(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  char got[8] = "";
  CHECK_EQ(write(file, "content", 8), 8);
  char *p = SYS(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0));
  char *s = SYS(mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0));
  CHECK_EQ(pwrite(fd, "C", 1, (off_t)(uintptr_t)p), 1);
  CHECK_EQ(strcmp(p, "Content"), 0);
  CHECK_EQ(pread(file, got, 8, 0), 8);
  CHECK_EQ(strcmp(got, "content"), 0);
  CHECK_ERR(pwrite(fd, "C", 1, (off_t)(uintptr_t)s), EIO);
  CHECK_EQ(strcmp(s, "content"), 0);
  char *w = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  CHECK_EQ(pwrite(fd, "K", 1, (off_t)(uintptr_t)w), 1);
  CHECK_EQ(strcmp(s, "Kontent"), 0);
  char *none = SYS(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE, file, 0));
  CHECK_EQ(pread(fd, got, 8, (off_t)(uintptr_t)none), 8);
  CHECK_EQ(strcmp(got, "Kontent"), 0);
  close(fd), close(file);
}

// Text: what is seen is what the file has, however system calls are caught; what is written is what runs.
extern char call_here[];
long call_getpid(void);
int answer(void);
__asm__(".text\n.balign 4096\ncall_getpid:\nmov $39, %eax\ncall_here: syscall\nret\n.balign 16, 0xcc\n"
        "answer: mov $41, %eax\nret\n.balign 4096, 0xcc\n.skip 8192, 0xcc\n");

static uintptr_t file_offset(const void *at) {
  Mapping m;
  return mapping_of(at, &m) ? m.offset + ((uintptr_t)at - m.start) : 0;
}

static void text_is_the_files(int fd) {
  Mapping m;
  REQUIRE(mapping_of((void *)call_getpid, &m));
  static char have[3 * 4096], want[sizeof have];
  uintptr_t start = (uintptr_t)call_getpid & -4096, offset = file_offset((void *)start);
  REQUIRE(m.end - start >= sizeof have);
  int file = SYS(open("/proc/self/exe", O_RDONLY));
  CHECK_EQ(pread(file, want, sizeof want, offset), sizeof want);
  CHECK_EQ(pread(fd, have, sizeof have, (off_t)start), sizeof have);
  CHECK_EQ(memcmp(have, want, sizeof have), 0);
  memset(have, 0, sizeof have);
  struct iovec local = {have, sizeof have}, remote = {(void *)start, sizeof have};
  CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), (long)sizeof have);
  CHECK_EQ(memcmp(have, want, sizeof have), 0);
  close(file);
}

TEST(text) {
  int fd = own();
  for (int i = 0; i < 5; i++) CHECK_EQ(call_getpid(), getpid());
  text_is_the_files(fd);
  unsigned char code[2];
  CHECK_EQ(pread(fd, code, 2, (off_t)(uintptr_t)call_here), 2);
  CHECK(code[0] == 0x0f && code[1] == 0x05);
  close(fd);
}

TEST(text_written) {
  int fd = own();
  for (int i = 0; i < 3; i++) CHECK_EQ(call_getpid(), getpid());
  CHECK_EQ(answer(), 41);
  char new = 42;
  CHECK_EQ(pwrite(fd, &new, 1, (off_t)(uintptr_t)answer + 1), 1);
  CHECK_EQ(answer(), 42);
  for (int i = 0; i < 3; i++) CHECK_EQ(call_getpid(), getpid());
  CHECK_EQ(pread(fd, &new, 1, (off_t)(uintptr_t)answer + 1), 1);
  CHECK_EQ(new, 42);
  // As a debugger sets a breakpoint at a call, and takes it away.
  on_signal(SIGTRAP, SIG_IGN, 0);
  unsigned char breakpoint = 0xcc, call = 0x0f, parent = 110;
  CHECK_EQ(pwrite(fd, &breakpoint, 1, (off_t)(uintptr_t)call_here), 1);
  CHECK_EQ(*(volatile unsigned char *)call_here, 0xcc);
  CHECK_EQ(pwrite(fd, &call, 1, (off_t)(uintptr_t)call_here), 1);
  CHECK_EQ(pwrite(fd, &parent, 1, (off_t)(uintptr_t)call_getpid + 1), 1);
  for (int i = 0; i < 3; i++) CHECK_EQ(call_getpid(), getppid());
  CHECK(!writable((char *)answer));
  int file = SYS(open("/proc/self/exe", O_RDONLY));
  CHECK_EQ(pread(file, &new, 1, file_offset((char *)answer + 1)), 1);
  CHECK_EQ(new, 41);
  close(fd), close(file);
}

static char path[64];
static const char *mem_of(pid_t pid) {
  sprintf(path, "/proc/%d/mem", pid);
  return path;
}

TEST(of_a_child, FORKS) {
  int ends[2], back[2];
  SYS(pipe2(ends, O_CLOEXEC)), SYS(pipe2(back, O_CLOEXEC));
  char *p = map_pages(1, RW), byte;
  strcpy(p, "parent");
  pid_t pid;
  CHILD(pid) {
    strcpy(p, "child");
    SYS(write(back[1], "", 1));
    SYS(read(ends[0], &byte, 1));
    CHECK_EQ(strcmp(p, "Child"), 0);
    SYS(execl("/proc/self/exe", check_self, "@sleeper", NULL));
  }
  SYS(read(back[0], &byte, 1));
  int fd = SYS(open(mem_of(pid), O_RDWR));
  char got[8] = "";
  CHECK_EQ(pread(fd, got, 6, (off_t)(uintptr_t)p), 6);
  CHECK_EQ(strcmp(got, "child"), 0);
  CHECK_EQ(pwrite(fd, "C", 1, (off_t)(uintptr_t)p), 1);
  CHECK_EQ(strcmp(p, "parent"), 0);
  close(ends[0]), close(back[1]);
  SYS(write(ends[1], "", 1));
  // The child's end of `back` closes with its exec: what was opened before it has no memory any more.
  CHECK_EQ(read(back[0], &byte, 1), 0);
  CHECK_EQ(pread(fd, got, 6, (off_t)(uintptr_t)p), 0);
  CHECK_EQ(pwrite(fd, got, 6, (off_t)(uintptr_t)p), 0);
  close(fd);
  SYS(kill(pid, SIGKILL));
  wait_status(pid);
  CHECK_ERR(open(mem_of(pid), O_RDONLY), ENOENT);
}
HELPER(sleeper) {
  for (;;) pause();
  return 0;
}

TEST(of_another_user, FORKS) {
  if (geteuid() != 0) SKIP("not root");
  pid_t pid, parent = getpid();
  CHILD(pid) {
    SYS(setresuid(1234, 1234, 1234));
    CHECK_ERR(open(mem_of(parent), O_RDONLY), EACCES);
  }
  wait_ok(pid);
}

static void *in_thread(void *unused) {
  sprintf(path, "/proc/self/task/%ld/mem", syscall(SYS_gettid));
  int fd = SYS(open(path, O_RDONLY)), got = 0;
  CHECK_EQ(pread(fd, &got, sizeof got, (off_t)(uintptr_t)&data), sizeof got);
  CHECK_EQ(got, data);
  close(fd);
  return unused;
}
TEST(of_a_thread) {
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, in_thread, NULL) == 0);
  pthread_join(thread, NULL);
}
