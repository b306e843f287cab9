// Entry, exit and switch. See docs/entry-paths.md for how the paths fit together.
// Everything here may run with any flag that the guest set until it is cleared, and on a GS base that only
// arch_signal_entry has made right.
#ifdef KERNEL_IMAGE

#define CARRIER_STACK_TOP 8
#define CARRIER_VCPU 24
#define CARRIER_STATE 32
#define GUEST 0
#define KERNEL 1
#define FRAME_SIZE 176
#define FRAME_HOW 168

  .text
// ---- The door: the only `syscall` instruction of the image ------------------------------------------------------
  .globl arch_host_call, arch_door_return, arch_sigreturn
arch_host_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
1: syscall
arch_door_return:
  ret                       // a clone's child returns through an address planted on its new stack
arch_sigreturn:
  mov $15, %eax
  jmp 1b

// ---- Host signals arrive here, on the alternate stack inside the carrier's slot ----------------------------------
  .globl arch_signal_entry
arch_signal_entry:
  push $2                   // AC, DF, NT, TF may be the guest's
  popfq
  mov %rsp, %rcx
  and $-65536, %rcx
  wrgsbase %rcx             // whatever the guest did to %gs
  xor %ebp, %ebp
  sub $8, %rsp
  call machine_signal
  add $8, %rsp
  ret                       // into the restorer, arch_sigreturn

// (vectors, frame, entry): leaves a host signal handler without returning from it. The handler runs with SA_NODEFER
// and an empty mask, so nothing is left to undo but the vector state that the host reset.
  .globl arch_leave_handler
arch_leave_handler:
  mov %rsi, %rcx
  mov %rdx, %rbx
  mov $-1, %eax
  mov $-1, %edx
  .globl arch_vector_restore_handler
arch_vector_restore_handler:
  xrstor64 (%rdi)
  mov %rcx, %rsp
  xor %ebp, %ebp
  jmp *%rbx

  .globl arch_trap_entry, arch_interrupt_entry, arch_fault_entry
arch_trap_entry:
  mov %rsp, %rdi
  call machine_trap
  mov %rsp, %rdi
  call machine_syscall
  jmp arch_return_to_guest
arch_interrupt_entry:
  mov %rsp, %rdi
  call machine_interrupt
  jmp arch_return_to_guest
arch_fault_entry:
  mov %rsp, %rdi
  call machine_fault
  test %eax, %eax
  jz arch_return_to_guest
  mov %rsp, %rdi
  call machine_syscall
  jmp arch_return_to_guest

// ---- A system call from a patched site ----------------------------------------------------------------------------
// Stubs come here with the return address in rcx. The guest's stack is not touched, and rcx and r11 are free, as after
// the instruction itself. Of the frame only what calls need and clobber is written: callee-saved registers stay where
// they are, and `complete` adds them for those who need them all. Flags that kernel code is not made for are cleared,
// and the guest has them back by iretq.
#define GUEST_FLAGS 0x44500             /* AC, NT, DF, TF */
#define OVERFLOW 0x800
  .macro enter counter
  movl $KERNEL, %gs:CARRIER_STATE
  mov %gs:CARRIER_STACK_TOP, %r11
  mov %rsp, -24(%r11)
  lea -24(%r11), %rsp
  pushfq
  lea -144(%rsp), %rsp
  movq \counter, 128(%rsp)
  mov %rax, 120(%rsp)
  mov %rdi, 112(%rsp)
  mov %rsi, 104(%rsp)
  mov %rdx, 96(%rsp)
  mov %r8, 72(%rsp)
  mov %r9, 64(%rsp)
  mov %r10, 56(%rsp)
  movq $0, FRAME_HOW(%rsp)  // MACHINE_FRAME_CALL
  testl $GUEST_FLAGS, 144(%rsp)
  .endm
  .globl arch_call_entry, arch_call_leave
  .balign 64
arch_call_entry:
  enter %rcx
  jnz 2f
  mov %rsp, %rdi
  call machine_syscall
  test %eax, %eax           // MACHINE_CALL_DONE
  jnz 4f
// As the window below, but callee-saved registers still are the guest's, and nothing needs iretq.
  .globl arch_call_window_start, arch_call_window_end, arch_call_window_restart
arch_call_window_start:
  mov %gs:CARRIER_VCPU, %rax
  cmpl $0, (%rax)
  jne 3f
  movl $GUEST, %gs:CARRIER_STATE
  mov 144(%rsp), %r11
  mov %r11d, %eax
  shl $8, %eax
  test $OVERFLOW, %r11d     // leaves OF clear; sahf sets the others from AH
  jnz 1f
  sahf
5:
  mov 56(%rsp), %r10
  mov 64(%rsp), %r9
  mov 72(%rsp), %r8
  mov 80(%rsp), %rax
  mov 96(%rsp), %rdx
  mov 104(%rsp), %rsi
  mov 112(%rsp), %rdi
  mov 128(%rsp), %rcx
  mov 152(%rsp), %rsp
arch_call_leave:
  jmp *%rcx
1:
  mov $1, %al
  add $0x7f, %al            // sets OF
  sahf
  jmp 5b
arch_call_window_end:
arch_call_window_restart:
  mov %gs:CARRIER_STACK_TOP, %rsp
  sub $FRAME_SIZE, %rsp
  jmp arch_call_window_start
// Flags that kernel code is not made for.
2:
  push $2
  popfq
  call complete
  movq $1, FRAME_HOW(%rsp)  // MACHINE_FRAME_FULL
  mov %rsp, %rdi
  xor %ebp, %ebp
  call machine_syscall
  jmp arch_return_to_guest
// Something is pending.
3:
  cmpq $0, FRAME_HOW(%rsp)
  jne 6f
  call complete
6:
  mov %rsp, %rdi
  call machine_pending
  cmpq $2, FRAME_HOW(%rsp)
  je arch_call_window_start
  jmp arch_return_to_guest
// The call wants all registers, or has set them: those of an interrupted call go back as one.
4:
  cmp $1, %eax              // MACHINE_CALL_REGISTERS_SET
  je 7f
  call complete
  mov %rsp, %rdi
  call machine_syscall
  test %eax, %eax
  jz arch_call_window_start
7:
  mov 128(%rsp), %rax       // rcx is rip, and r11 the flags?
  cmp 88(%rsp), %rax
  jne arch_return_to_guest
  mov 144(%rsp), %rax
  cmp 48(%rsp), %rax
  jne arch_return_to_guest
  test $GUEST_FLAGS, %eax
  jnz arch_return_to_guest
  mov 0(%rsp), %r15
  mov 8(%rsp), %r14
  mov 16(%rsp), %r13
  mov 24(%rsp), %r12
  mov 32(%rsp), %rbp
  mov 40(%rsp), %rbx
  movq $2, FRAME_HOW(%rsp)  // MACHINE_FRAME_LIVE
  jmp arch_call_window_start

// Makes the frame above the return address one with all registers, while the callee-saved ones are the guest's.
complete:
  mov 136(%rsp), %rax
  mov %rax, 96(%rsp)        // rcx = rip, and r11 = rflags
  mov 152(%rsp), %rax
  mov %rax, 56(%rsp)
  mov %r15, 8(%rsp)
  mov %r14, 16(%rsp)
  mov %r13, 24(%rsp)
  mov %r12, 32(%rsp)
  mov %rbp, 40(%rsp)
  mov %rbx, 48(%rsp)
  movq $0x33, 144(%rsp)
  movq $0x2b, 168(%rsp)
  movq $2, 8+FRAME_HOW(%rsp) // MACHINE_FRAME_LIVE
  ret

// Page 0 comes here, by a site's `call *%rax` or by a jump to NULL: the return address lies on the guest's stack.
  .globl arch_page_zero_entry, arch_page_zero_trap
  .balign 64
arch_page_zero_entry:
  enter $0
  jz 1f
  push $2
  popfq
  call complete
  movq $1, FRAME_HOW(%rsp)  // MACHINE_FRAME_FULL
  jmp 2f
1:
  call complete
2:
  mov 120(%rsp), %rax
  mov %rax, 80(%rsp)        // the program's own, where this is no call
  mov %rcx, 88(%rsp)
  mov %rsp, %rdi
  call machine_page_zero
  test %eax, %eax
  jz arch_return_to_guest   // no call: a signal is on its way
  mov %rsp, %rdi
  call machine_syscall
  cmpq $2, FRAME_HOW(%rsp)
  jne arch_return_to_guest
  test %eax, %eax
  jz arch_call_window_start
  jmp 7b
arch_page_zero_trap:        // where that could not enter
  mov %rsp, %rdi
  call machine_page_zero
  test %eax, %eax
  jz arch_return_to_guest
  mov %rsp, %rdi
  call machine_syscall
  jmp arch_return_to_guest

// ---- Return to the guest ------------------------------------------------------------------------------------------
// A restartable window: it begins by recomputing everything from %gs and only reads the saved registers, so a kick
// that lands inside it just sets the instruction pointer to its start, and no wake-up is lost.
  .globl arch_return_to_guest, arch_window_start, arch_window_end
arch_return_to_guest:
arch_window_start:
  movl $KERNEL, %gs:CARRIER_STATE
  mov %gs:CARRIER_STACK_TOP, %rsp
  sub $FRAME_SIZE, %rsp
  mov %gs:CARRIER_VCPU, %rax
  cmpl $0, (%rax)
  jne 3f
  movl $GUEST, %gs:CARRIER_STATE
  mov 0(%rsp), %r15
  mov 8(%rsp), %r14
  mov 16(%rsp), %r13
  mov 24(%rsp), %r12
  mov 32(%rsp), %rbp
  mov 40(%rsp), %rbx
  mov 56(%rsp), %r10
  mov 64(%rsp), %r9
  mov 72(%rsp), %r8
  mov 80(%rsp), %rax
  mov 96(%rsp), %rdx
  mov 104(%rsp), %rsi
  mov 112(%rsp), %rdi
  mov 48(%rsp), %r11
  mov 88(%rsp), %rcx
  lea 128(%rsp), %rsp
arch_iret:
  iretq
arch_window_end:
3:
  mov %rsp, %rdi
  xor %ebp, %ebp
  call machine_pending
  jmp arch_window_start

// A jmp or an iretq that the guest's frame makes fault (a non-canonical rip): the guest's SIGSEGV.
arch_call_fault:
  movl $KERNEL, %gs:CARRIER_STATE
  mov %gs:CARRIER_STACK_TOP, %rsp
  sub $FRAME_SIZE, %rsp
  call complete
arch_iret_fault:
  movl $KERNEL, %gs:CARRIER_STATE
  mov %gs:CARRIER_STACK_TOP, %rsp
  sub $FRAME_SIZE, %rsp
  mov %rsp, %rdi
  xor %ebp, %ebp
  call machine_iret_fault
  jmp arch_return_to_guest

// ---- Threads and carriers -----------------------------------------------------------------------------------------
// The first switch to a thread comes here.
  .globl arch_thread_entry
arch_thread_entry:
  xor %ebp, %ebp
  call machine_thread_start
  jmp arch_return_to_guest

// A new host thread or process comes here, by the door's `ret`, on its own park stack.
  .globl arch_carrier_entry
arch_carrier_entry:
  mov %rsp, %rdi
  and $-65536, %rdi
  wrgsbase %rdi
  xor %ebp, %ebp
  and $-16, %rsp
  call machine_carrier_start
  ud2

// (saved, next): swaps kernel stacks.
  .globl arch_switch, arch_switch_call, arch_resume, arch_call_on
arch_switch:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
1:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
arch_resume:
  mov %rdi, %rsp
  jmp 1b
// (saved, stack, f, argument): saves as arch_switch does and runs f(argument) on another stack.
arch_switch_call:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  mov %rcx, %rdi
  xor %ebp, %ebp
  call *%rdx
  ud2
// (stack, f, argument): never comes back.
arch_call_on:
  mov %rdi, %rsp
  mov %rdx, %rdi
  xor %ebp, %ebp
  call *%rsi
  ud2

  .globl arch_oops_entry   // rsp = the task's frame: the stack below it is abandoned
arch_oops_entry:
  mov %rsp, %rdi
  xor %ebp, %ebp
  call machine_oops_exit
  ud2

  .globl _start
_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  and $-16, %rsp
  call kernel_start
  ud2

  .section machine_fixups,"aR"
  .quad arch_iret, arch_iret_fault
  .quad arch_call_leave, arch_call_fault
  .text
#else
  .text
  .globl arch_signal_entry, arch_leave_handler, arch_trap_entry, arch_call_entry, arch_interrupt_entry, arch_fault_entry
  .globl arch_return_to_guest, arch_thread_entry, arch_carrier_entry, arch_oops_entry
  .globl arch_page_zero_entry, arch_page_zero_trap
  .globl arch_switch, arch_switch_call, arch_resume, arch_call_on
arch_signal_entry: arch_leave_handler: arch_trap_entry: arch_call_entry: arch_interrupt_entry: arch_fault_entry:
arch_return_to_guest: arch_thread_entry: arch_carrier_entry: arch_oops_entry:
arch_page_zero_entry: arch_page_zero_trap:
arch_switch: arch_switch_call: arch_resume: arch_call_on:
  ud2                       // the hosted build tests pure logic: nothing there enters or switches
#endif
  .section .note.GNU-stack,"",@progbits
