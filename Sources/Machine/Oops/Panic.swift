import CLinux
import CMachine

/// The end of the machine: what happened, the log's tail, exit status 125. Root's main thread, whose status is the
/// machine's, is told; this host thread never goes on.
func panic(_ what: StaticString) -> Never {
  unsafe Report.write("martlet: kernel panic: ")
  unsafe Report.write(what)
  unsafe Report.write("\n")
  Report.backtrace(from: UInt(arch_frame_address()))
  Log.writeTail()
  unsafe arch_store32(machine_power_off(), 1 + 125)  // whatever status it had
  powerOff(125)
  // Root's main thread may wait for a lock that this one holds.
  if unsafe arch_carrier().pointee.pid == rootProcess { hostExit(125) }
  while true { unsafe hostFutexWait(machine_power_off(), 1 + 125) }
}

/// Ends the machine with `status`: the first one wins. Returns; root's main thread does it.
public func powerOff(_ status: Int) {
  unsafe _ = arch_compare_exchange32(machine_power_off(), 0, UInt32(truncatingIfNeeded: 1 + (status & 255)))
  unsafe arch_store32(machine_space_requests(), 1)
  unsafe hostFutexWake(machine_space_requests())
}

/// An unexpected trap in kernel code. Without a lock the task dies and the machine goes on; with one it is a panic.
func oops(_ signal: Int32, _ context: UnsafeMutablePointer<linux_ucontext>) {
  let m = unsafe context.pointee.uc_mcontext
  let carrier = unsafe arch_carrier()
  unsafe Report.write("martlet: kernel oops: ")
  Report.number(UInt(truncatingIfNeeded: signal), radix: 10)
  unsafe Report.write(" (signal) at ")
  Report.place(UInt(m.rip))
  unsafe Report.write(", address ")
  Report.number(UInt(m.cr2), radix: 16)
  unsafe Report.write("\n")
  Report.backtrace(from: UInt(m.rbp))
  let mutexes = unsafe carrier.pointee.current.map { unsafe Borrowed<Thread>(bits: $0).with { $0.mutexCount } } ?? 0
  if unsafe carrier.pointee.locks != 0 || mutexes != 0 || carrier.pointee.current == nil || carrier.pointee.oopses != 0
  {
    unsafe panic("an oops with a lock held, without a task, or a second time")
  }
  unsafe carrier.pointee.oopses &+= 1
  unsafe context.pointee.uc_mcontext.rip = address_of_arch_oops_entry()
  unsafe context.pointee.uc_mcontext.rsp = carrier.pointee.stack_top - UInt64(MACHINE_FRAME_SIZE)
}

/// The task's kernel stack from the top: what lay on it is abandoned, with the counts that it held.
@c(machine_oops_exit) func machineOopsExit(_ frame: UnsafeMutablePointer<machine_frame>) {
  unsafe arch_carrier().pointee.oopses = 0
  Thread.withCurrent { $0.dieOfOops() }
  unsafe panic("a task outlived its oops")
}

/// Text for reports, straight to stderr: nothing here allocates or locks.
enum Report {
  static func write(_ text: StaticString) {
    unsafe _ = hostCall(__NR_write, 2, Int(bitPattern: text.utf8Start), text.utf8CodeUnitCount)
  }
  static func bytes(_ start: UnsafeRawPointer, _ count: Int) {
    unsafe _ = hostCall(__NR_write, 2, Int(bitPattern: start), count)
  }
  static func number(_ value: UInt, radix: UInt) {
    var digits = InlineArray<24, UInt8>(repeating: 0)
    var n = value, i = 24
    repeat {
      i -= 1
      let digit = UInt8(truncatingIfNeeded: n % radix)
      digits[i] = digit < 10 ? 48 + digit : 87 + digit
      n /= radix
    } while n > 0
    if radix == 16 { unsafe write("0x") }
    unsafe withUnsafePointer(to: &digits) { p in unsafe bytes(UnsafeRawPointer(p) + i, 24 - i) }
  }
  /// A code address, with its function and line where the symbol file is there.
  static func place(_ address: UInt) {
    number(address, radix: 16)
    Symbols.describe(address)
  }
  static func backtrace(from framePointer: UInt) {
    var frame = framePointer
    for _ in 0..<24 {
      guard frame & 7 == 0, frame >= KernelMemory.base, frame < KernelMemory.base &+ (unsafe KernelMemory.size) else {
        return
      }
      let words = unsafe UnsafePointer<UInt>(bitPattern: frame).unsafelyUnwrapped
      let back = unsafe words[1]
      guard back &- 0x6800_0000_0000 < 1 << 30 else { return }
      unsafe write("  ")
      place(back - 1)
      unsafe write("\n")
      if unsafe words[0] <= frame { return }
      frame = unsafe words[0]
    }
  }
}
