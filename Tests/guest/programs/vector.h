// Vector state as memory: fill an XSAVE image with a pattern, compare one with the pattern.
#pragma once
#include <cpuid.h>

#include "check.h"

enum { X87 = 1, SSE = 2, AVX = 4, AVX512 = 0xe0, PKRU = 0x200 };

typedef struct {
  uint8_t bytes[16384];
} __attribute__((aligned(64))) VectorImage;

static uint64_t vector_mask;  // the components that this CPU has and the test uses

static inline uint64_t vector_components(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a & (X87 | SSE | AVX | AVX512 | PKRU);
}

static inline void vector_find(int component, unsigned *offset, unsigned *size) {
  unsigned c, d;
  __cpuid_count(0xd, component, *size, *offset, c, d);
}

static inline uint8_t vector_byte(unsigned seed, unsigned i) {
  return (uint8_t)((i + 1) * 37 + seed * 101 + (i >> 8) * 13 + 1);
}

// Seed 0 is the initial state. Protection key 0 always stays accessible: it is ours.
static inline void vector_fill(VectorImage *image, unsigned seed) {
  uint8_t *at = image->bytes;
  memset(at, 0, sizeof *image);
  *(uint32_t *)(at + 24) = 0x1f80;
  if (seed == 0) return;
  *(uint16_t *)at = 0x037f | (seed & 3) << 10;
  *(uint16_t *)(at + 2) = 0x4100;
  at[4] = 0xff;
  *(uint32_t *)(at + 24) = 0x1f80 | (seed & 3) << 13 | (seed & 4) << 13 | 0x15;
  for (int i = 0; i < 8; i++) {
    for (int j = 0; j < 8; j++) at[32 + 16 * i + j] = vector_byte(seed, 8 * i + j);
    at[32 + 16 * i + 7] |= 0x80;
    *(uint16_t *)(at + 32 + 16 * i + 8) = 0x3f00 + seed % 64 + i;
  }
  for (int i = 0; i < 256; i++) at[160 + i] = vector_byte(seed, i);
  *(uint64_t *)(at + 512) = vector_mask;
  for (int component = 2; component < 10; component++) {
    if (!(vector_mask & 1 << component)) continue;
    unsigned offset, size;
    vector_find(component, &offset, &size);
    if (component == 9) *(uint32_t *)(at + offset) = (0x11223344 * seed) & ~3u;
    else
      for (unsigned i = 0; i < size; i++) at[offset + i] = vector_byte(seed + component, i);
  }
}

// The first difference between what XSAVE wrote and the pattern, or NULL.
static inline const char *vector_compare(const VectorImage *got, unsigned seed) {
  static __thread char what[80];
  VectorImage want;
  vector_fill(&want, seed);
  if (seed == 0) *(uint16_t *)want.bytes = 0x037f;
  const uint8_t *a = got->bytes, *b = want.bytes;
  if (memcmp(a, b, 2)) return "x87 control word";
  if (memcmp(a + 2, b + 2, 2)) return "x87 status word";
  if (a[4] != b[4]) return "x87 tags";
  if (memcmp(a + 24, b + 24, 4)) return "mxcsr";
  for (int i = 0; i < 8; i++)
    if (memcmp(a + 32 + 16 * i, b + 32 + 16 * i, 10)) return "x87 registers";
  if (memcmp(a + 160, b + 160, 256)) return "xmm registers";
  for (int component = 2; component < 10; component++) {
    if (!(vector_mask & 1 << component)) continue;
    unsigned offset, size;
    vector_find(component, &offset, &size);
    for (unsigned i = 0; i < size; i++)
      if (a[offset + i] != b[offset + i]) {
        snprintf(what, sizeof what, "component %d byte %u is %02x, not %02x", component, i,
                 a[offset + i], b[offset + i]);
        return what;
      }
  }
  return NULL;
}

static inline void vector_load(const VectorImage *image) {
  __asm__ volatile("xrstor64 %0" ::"m"(*image), "a"((uint32_t)vector_mask), "d"(0) : "memory");
}
