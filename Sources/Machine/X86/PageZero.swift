import CLinux
import CMachine

// Page 0 with `hook=zpoline`. A site's `call *%rax` leads to the address that is the call's number: into a sled of `nop`,
// and from its end to `arch_page_zero_entry`. The guest can only run it: where the processor has protection keys the host
// makes a page that is nothing but executable unreadable.
//
// A program's own jump to NULL comes the same way; that it is none of a patched site's is found out by the return address.

/// What of page 0 is sled, every call's number and more. Those of no call lead further: to an invalid instruction, or to where
/// nothing is mapped. (`jumpAt` is for those just behind: a second byte of a jump must do no harm either.)
private let jumpAt = 512, entryAt = 514 + 0x66
nonisolated(unsafe) private(set) var hasPageZero = false  // SAFETY: written at boot

/// At boot, before capabilities are dropped; every other process is a copy.
func mapPageZero() {
  let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
  guard hostCall(__NR_mmap, 0, 4096, Int(PROT_READ | PROT_WRITE), Int(flags), -1, 0) == 0 else {
    fail(
      """
      --hook zpoline needs page 0, which the host forbids to map: 'sysctl vm.mmap_min_addr=0' there allows it to \
      everybody, CAP_SYS_RAWIO to martlet alone
      """)
  }
  // Longer instructions are fewer. Each `nop` has all prefixes that it can: wherever one is entered, the rest is a shorter
  // one.
  var bytes = [UInt8](repeating: 0x06, count: 4096)  // an invalid opcode
  for i in 0..<entryAt { bytes[i] = (jumpAt - 1 - i) % 15 == 0 ? 0x90 : 0x66 }
  bytes[entryAt - 1] = 0x90
  bytes[jumpAt] = 0xeb  // to `entryAt`; its distance, 66, is a prefix as well
  let entry = address_of_arch_page_zero_entry()
  bytes[entryAt] = 0x49  // movabs $entry, %r11
  bytes[entryAt + 1] = 0xbb
  for i in 0..<8 { bytes[entryAt + 2 + i] = UInt8(truncatingIfNeeded: entry >> UInt64(8 * i)) }
  bytes[entryAt + 10] = 0x41  // jmp *%r11
  bytes[entryAt + 11] = 0xff
  bytes[entryAt + 12] = 0xe3
  // SAFETY: `nil` is address 0, where a page has just been mapped.
  unsafe _ = bytes.withUnsafeBufferPointer { unsafe arch_user_copy(nil, $0.baseAddress, 4096) }
  check(hostCall(__NR_mprotect, 0, 4096, Int(PROT_EXEC)), "mprotect of page 0")
  unsafe hasPageZero = true
}

extension Thread {
  /// Where the thread goes on in the program that a patched site led to page 0. Nil: it is not there, or came otherwise.
  public final var pageZeroReturn: UInt? {
    unsafe hasPageZero && programCounter < 4096 ? pageZeroReturnOnStack : nil
  }
  private final var pageZeroReturnOnStack: UInt? {
    guard let next = try? UserPointer<UInt>(stackPointer).copyIn(), isPageZeroCall(returningTo: next) else {
      return nil
    }
    return next
  }
  /// Its registers become those at the site that led to page 0.
  public final func leavePageZero() {
    guard let next = pageZeroReturn else { return }
    setProgramCounter(next &- 2)
    unsafe stack.frame.pointee.rsp &+= 8
  }

  /// A site's `call *%rax` was made or tried: the registers become those of a system call that returns to `next`.
  private final func enterCall(_ frame: UnsafeMutablePointer<machine_frame>, _ next: UInt, pops: Bool) {
    if pops { unsafe frame.pointee.rsp &+= 8 }
    unsafe frame.pointee.rip = UInt64(next)
    unsafe frame.pointee.rcx = UInt64(next)
    unsafe frame.pointee.r11 = frame.pointee.rflags
    unsafe frame.pointee.orig_rax = frame.pointee.rax
  }

  /// A fault of a site's `call *%rax`: a number that leads elsewhere, or no room on the stack for the return address.
  /// Returns whether that was it; the registers are then those of the call.
  final func isPageZeroFault(_ frame: UnsafeMutablePointer<machine_frame>) -> Bool {
    guard unsafe hasPageZero, fault.signal != SIGTRAP && fault.signal != SIGFPE else { return false }
    let at = programCounter
    if unsafe at == frame.pointee.rax, let next = pageZeroReturnOnStack {
      unsafe enterCall(frame, next, pops: true)
      return true
    }
    if isPageZeroCall(returningTo: at &+ 2) {
      unsafe enterCall(frame, at &+ 2, pops: false)
      return true
    }
    // A jump behind the sled.
    if at < 4096 { faultAtPageZero(at) }
    return false
  }

  /// What the host would say if nothing were mapped there.
  private final func faultAtPageZero(_ address: UInt) {
    fault = FaultInformation(signal: SIGSEGV, code: Int32(SEGV_MAPERR), trap: 14)
    fault.address = address
    fault.errorCode = 0x14  // the program's, for an instruction
  }

  fileprivate final func arriveFromPageZero(_ frame: UnsafeMutablePointer<machine_frame>) -> Bool {
    if let next = pageZeroReturnOnStack {
      unsafe enterCall(frame, next, pops: true)
      return true
    }
    // A jump to NULL; which address near it, nobody knows any more.
    unsafe frame.pointee.rip = 0
    unsafe frame.pointee.orig_rax = .max
    unsafe frame.pointee.how = UInt64(MACHINE_FRAME_FULL)
    faultAtPageZero(0)
    guestFault()
    return false
  }
}

/// Returns 1 where a system call is to be made, 0 after a fault.
@c(machine_page_zero) func machinePageZero(_ frame: UnsafeMutablePointer<machine_frame>) -> UInt32 {
  defer { checkStack() }
  return Thread.withCurrent { unsafe $0.arriveFromPageZero(frame) } ? 1 : 0
}
