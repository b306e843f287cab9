// User access. Each instruction that may fault has a row in the fix-up table: where it faults, where to go on when
// the page cannot be had. A fault is first offered to the address space (arch_copy_fault), since the page may only be
// unfilled; the instruction then simply runs again.
  .text
  .globl arch_user_copy, arch_user_string, arch_user_clear, arch_user_load32, arch_user_compare_exchange32
  .globl arch_user_store32, arch_user_store64

// `rep` takes its time to start: little is moved in four words at once, then words, then bytes. A fault in those is one of
// `rep` at the same place.
#define LITTLE 256
// (to, from, count) -> bytes not copied
arch_user_copy:
  mov %rdx, %rcx
  cmp $LITTLE, %rdx
  ja 1f
  sub $32, %rcx
  jb 49f
40: mov (%rsi), %rax
41: mov 8(%rsi), %r8
42: mov 16(%rsi), %r9
43: mov 24(%rsi), %r10
44: mov %rax, (%rdi)
45: mov %r8, 8(%rdi)
46: mov %r9, 16(%rdi)
47: mov %r10, 24(%rdi)
  add $32, %rsi
  add $32, %rdi
  sub $32, %rcx
  jae 40b
49: add $24, %rcx
  jl 12f
10: mov (%rsi), %rax
11: mov %rax, (%rdi)
  add $8, %rsi
  add $8, %rdi
  sub $8, %rcx
  jae 10b
12: add $8, %rcx
  jz 15f
13: movzbl (%rsi), %eax
14: mov %al, (%rdi)
  inc %rsi
  inc %rdi
  dec %rcx
  jnz 13b
15: xor %eax, %eax
  ret
48: add $24, %rcx           // a fault among the four words: begin with the first of them
16: add $8, %rcx
1: rep movsb
2: mov %rcx, %rax
  ret
// (to, from, limit), limit a multiple of 8 -> the length of the string at `from`, copied with its NUL in whole words; negative
// where no NUL is below the limit or what is before it cannot be read.
arch_user_string:
  mov $0x0101010101010101, %r8
  mov $0x8080808080808080, %r9
  xor %eax, %eax
50: mov (%rsi,%rax), %rcx
  mov %rcx, (%rdi,%rax)
  mov %rcx, %r10
  sub %r8, %rcx
  not %r10
  and %r10, %rcx
  and %r9, %rcx             // the lowest bit that stays is in the first byte that is zero
  jnz 51f
  add $8, %rax
  cmp %rdx, %rax
  jb 50b
52: mov $-1, %rax
  ret
51: bsf %rcx, %rcx
  shr $3, %ecx
  add %rcx, %rax
  ret
// (to, count) -> bytes not cleared
arch_user_clear:
  mov %rsi, %rcx
  xor %eax, %eax
  cmp $LITTLE, %rsi
  ja 3f
  sub $8, %rcx
  jb 18f
17: mov %rax, (%rdi)
  add $8, %rdi
  sub $8, %rcx
  jae 17b
18: add $8, %rcx
  jz 20f
19: mov %al, (%rdi)
  inc %rdi
  dec %rcx
  jnz 19b
20: ret
21: add $8, %rcx
3: rep stosb
4: mov %rcx, %rax
  ret
// (address, value) -> 0, or 1 where it faulted
arch_user_load32:
5: mov (%rdi), %ecx
  mov %ecx, (%rsi)
  xor %eax, %eax
  ret
6: mov $1, %eax
  ret
// (address, expected, desired) -> 0 and *expected what was there, or 1 where it faulted
arch_user_compare_exchange32:
  mov (%rsi), %eax
7: lock cmpxchg %edx, (%rdi)
  mov %eax, (%rsi)
  xor %eax, %eax
  ret
8: mov $1, %eax
  ret
// (address, value) -> 0, or 1 where it faulted: all of it is stored, or nothing
arch_user_store32:
9: mov %esi, (%rdi)
  xor %eax, %eax
  ret
arch_user_store64:
22: mov %rsi, (%rdi)
  xor %eax, %eax
  ret

  .section machine_fixups,"aR"
  .quad 9b, 8b
  .quad 22b, 8b
  .quad 1b, 2b
  .quad 3b, 4b
  .irp n, 40, 41, 42, 43, 44, 45, 46, 47
  .quad \n\()b, 48b
  .endr
  .quad 50b, 52b
  .quad 10b, 16b
  .quad 11b, 16b
  .quad 13b, 1b
  .quad 14b, 1b
  .quad 17b, 21b
  .quad 19b, 3b
  .quad 5b, 6b
  .quad 7b, 8b
  .text

#ifdef KERNEL_IMAGE
// A fault at a fix-up row. The signal handler pushed onto the interrupted kernel stack, from the top down: the
// faulting instruction, its fix-up, the error code, the address.
  .globl arch_copy_fault
arch_copy_fault:
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbp
  mov 80(%rsp), %rdi        // address
  mov 88(%rsp), %rsi        // error code
  mov %rsp, %rbp
  and $-16, %rsp
  call machine_copy_fault
  mov %rbp, %rsp
  test %al, %al
  jnz 1f
  mov 96(%rsp), %rax        // refused: go on at the fix-up
  mov %rax, 104(%rsp)
1:
  pop %rbp
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
  lea 24(%rsp), %rsp
  ret
#else
  .globl arch_copy_fault
arch_copy_fault: ud2
#endif

// ---- Vector state: the only places that touch it ------------------------------------------------------------------
  .globl arch_vector_save, arch_vector_save_compact, arch_vector_save_user, arch_vector_restore
  .globl arch_vector_restore_checked, arch_set_fs_checked
// (area, mask). `xsave` where the processor has nothing better; the compacted form only for what nobody else reads.
arch_vector_save:
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
  xsave64 (%rdi)
  ret
arch_vector_save_compact:
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
  xsavec64 (%rdi)
  ret
// (address, mask) -> 0, or 1 where it faulted: straight into a signal frame, whose header is clear.
arch_vector_save_user:
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
12: xsave64 (%rdi)
  xor %eax, %eax
  ret
arch_vector_restore:
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
  xrstor64 (%rdi)
  ret
// (area, what): what `xrstor` does in several times the time, for states that are no more than SSE, AVX, mask registers and
// the upper sixteen vectors. `what`: 1 load, 2 clear the mask registers; 4 load, 8 clear the upper vectors; 16 load AVX's
// halves. The areas are compacted, of the components 0xe7: VectorState.swift has seen to it.
#define HALVES 576
#define MASKS 832
#define UPPER 1408
  .globl arch_vector_restore_quick, arch_vector_restore_user
arch_vector_restore_quick:
  ldmxcsr 24(%rdi)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vmovaps (160 + 16 * \n)(%rdi), %xmm\n    // clears the rest of the register
  .endr
  test $16, %esi
  jz 1f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vinsertf128 $1, (HALVES + 16 * \n)(%rdi), %ymm\n, %ymm\n
  .endr
1:
  test $1, %esi
  jz 1f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7
  kmovq (MASKS + 8 * \n)(%rdi), %k\n
  .endr
1:
  test $4, %esi
  jz 1f
  .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  vmovdqa64 (UPPER + 64 * (\n - 16))(%rdi), %zmm\n
  .endr
1:
  test $10, %esi
  jz 3f
arch_vector_restore_rest:
  test $2, %esi
  jz 2f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7
  kxorq %k\n, %k\n, %k\n
  .endr
2:
  test $8, %esi
  jz 3f
  .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  vpxorq %zmm\n, %zmm\n, %zmm\n
  .endr
3: ret

// (area, what): what `xsavec` does in twice the time, for such states: 1 stores the mask registers, 4 the upper vectors,
// 16 AVX's halves.
  .globl arch_vector_save_quick
arch_vector_save_quick:
  stmxcsr 24(%rdi)
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vmovaps %xmm\n, (160 + 16 * \n)(%rdi)
  .endr
  test $16, %esi
  jz 1f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vextractf128 $1, %ymm\n, (HALVES + 16 * \n)(%rdi)
  .endr
1:
  test $1, %esi
  jz 1f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7
  kmovq %k\n, (MASKS + 8 * \n)(%rdi)
  .endr
1:
  test $4, %esi
  jz 2f
  .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  vmovdqa64 %zmm\n, (UPPER + 64 * (\n - 16))(%rdi)
  .endr
2: ret

// (address, what, MXCSR) -> 0, or 1 where it faulted: the same restoring from a signal frame of the guest's.
  .macro guest instruction:vararg
7: \instruction
  .pushsection machine_fixups,"aR"
  .quad 7b, vector_fault
  .popsection
  .endm
arch_vector_restore_user:
  push %rdx
  ldmxcsr (%rsp)
  pop %rdx
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  guest vmovaps (160 + 16 * \n)(%rdi), %xmm\n
  .endr
  test $1, %esi
  jz 1f
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7
  guest kmovq (MASKS + 8 * \n)(%rdi), %k\n
  .endr
1:
  test $4, %esi
  jz 1f
  .irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  guest vmovdqa64 (UPPER + 64 * (\n - 16))(%rdi), %zmm\n
  .endr
1:
  xor %eax, %eax
  jmp arch_vector_restore_rest
vector_fault:
  mov $1, %eax
  ret
// (area, mask) -> 0, or 1 where the area's header is one that the processor refuses
arch_vector_restore_checked:
  mov %esi, %eax
  mov %rsi, %rdx
  shr $32, %rdx
9: xrstor64 (%rdi)
  xor %eax, %eax
  ret
// (base) -> 0, or 1 where it is not canonical
arch_set_fs_checked:
10: wrfsbase %rdi
  xor %eax, %eax
  ret
11: mov $1, %eax
  ret
  .section machine_fixups,"aR"
  .quad 12b, vector_fault
  .quad 9b, 11b
  .quad 10b, 11b
  .text
#ifndef KERNEL_IMAGE
  .globl arch_host_call
arch_host_call:             // hosted tests reach the host directly
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  ret
#endif
  .section .note.GNU-stack,"",@progbits
