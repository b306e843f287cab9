// What the compiler expects of a C library, and the C names of the allocator that Swift's runtime calls.
#include "machine.h"

struct machine_vcpu machine_vcpus[MACHINE_MAXIMUM_VCPUS] __attribute__((aligned(64)));
struct machine_words machine_words_storage __attribute__((aligned(64)));
uint8_t machine_low_page_classes[MACHINE_LOW_PAGES];
uint8_t machine_low_chunk_classes[MACHINE_LOW_CHUNKS];
_Static_assert(sizeof(struct machine_vcpu) % 64 == 0, "vCPUs share no cache line");
_Static_assert(__builtin_offsetof(struct machine_carrier, stack_top) == 8, "entry.S");
_Static_assert(__builtin_offsetof(struct machine_carrier, current) == 16, "machine.h");
_Static_assert(__builtin_offsetof(struct machine_carrier, vcpu) == 24, "entry.S");
_Static_assert(__builtin_offsetof(struct machine_carrier, state) == 32, "entry.S");
_Static_assert(__builtin_offsetof(struct machine_carrier, tid) == 44, "Carrier.swift");
_Static_assert(sizeof(struct machine_frame) == MACHINE_FRAME_SIZE, "entry.S");
_Static_assert(sizeof(struct machine_carrier) <= 4096, "the park stack begins there");

#ifdef KERNEL_IMAGE
// `rep` takes its time to start: little is moved in words, and the last word may overlap the one before.
void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  void *result = to;
  if (count - 8 <= 248) {
    char *t = to;
    const char *f = from;
    uint64_t word, words[4], last;
    __builtin_memcpy(&last, f + count - 8, 8);
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
      __builtin_memcpy(words, f + i, 32);
      __builtin_memcpy(t + i, words, 32);
      __asm__ volatile("" ::: "memory");
    }
    for (; i + 8 <= count; i += 8) {
      __builtin_memcpy(&word, f + i, 8);
      __builtin_memcpy(t + i, &word, 8);
      __asm__ volatile("" ::: "memory");
    }
    __builtin_memcpy(t + count - 8, &last, 8);
    return result;
  }
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
  return result;
}

void *memset(void *to, int value, size_t count) {
  void *result = to;
  if (count - 8 <= 248) {
    char *t = to;
    uint64_t word = (uint8_t)value * 0x0101010101010101;
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
      __builtin_memcpy(t + i, &word, 8);
      __builtin_memcpy(t + i + 8, &word, 8);
      __builtin_memcpy(t + i + 16, &word, 8);
      __builtin_memcpy(t + i + 24, &word, 8);
      __asm__ volatile("" ::: "memory");
    }
    for (; i + 8 <= count; i += 8) {
      __builtin_memcpy(t + i, &word, 8);
      __asm__ volatile("" ::: "memory");
    }
    __builtin_memcpy(t + count - 8, &word, 8);
    return result;
  }
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
  return result;
}

void *memmove(void *to, const void *from, size_t count) {
  char *t = to;
  const char *f = from;
  if ((uintptr_t)to - (uintptr_t)from >= count) {
    if ((uintptr_t)from - (uintptr_t)to >= count) return memcpy(to, from, count);
    __asm__ volatile("rep movsb" : "+D"(t), "+S"(f), "+c"(count)::"memory");  // overlapping downwards
    return to;
  }
  while (count && (count & 7)) { count--; t[count] = f[count]; __asm__ volatile("" ::: "memory"); }
  while (count) {                        // overlapping upwards: eight bytes at a time from the end
    uint64_t word;
    count -= 8;
    __builtin_memcpy(&word, f + count, 8);
    __builtin_memcpy(t + count, &word, 8);
    __asm__ volatile("" ::: "memory");
  }
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *x = a, *y = b;
  size_t i = 0;
  for (uint64_t v, w; i + 8 <= count; i += 8) {
    __builtin_memcpy(&v, x + i, 8);
    __builtin_memcpy(&w, y + i, 8);
    if (v != w) break;
  }
  for (; i < count; i++)
    if (x[i] != y[i]) return x[i] - y[i];
  return 0;
}

size_t strlen(const char *s) {
  size_t n = 0;
  while (s[n]) { n++; __asm__ volatile(""); }
  return n;
}

int kernel_memalign(void **, size_t, size_t);
void kernel_free(void *);
size_t kernel_usable_size(void *);
int posix_memalign(void **out, size_t align, size_t count) { return kernel_memalign(out, align, count); }
void free(void *p) { kernel_free(p); }
size_t malloc_usable_size(void *p) { return kernel_usable_size(p); }
#else
static struct machine_vcpu hosted_vcpu;
static struct machine_carrier hosted = {.self = &hosted, .vcpu = &hosted_vcpu, .state = MACHINE_KERNEL};
struct machine_carrier *_Nonnull arch_carrier(void) { return &hosted; }
#endif
