import CLinux
import CMachine

/// The seccomp filter, made from `allowedCalls`: a call passes only from the door's instruction, only with a number on the
/// list, only with the arguments that the list bounds. Anything else traps: outside the door it is the guest's call.
enum Filter {
  private static var load: UInt16 { UInt16(BPF_LD | BPF_W | BPF_ABS) }
  private static var equal: UInt16 { UInt16(BPF_JMP | BPF_JEQ | BPF_K) }
  private static var atLeast: UInt16 { UInt16(BPF_JMP | BPF_JGE | BPF_K) }
  private static var giveBack: UInt16 { UInt16(BPF_RET | BPF_K) }

  /// The program for a door whose `syscall` ends at `door`.
  static func program(door: UInt64) -> [sock_filter] {
    var p: [sock_filter] = []
    let trap = sock_filter(code: giveBack, jt: 0, jf: 0, k: SECCOMP_RET_TRAP)
    let allow = sock_filter(code: giveBack, jt: 0, jf: 0, k: SECCOMP_RET_ALLOW)
    // struct seccomp_data: nr 0, arch 4, instruction_pointer 8, args 16.
    p.append(sock_filter(code: load, jt: 0, jf: 0, k: 12))
    p.append(sock_filter(code: equal, jt: 1, jf: 0, k: UInt32(truncatingIfNeeded: door >> 32)))
    p.append(trap)
    p.append(sock_filter(code: load, jt: 0, jf: 0, k: 8))
    p.append(sock_filter(code: equal, jt: 1, jf: 0, k: UInt32(truncatingIfNeeded: door)))
    p.append(trap)
    p.append(sock_filter(code: load, jt: 0, jf: 0, k: 4))
    p.append(sock_filter(code: equal, jt: 1, jf: 0, k: LINUX_AUDIT_ARCH))
    p.append(trap)
    p.append(sock_filter(code: load, jt: 0, jf: 0, k: 0))
    let calls = allowedCalls()
    search(&p, calls, 0, calls.count, trap, allow)
    return p
  }

  /// A binary search: at most seven comparisons for a call.
  private static func search(
    _ p: inout [sock_filter], _ calls: [AllowedCall], _ low: Int, _ high: Int, _ trap: sock_filter, _ allow: sock_filter
  ) {
    if high - low > 1 {
      let middle = (low + high) / 2
      // Jumps of a condition reach 255 instructions: a plain jump takes the far half.
      p.append(sock_filter(code: atLeast, jt: 0, jf: 1, k: UInt32(calls[middle].number)))
      let jump = p.count
      p.append(sock_filter(code: UInt16(BPF_JMP | BPF_JA), jt: 0, jf: 0, k: 0))
      search(&p, calls, low, middle, trap, allow)
      p[jump].k = UInt32(p.count - jump - 1)
      search(&p, calls, middle, high, trap, allow)
      return
    }
    let call = calls[low]
    p.append(sock_filter(code: equal, jt: 1, jf: 0, k: UInt32(call.number)))
    p.append(trap)
    if call.argument >= 0 {
      p.append(sock_filter(code: load, jt: 0, jf: 0, k: UInt32(20 + call.argument * 8)))
      p.append(sock_filter(code: equal, jt: 1, jf: 0, k: 0))
      p.append(trap)
      p.append(sock_filter(code: load, jt: 0, jf: 0, k: UInt32(16 + call.argument * 8)))
      for i in 0..<call.valueCount {
        p.append(sock_filter(code: equal, jt: 0, jf: 1, k: call.values[i]))
        p.append(allow)
      }
      p.append(trap)
    } else {
      p.append(allow)
    }
  }

  /// No way back: from here on a `syscall` anywhere but in the door is the guest's.
  static func install() {
    var program = program(door: address_of_arch_door_return())
    let result = unsafe program.withUnsafeMutableBufferPointer { b -> Int in
      var header = unsafe sock_fprog(len: UInt16(b.count), filter: b.baseAddress)
      return unsafe hostCall(
        __NR_seccomp, Int(SECCOMP_SET_MODE_FILTER), Int(SECCOMP_FILTER_FLAG_SPEC_ALLOW), address(&header))
    }
    check(result, "seccomp")
  }
}

/// A host call at boot that cannot fail on a host that Martlet supports.
func check(_ result: Int, _ what: StaticString) {
  guard let error = HostError(result) else { return }
  unsafe Report.write("martlet: the host refused ")
  Report.write(what)
  Report.write(": errno ")
  Report.number(UInt(error.number), radix: 10)
  switch error.number {
  case EAGAIN: Report.write(", there is a limit on processes: see 'ulimit -u'")
  case EMFILE: Report.write(", there is a limit on open files: see 'ulimit -n'")
  default: break
  }
  Report.write("\n")
  hostExit(125)
}
