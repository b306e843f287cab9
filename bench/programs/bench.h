// What all the programs share: the clock, the adaptive loop and the end on an error. After lmbench: short runs, repeated;
// each repetition is printed as one line, "NUMBER ns", for one operation.
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPETITIONS = 7 };
static const double SHORTEST = 10e6;  // ns that a repetition takes at least

_Noreturn static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

// The value of a call that must not fail.
#define CHECK(call) ({ __auto_type value_ = (call); if (value_ == (__typeof__(value_))-1) die(#call); value_; })

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

// How many nanoseconds it takes to do the statement `count` times.
#define TIMED(count, statement) ({ \
  double start_ = now(); \
  for (long turn_ = 0; turn_ < (count); turn_++) statement; \
  now() - start_; })

// Measures `operation`, which does its work `count` times and returns the nanoseconds that count: what it prepares is its
// own affair. `parts` is how many of the things that the row is about one turn does.
static inline void measure(double (*operation)(long count), double parts) {
  long count = 1;
  double elapsed = operation(count);
  while (elapsed < SHORTEST && count < 1L << 40) {
    double factor = elapsed > SHORTEST / 100 ? 1.2 * SHORTEST / elapsed : 10;
    count = count * factor + 1;
    elapsed = operation(count);
  }
  for (int i = 0; i < REPETITIONS; i++) {
    elapsed = operation(count) / count / parts;
    if (elapsed <= 0) fprintf(stderr, "%.3f ns are left of an operation\n", elapsed), exit(1);
    printf("%.3f ns\n", elapsed);
  }
}

// Waits for a child, which must have succeeded.
static inline void reap(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0));
  if (status != 0) {
    fprintf(stderr, "a child ended with status %#x\n", status);
    exit(1);
  }
}
