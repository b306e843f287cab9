// What the tool tells the kernel: one sealed memfd, open at MARTLET_BOOT_DESCRIPTOR in the kernel's first process.
// Both sides include this header and nothing else of each other. All offsets count from the block's start; a string
// is NUL-terminated; 0 as an offset means "not given".
#pragma once
#include <stdint.h>

#define MARTLET_BOOT_MAGIC 0x31746f6f626c746dULL
#define MARTLET_BOOT_DESCRIPTOR 3

enum {
  MARTLET_MMU_NONE = 1 << 0,      // one address space for all: --mmu none
  MARTLET_ROOT_READ_ONLY = 1 << 1,
  MARTLET_NO_ASLR = 1 << 2,
  MARTLET_KUNIT = 1 << 3,         // run the unit tests inside the kernel and exit
  MARTLET_CONSOLE = 1 << 4,       // 0 and 1 are one terminal that the tool keeps in raw mode
  MARTLET_STRACE = 1 << 5,
  MARTLET_LOGIN_SHELL = 1 << 6,   // no command given: run the login shell of /etc/passwd
  MARTLET_LOSE_VECTORS = 1 << 7,  // tests: vector state is not kept across switches, so that their test must fail
};

enum { MARTLET_HOOK_TRAP = 0, MARTLET_HOOK_REWRITE = 1, MARTLET_HOOK_ZPOLINE = 2 };

enum {
  MARTLET_ROOT_ARCHIVE = 0,       // an uncompressed tar archive, unpacked into tmpfs at boot
  MARTLET_ROOT_DIRECTORY = 1,     // a host directory (O_PATH), seen through hostfs
};

enum { MARTLET_MAXIMUM_CPUS = 64 };

enum { MARTLET_MOUNT_READ_ONLY = 1 << 0, MARTLET_MOUNT_TMPFS = 1 << 1 };

struct martlet_mount {
  int32_t descriptor;             // O_PATH on the host's directory or file; -1 for tmpfs
  uint32_t flags;
  uint32_t path;                  // offset of the absolute guest path
  uint32_t source;                // offset of the host path, for /proc/mounts
};

struct martlet_boot {
  uint64_t magic;
  uint32_t size;                  // bytes of the whole block
  uint32_t flags;
  uint64_t memory;                // bytes; 0: the smaller of 1 GiB and half of what is free
  uint64_t started;               // CLOCK_MONOTONIC at the tool's start, in nanoseconds
  uint32_t cpus;                  // 0: as many as the affinity mask has
  uint32_t hook;
  uint32_t rootKind;
  int32_t rootDescriptor;
  int32_t controlDescriptor;      // SOCK_SEQPACKET to the tool, or -1
  int32_t logDescriptor;          // --log FILE, or -1
  int32_t straceDescriptor;       // --strace[=FILE]
  int32_t symbolsDescriptor;      // share/martlet/kernel.symbols, or -1
  uint32_t uid, gid;
  uint32_t rows, columns;         // the terminal's size at the start
  uint32_t hostUid, hostGid;      // the ids that hostfs shows as 0
  uint32_t logLevel;              // messages above it go to the log only; at or below to stderr
  uint32_t hostname, directory;   // offsets of strings
  uint32_t filter;                // kunit's filter
  uint32_t argumentCount, arguments;       // the first of argumentCount strings that follow each other
  uint32_t environmentCount, environment;  // likewise
  uint32_t mountCount, mounts;    // an array of struct martlet_mount
  uint32_t rootSource;            // offset of the host path of the root, for /proc/mounts
  uint32_t tickMicroseconds;      // 0: the default; tests use it
  uint32_t kickMicroseconds;      // tests: kick every vCPU this often; 0 never
  uint32_t reserved;
};

/// One datagram on the control socket.
struct martlet_message {
  uint32_t kind;
  uint16_t a, b;
};

enum {
  // tool to kernel
  MARTLET_WINDOW_SIZE = 1,        // a rows, b columns
  MARTLET_SIGNAL = 2,             // pass signal a on to the command
  MARTLET_TERMINATE = 3,          // end the machine in order: SIGTERM, 10 seconds, SIGKILL
  MARTLET_STOP = 4,               // park all vCPUs, then answer MARTLET_STOPPED
  MARTLET_CONTINUE = 5,
  MARTLET_BREAK = 6,              // three Ctrl-C within a second: end the machine if the kernel finds them unanswered
  // kernel to tool
  MARTLET_STOPPED = 16,
  MARTLET_GUEST_STOPPED = 17,     // unused unless the guest's init asks for it
};
