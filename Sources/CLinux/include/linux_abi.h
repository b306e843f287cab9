// The Linux ABI from the kernel's own headers (linux-libc-dev), as a module. In hosted builds the Glibc module has
// structures of the same names with other fields, so those that clash are renamed here to linux_*.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define stat linux_stat
#define flock linux_flock
#define iovec linux_iovec
#define sigcontext linux_sigcontext
#define sigcontext_64 linux_sigcontext_64
#define sigaction linux_sigaction
#define sigaltstack linux_sigaltstack
#define sigevent linux_sigevent
#define siginfo linux_siginfo
#define sigval linux_sigval
#define sigset_t linux_sigset_t
#define sigval_t linux_sigval_t
#define siginfo_t linux_siginfo_t
#define stack_t linux_stack_t
#define sigevent_t linux_sigevent_t
#define _fpstate_64 _linux_fpstate_64
#define _fpstate_32 _linux_fpstate_32
#define _fpx_sw_bytes _linux_fpx_sw_bytes
#define _fpreg _linux_fpreg
#define _fpxreg _linux_fpxreg
#define _xmmreg _linux_xmmreg
#define _xstate _linux_xstate
#define _header _linux_header
#define _ymmh_state _linux_ymmh_state
#define rusage linux_rusage
#define rlimit linux_rlimit
#define rlimit64 linux_rlimit64
#define timespec linux_timespec
#define timeval linux_timeval
#define itimerspec linux_itimerspec
#define itimerval linux_itimerval
#define timezone linux_timezone
#define pollfd linux_pollfd
#define epoll_event linux_epoll_event
#define sockaddr_un linux_sockaddr_un
#define sysinfo linux_sysinfo
#define termios linux_termios
#define winsize linux_winsize
#define clone_args linux_clone_args
#define open_how linux_open_how
#define statx linux_statx
#define statx_timestamp linux_statx_timestamp
#define statfs linux_statfs
#define fsid_t linux_fsid_t
#define utsname linux_utsname
#define robust_list linux_robust_list
#define robust_list_head linux_robust_list_head
#define utimbuf linux_utimbuf
#define tms linux_tms
#define ucontext linux_ucontext
#define f_owner_ex linux_f_owner_ex
#define sched_param linux_sched_param

#include <asm/unistd.h>
#include <asm/errno.h>
#include <asm/shmbuf.h>
#include <asm/stat.h>
#include <asm/socket.h>
#include <asm/sockios.h>
#include <asm/statfs.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/prctl.h>
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <asm/termios.h>
#include <linux/auxvec.h>
#include <linux/capability.h>
#include <linux/elf.h>
#include <linux/eventpoll.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/personality.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/stat.h>
#include <linux/sysinfo.h>
#include <linux/time.h>
#include <linux/timerfd.h>
#include <linux/times.h>
#include <linux/tty.h>
#include <linux/uio.h>
#include <linux/un.h>
#include <linux/utsname.h>
#include <linux/utime.h>
#include <linux/wait.h>
#include <linux/xattr.h>
// for the door
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>

#undef stat
#undef flock
#undef iovec
#undef sigaction
#undef sigset_t
#undef stack_t
#undef rusage
#undef rlimit
#undef timespec
#undef timeval
#undef itimerspec
#undef itimerval
#undef timezone
#undef pollfd
#undef epoll_event
#undef sockaddr_un
#undef sysinfo
#undef termios
#undef winsize
#undef open_how
#undef statx
#undef statfs
#undef utsname
#undef sched_param

// Macros that Swift cannot import, as constants.
static const uint32_t LINUX_EPOLLIN = 0x1, LINUX_EPOLLPRI = 0x2, LINUX_EPOLLOUT = 0x4, LINUX_EPOLLERR = 0x8;
static const uint32_t LINUX_EPOLLHUP = 0x10, LINUX_EPOLLRDHUP = 0x2000, LINUX_EPOLLEXCLUSIVE = 1u << 28;
static const uint32_t LINUX_EPOLLWAKEUP = 1u << 29, LINUX_EPOLLONESHOT = 1u << 30, LINUX_EPOLLET = 1u << 31;
_Static_assert(EPOLLIN == 0x1 && EPOLLPRI == 0x2 && EPOLLOUT == 0x4 && EPOLLERR == 0x8, "the header's values");
_Static_assert(EPOLLHUP == 0x10 && EPOLLRDHUP == 0x2000 && EPOLLEXCLUSIVE == 1u << 28, "the header's values");
_Static_assert(EPOLLWAKEUP == 1u << 29 && EPOLLONESHOT == 1u << 30 && EPOLLET == 1u << 31, "the header's values");
static const uint32_t LINUX_AUDIT_ARCH = AUDIT_ARCH_X86_64, LINUX_TCGETS2 = TCGETS2;
static const uint32_t LINUX_TCSETS2 = TCSETS2, LINUX_TCSETSW2 = TCSETSW2, LINUX_TCSETSF2 = TCSETSF2;
// Structures of sockets, which the kernel's headers keep to themselves: recvmsg(2), cmsg(3), unix(7).
struct linux_msghdr {
  uint64_t name; uint32_t namelen, unused; uint64_t iov, iovlen, control, controllen; uint32_t flags, unused2;
};
struct linux_mmsghdr { struct linux_msghdr header; uint32_t count, unused; };
struct linux_cmsghdr { uint64_t length; int32_t level, type; };
struct linux_ucred { int32_t pid; uint32_t uid, gid; };
_Static_assert(sizeof(struct linux_msghdr) == 56 && sizeof(struct linux_mmsghdr) == 64, "the ABI's sizes");
