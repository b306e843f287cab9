// The few things of the command-line tool that Swift cannot do: it can neither fork nor call variadic functions.
// Every function returns -1 and sets errno when it fails, unless it says otherwise.
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

/// O_PATH, which Glibc shows to GNU sources only.
extern const int tool_o_path;

/// A new memfd that can be sealed; closed at exec.
int tool_memfd(const char *name);

/// Seals a memfd for good: no writing, no resizing, no further seals.
int tool_seal(int descriptor);

/// Fills descriptors 0, 1 and 2 where they are closed, so that no later open lands there. The fillers close at exec:
/// what was closed stays closed for the child. Returns the bits of those that were closed.
int tool_fill_standard_descriptors(void);

struct tool_spawn_request {
  const char *path;
  char *const *arguments;
  char *const *environment;
  const int *descriptors;       // descriptors[i] becomes first + i in the child, -1 leaves that number closed
  int count;
  int first;
};

/// Starts a program as a child that dies with this thread: default dispositions, empty mask, the given descriptors
/// and the standard ones, nothing else. Returns its process id, or -1 with the errno of the step that failed.
pid_t tool_spawn(const struct tool_spawn_request *request);

/// Waits at most `milliseconds` (-1: for ever) for a child. Returns 1 once it is reaped, 0 when the time is over.
int tool_wait(pid_t child, int milliseconds, int *status);

/// The window size of a terminal; 0 on success.
int tool_window_size(int descriptor, unsigned *rows, unsigned *columns);

/// Remembers what to put back should the tool itself crash; NULL forgets it.
void tool_restore_at_crash(int descriptor, const struct termios *settings);

/// Blocks the signals that the supervisor takes, and returns a signalfd for them.
int tool_signal_descriptor(void);

/// The number of the next signal, 0 when there is none.
int tool_next_signal(int descriptor);

/// Was this signal ignored when the tool started (nohup, a shell's background job)?
int tool_was_ignored(int signal);

/// Stops this process as SIGSTOP does, and returns when it is continued.
void tool_stop(void);

/// A socketpair of datagrams, both ends closed at exec.
int tool_socketpair(int ends[2]);

int tool_status_exited(int status);
int tool_status_code(int status);      // the exit code, or the signal that ended it

/// The version of landlock(7) that the host has; -1: none.
int tool_landlock(void);

/// Whether this process may map page 0.
int tool_can_map_page_zero(void);

uint64_t tool_monotonic(void);         // nanoseconds
unsigned long tool_hwcap2(void);
