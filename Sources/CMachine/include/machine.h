// What assembly and Swift share: the layout of frames, carriers and vCPUs, and the instructions that Swift cannot say.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "linux_abi.h"

/// Guest registers as the entry paths leave them at the top of a kernel stack.
struct machine_frame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  uint64_t orig_rax;                     // the call's number; -1 where the frame is no system call's
  uint64_t rip, cs, rflags, rsp, ss;     // what iretq takes
  uint64_t how;                          // MACHINE_FRAME_*
};
// CALL: rbx, rbp, r12 to r15, r11, rcx, cs and ss are not there, and rax is what the call returns once it has. FULL: all are.
// LIVE: all are, the callee-saved ones are the processor's still, and the way back may leave rip in rcx.
enum { MACHINE_FRAME_CALL = 0, MACHINE_FRAME_FULL = 1, MACHINE_FRAME_LIVE = 2 };
// What machine_syscall returns: the result is in rax; the registers are set; call again with a frame that has them all.
enum { MACHINE_CALL_DONE = 0, MACHINE_CALL_REGISTERS_SET = 1, MACHINE_CALL_WANTS_REGISTERS = 2 };
#define MACHINE_FRAME_SIZE 176

enum { MACHINE_GUEST = 0, MACHINE_KERNEL = 1, MACHINE_PARKED = 2, MACHINE_IDLE = 3 };

#define MACHINE_SLAB_CLASSES 24

// KICK: somebody wants something of the vCPU. SELF: its current thread has interrupted itself, and nothing else.
enum { MACHINE_PENDING_KICK = 1, MACHINE_PENDING_SELF = 2 };

/// The head of an arena: Arena.swift.
struct machine_arena {
  uint32_t live;                         // objects not freed; more while it is open
  uint32_t used;                         // bytes, up to the next object
  uint32_t end;                          // bytes, with the room for more
  uint32_t made;                         // while it is open: objects made since then, less those freed
  uint16_t free[MACHINE_SLAB_CLASSES];   // by class, where the first lies of those freed while it was open, in 16 bytes
  uint16_t has_stack;
};

/// A processor of the guest machine. Shared memory; one cache line for what others touch.
struct machine_vcpu {
  uint32_t pending;                      // MACHINE_PENDING_*: set by senders, then the holder is kicked; the idle futex word
  uint32_t idle;                         // under the scheduler's lock: the holder waits on `pending`
  uint32_t id;
  int32_t host_cpu;                      // the host CPU that its carriers are pinned to; -1 none
  struct machine_carrier *carrier;       // the holder of the baton
  void *current;                         // the Thread it runs
  struct machine_arena *arena;           // what its thread allocates from just now; null: the slabs
  int64_t slab_live;                     // objects allocated minus those freed on this vCPU
  uint64_t unused[2];
  void *slab_free[MACHINE_SLAB_CLASSES];
  uint32_t slab_count[MACHINE_SLAB_CLASSES];   // objects on slab_free
  uint64_t quiescent;                    // RCU: passes of a quiescent state
  uint64_t padding[3];                   // to a whole number of cache lines
};

/// A host thread's block, at the foot of its 64 KiB slot; GS base points here for the carrier's life.
struct machine_carrier {
  struct machine_carrier *self;          // 0
  uint64_t stack_top;                    // 8: of the current task's kernel stack
  void *current;                         // 16: the Thread it runs, or null
  struct machine_vcpu *vcpu;             // 24: null in service threads
  uint32_t state;                        // 32: MACHINE_*
  uint32_t locks;                        // 36: spinlocks held
  uint32_t baton;                        // 40: futex word: 1 run, 2 leave
  int32_t tid;                           // 44
  int32_t pid;                           // 48: of its host process
  int32_t pin;                           // 52: host CPU it is pinned to; -1 none
  void *space;                           // 56: its HostSpace
  void *entry_argument;                  // 64
  void (*entry)(void *);                 // 72: what a service thread runs
  struct machine_carrier *next;          // 80: in its space's list, or the free list
  void *vector_owner;                    // 88: the area that this carrier's registers were saved to last, as they still are
  uint64_t vector_components;            // what of them was in use then
  uint32_t vector_keys, vector_unused;   // and the protection keys
  uint64_t oopses;
  uint64_t ranks;                        // checked kernel: a bit for each rank held
  uint64_t interrupts, kernel_interrupts, window_restarts;
  uint32_t exists;                       // a further carrier of a process: the host clears it once the thread is gone
  uint32_t retired;                      // under the scheduler's lock: it has left; the slot serves again in its space
};
#define MACHINE_SLOT_SIZE 65536UL
#define MACHINE_PARK_STACK_TOP 20480UL   // within the slot
#define MACHINE_SIGNAL_STACK 24576UL     // within the slot, up to its end

// Words that belong to no object: shared by all host threads.
#define MACHINE_MAXIMUM_VCPUS 64
extern struct machine_vcpu machine_vcpus[MACHINE_MAXIMUM_VCPUS];
struct machine_words {
  uint32_t scheduler_lock, allocator_lock, log_lock;
  uint32_t space_requests;               // futex: root's main thread makes address spaces while it is not zero
  uint32_t children;                     // futex: counts the host processes made
  uint32_t power_off;                    // 1 + the machine's exit status, once it ends
  uint32_t stopped;                      // futex: vCPUs wait while it is not zero
  uint32_t work;                         // futex: workers wait while it is zero
};
extern struct machine_words machine_words_storage;
// Of the heap, whose slab classes lie here: Slab.swift.
#define MACHINE_LOW_PAGES 4096
#define MACHINE_LOW_CHUNKS 4096
extern uint8_t machine_low_page_classes[MACHINE_LOW_PAGES];
extern uint8_t machine_low_chunk_classes[MACHINE_LOW_CHUNKS];

#if defined(KERNEL_IMAGE)
#define MACHINE_INLINE static inline __attribute__((always_inline))
#else
#define MACHINE_INLINE static inline
#endif

// The door.
long arch_host_call(long number, long a, long b, long c, long d, long e, long f);

// Entry and switch (Sources/CMachine/x86/entry.S).
void arch_signal_entry(void);
void arch_trap_entry(void);
void arch_call_entry(void);
void arch_page_zero_entry(void);
void arch_page_zero_trap(void);
void arch_interrupt_entry(void);
void arch_fault_entry(void);
void arch_copy_fault(void);
void arch_oops_entry(void);
void arch_thread_entry(void);
void arch_carrier_entry(void);
void arch_return_to_guest(void);
void arch_leave_handler(const void *vectors, struct machine_frame *frame, void (*entry)(void)) __attribute__((noreturn));
void arch_switch(uint64_t *saved, uint64_t next);
void arch_switch_call(uint64_t *saved, uint64_t stack, void (*f)(void *), void *argument);
void arch_resume(uint64_t saved) __attribute__((noreturn));
void arch_call_on(uint64_t stack, void (*f)(void *), void *argument) __attribute__((noreturn));

// User access with fix-ups. Each returns what could not be copied, or whether it faulted.
size_t arch_user_copy(void *to, const void *from, size_t count);
long arch_user_string(void *to, const void *from, size_t limit);
size_t arch_user_clear(void *to, size_t count);
int arch_user_load32(const void *address, uint32_t *value);
int arch_user_store32(uintptr_t address, uint32_t value);
int arch_user_store64(uintptr_t address, uint64_t value);
int arch_user_compare_exchange32(void *address, uint32_t *expected, uint32_t desired);
int arch_vector_restore_checked(const void *area, uint64_t mask);
int arch_set_fs_checked(uint64_t base);
void arch_vector_save(void *area, uint64_t mask);
void arch_vector_save_compact(void *area, uint64_t mask);
void arch_vector_restore(const void *area, uint64_t mask);
void arch_vector_restore_quick(const void *area, uint32_t what);
void arch_vector_save_quick(void *area, uint32_t what);
int arch_vector_save_user(uintptr_t address, uint64_t mask);
int arch_vector_restore_user(uintptr_t address, uint32_t what, uint32_t mxcsr);

struct machine_fixup { uint64_t fault, resume; };

MACHINE_INLINE void arch_set_fs(uint64_t v) { __asm__ volatile("wrfsbase %0" ::"r"(v)); }
MACHINE_INLINE uint64_t arch_get_fs(void) { uint64_t v; __asm__ volatile("rdfsbase %0" : "=r"(v)); return v; }
MACHINE_INLINE void arch_set_gs(uint64_t v) { __asm__ volatile("wrgsbase %0" ::"r"(v)); }
MACHINE_INLINE uint64_t arch_cycles(void) { uint32_t l, h; __asm__ volatile("rdtsc" : "=a"(l), "=d"(h)); return (uint64_t)h << 32 | l; }
MACHINE_INLINE void arch_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
// Nothing moves across, for the compiler: it would move a retain past the store that releases a lock.
MACHINE_INLINE void arch_compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }
MACHINE_INLINE void arch_pause(void) { __asm__ volatile("pause"); }
MACHINE_INLINE void arch_prefault(uint64_t address) { (void)*(volatile const uint8_t *)address; }
// The host's CPU, by the limit of the segment that Linux keeps it in: older processors have no RDPID.
MACHINE_INLINE uint32_t arch_host_cpu(void) { uint32_t v; __asm__ volatile("lsl %1, %0" : "=r"(v) : "r"(0x7b)); return v & 0xfff; }
MACHINE_INLINE uint64_t arch_frame_address(void) { return (uint64_t)__builtin_frame_address(0); }
MACHINE_INLINE uint64_t arch_component_mask(void) { uint32_t l, h; __asm__ volatile("xgetbv" : "=a"(l), "=d"(h) : "c"(0)); return (uint64_t)h << 32 | l; }
MACHINE_INLINE uint64_t arch_components_in_use(void) { uint32_t l, h; __asm__ volatile("xgetbv" : "=a"(l), "=d"(h) : "c"(1)); return (uint64_t)h << 32 | l; }
MACHINE_INLINE uint32_t arch_keys(void) { uint32_t v, d; __asm__ volatile("rdpkru" : "=a"(v), "=d"(d) : "c"(0)); return v; }
struct machine_cpuid { uint32_t a, b, c, d; };
MACHINE_INLINE struct machine_cpuid arch_cpuid(uint32_t leaf, uint32_t sub) {
  struct machine_cpuid r; __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub)); return r;
}
// Atomics on the shared words above, and on words that are no Swift object.
MACHINE_INLINE uint32_t arch_load32(const uint32_t *_Nonnull p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
MACHINE_INLINE void arch_store32(uint32_t *_Nonnull p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
MACHINE_INLINE void arch_store_word(uint64_t *_Nonnull p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
MACHINE_INLINE void arch_release32(uint32_t *_Nonnull p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
MACHINE_INLINE void arch_or32(uint32_t *_Nonnull p, uint32_t v) { __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }
MACHINE_INLINE uint32_t arch_subtract32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST); }
MACHINE_INLINE uint32_t arch_exchange32(uint32_t *_Nonnull p, uint32_t v) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); }
MACHINE_INLINE _Bool arch_compare_exchange32(uint32_t *_Nonnull p, uint32_t e, uint32_t d) {
  return __atomic_compare_exchange_n(p, &e, d, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// The block of the carrier that runs this. Volatile: it may be another one after every switch.
#ifdef KERNEL_IMAGE
MACHINE_INLINE struct machine_carrier *_Nonnull arch_carrier(void) { struct machine_carrier *p; __asm__ volatile("mov %%gs:0, %0" : "=r"(p)); return p; }
MACHINE_INLINE void *_Nullable arch_current(void) { void *p; __asm__ volatile("mov %%gs:16, %0" : "=r"(p)); return p; }
MACHINE_INLINE struct machine_vcpu *_Nonnull arch_vcpu(void) { struct machine_vcpu *p; __asm__ volatile("mov %%gs:24, %0" : "=r"(p)); return p; }
#else
struct machine_carrier *_Nonnull arch_carrier(void);
static inline void *_Nullable arch_current(void) { return arch_carrier()->current; }
static inline struct machine_vcpu *_Nonnull arch_vcpu(void) { return arch_carrier()->vcpu; }
#endif

MACHINE_INLINE uint32_t *_Nonnull machine_scheduler_lock(void) { return &machine_words_storage.scheduler_lock; }
MACHINE_INLINE uint32_t *_Nonnull machine_allocator_lock(void) { return &machine_words_storage.allocator_lock; }
MACHINE_INLINE uint32_t *_Nonnull machine_log_lock(void) { return &machine_words_storage.log_lock; }
MACHINE_INLINE uint32_t *_Nonnull machine_space_requests(void) { return &machine_words_storage.space_requests; }
MACHINE_INLINE uint32_t *_Nonnull machine_children(void) { return &machine_words_storage.children; }
MACHINE_INLINE uint32_t *_Nonnull machine_work(void) { return &machine_words_storage.work; }
MACHINE_INLINE uint32_t *_Nonnull machine_stopped(void) { return &machine_words_storage.stopped; }
MACHINE_INLINE uint32_t *_Nonnull machine_power_off(void) { return &machine_words_storage.power_off; }
MACHINE_INLINE uint8_t *_Nonnull machine_low_page_class(uintptr_t page) { return &machine_low_page_classes[page]; }
MACHINE_INLINE uint8_t *_Nonnull machine_low_chunk_class(uintptr_t chunk) { return &machine_low_chunk_classes[chunk]; }
MACHINE_INLINE struct machine_vcpu *_Nonnull machine_vcpu_at(uint32_t id) { return &machine_vcpus[id % MACHINE_MAXIMUM_VCPUS]; }
// Swift takes it that an allocation reads no memory: hence the barriers.
MACHINE_INLINE void machine_set_arena(struct machine_vcpu *_Nonnull v, struct machine_arena *_Nullable arena) {
  __asm__ volatile("" ::: "memory");
  v->arena = arena;
  __asm__ volatile("" ::: "memory");
}
// A vCPU's slab lists, and an arena's, as pointers: C arrays import as tuples.
MACHINE_INLINE uintptr_t *_Nonnull machine_slab_free(struct machine_vcpu *_Nonnull v) { return (uintptr_t *)v->slab_free; }
MACHINE_INLINE uint16_t *_Nonnull machine_arena_free(struct machine_arena *_Nonnull a) { return a->free; }
MACHINE_INLINE uint32_t *_Nonnull machine_slab_count(struct machine_vcpu *_Nonnull v) { return v->slab_count; }

// Addresses of code and of the image's ends, as integers.
#define MACHINE_ADDRESS(symbol) \
  extern const char symbol[]; \
  static inline uint64_t address_of_##symbol(void) { return (uint64_t)(uintptr_t)symbol; }
#ifdef KERNEL_IMAGE
#define MACHINE_IMAGE_ADDRESS MACHINE_ADDRESS
#else
#define MACHINE_IMAGE_ADDRESS(symbol) static inline uint64_t address_of_##symbol(void) { return 0; }
#endif
MACHINE_IMAGE_ADDRESS(__ehdr_start)
MACHINE_IMAGE_ADDRESS(arch_door_return)
MACHINE_IMAGE_ADDRESS(arch_sigreturn)
MACHINE_IMAGE_ADDRESS(arch_window_start)
MACHINE_IMAGE_ADDRESS(arch_window_end)
MACHINE_IMAGE_ADDRESS(arch_call_window_start)
MACHINE_IMAGE_ADDRESS(arch_call_window_end)
MACHINE_IMAGE_ADDRESS(arch_call_window_restart)
#define MACHINE_ENTRY_ADDRESS(symbol) static inline uint64_t address_of_##symbol(void) { return (uint64_t)(uintptr_t)symbol; }
MACHINE_ENTRY_ADDRESS(arch_signal_entry)
MACHINE_ENTRY_ADDRESS(arch_call_entry)
MACHINE_ENTRY_ADDRESS(arch_page_zero_entry)
MACHINE_ENTRY_ADDRESS(arch_copy_fault)
MACHINE_ENTRY_ADDRESS(arch_oops_entry)
MACHINE_ENTRY_ADDRESS(arch_thread_entry)
MACHINE_ENTRY_ADDRESS(arch_carrier_entry)

#ifdef KERNEL_IMAGE
extern const struct machine_fixup __start_machine_fixups[], __stop_machine_fixups[];
static inline const struct machine_fixup *arch_fixups(void) { return __start_machine_fixups; }
static inline size_t arch_fixup_count(void) { return (size_t)(__stop_machine_fixups - __start_machine_fixups); }
#else
static inline const struct machine_fixup *_Nullable arch_fixups(void) { return 0; }
static inline size_t arch_fixup_count(void) { return 0; }
#endif
