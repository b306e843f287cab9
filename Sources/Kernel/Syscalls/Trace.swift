import CBoot
import CLinux
import Machine

/// `--strace`: a line for each system call, with its arguments decoded by the table's signature, as strace(1) writes them.
enum Trace {
  /// Whether calls are traced: one load on the way into every call.
  @inline(__always) static var isOn: Bool { bootFlags & UInt32(truncatingIfNeeded: MARTLET_STRACE) != 0 }

  /// A traced call. What the call fills is shown after it, everything else before.
  @inline(never) static func call(_ task: Task, _ arguments: SyscallArguments) -> CallEnd {
    if !task.hasAllRegisters { return .wantsRegisters }  // so that no call is shown twice
    let number = arguments.number
    var line = "[\(task.id)] "
    var words: [[UInt8]] = []
    if UInt(bitPattern: number) < UInt(syscallTable.count) {
      let entry = syscallTable[number]
      line += "\(entry.name)("
      words = split(entry.signature)
    } else {
      line += "syscall_\(number)("
    }
    let values = [arguments.a0, arguments.a1, arguments.a2, arguments.a3, arguments.a4, arguments.a5]
    func next(_ i: Int) -> Int { i < 5 ? values[i + 1] : 0 }
    var texts: [String] = []
    var late: [Int] = []
    for (i, word) in words.enumerated() where i < 6 {
      if TraceArgument.isOutput(word) {
        late.append(i)
        texts.append("")
      } else {
        texts.append(TraceArgument.text(word, values[i], next: next(i)))
      }
    }
    // A call that may not come back is shown at once.
    if number == Int(__NR_exit) || number == Int(__NR_exit_group) {
      write(line + join(texts) + ") = ?\n")
      return perform(task, arguments)
    }
    let end = perform(task, arguments)
    let result = task.result
    for i in late { texts[i] = TraceArgument.output(words[i], values[i], next: next(i), result) }
    write(line + join(texts) + ") = " + outcome(result) + "\n")
    return end
  }

  private static func join(_ texts: [String]) -> String {
    var result = ""
    for (i, text) in texts.enumerated() { result += i == 0 ? text : ", " + text }
    return result
  }
  private static func outcome(_ result: Int) -> String {
    if result < 0 && result > -4096 { return "-1 " + ErrnoName.of(Int32(-result)) }
    if result > 0x1000_0000 { return TraceArgument.hexadecimal(result) }
    return "\(result)"
  }
  private static func split(_ signature: StaticString) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var word: [UInt8] = []
    for byte in signature.bytes {
      if byte != 32 {
        word.append(byte)
        continue
      }
      result.append(word)
      word = []
    }
    if !word.isEmpty { result.append(word) }
    return result
  }
  private static func write(_ text: String) { HostOutput.write(bootBlock.header.straceDescriptor, text) }
}

/// Arguments of one kind each, as text.
enum TraceArgument {
  static func text(_ word: [UInt8], _ value: Int, next: Int) -> String {
    if word.isEqual(to: "path") || word.isEqual(to: "str") { return string(value) }
    if word.isEqual(to: "dirfd") { return Int32(truncatingIfNeeded: value) == AT_FDCWD ? "AT_FDCWD" : "\(value)" }
    if word.isEqual(to: "buf:in") { return bytes(value, next) }
    if word.isEqual(to: "int") || word.isEqual(to: "fd") || word.isEqual(to: "pid") {
      return "\(Int32(truncatingIfNeeded: value))"
    }
    if word.isEqual(to: "uint") || word.isEqual(to: "uid") || word.isEqual(to: "gid") {
      return "\(UInt32(truncatingIfNeeded: value))"
    }
    if word.isEqual(to: "size") || word.isEqual(to: "offset") { return "\(value)" }
    if word.isEqual(to: "mode") || word.isEqual(to: "octal") { return "0" + String(value & 0o7777_7777, radix: 8) }
    if word.isEqual(to: "signal") { return SignalName.of(Int32(truncatingIfNeeded: value)) }
    if word.isEqual(to: "prot") { return flags(value, TraceFlags.protection, zero: "PROT_NONE") }
    if word.isEqual(to: "flags:open") { return TraceFlags.open(value) }
    if word.isEqual(to: "flags:mmap") { return flags(value, TraceFlags.mapping, zero: "0") }
    if word.isEqual(to: "flags:clone") {
      let signal = value & 0xff
      let rest = flags(value & ~0xff, TraceFlags.clone, zero: "")
      if signal == 0 { return rest.utf8.isEmpty ? "0" : rest }
      return rest.utf8.isEmpty ? SignalName.of(Int32(signal)) : rest + "|" + SignalName.of(Int32(signal))
    }
    if word.isEqual(to: "flags:wait") { return flags(value, TraceFlags.wait, zero: "0") }
    if word.isEqual(to: "timespec") { return time(value) }
    if word.isEqual(to: "iovec:in") { return vector(value, count: next, limit: 33) }
    if word.isEqual(to: "argv") { return strings(value) }
    if word.isEqual(to: "sockaddr") { return socketAddress(value, length: next) }
    return value == 0 ? "NULL" : hexadecimal(value)
  }

  /// Whether the call fills what it points to.
  static func isOutput(_ word: [UInt8]) -> Bool {
    let outputs: [StaticString] = ["buf:out", "stat", "iovec:out", "wstatus", "fds:out"]
    return outputs.contains { word.isEqual(to: $0) }
  }
  /// What the call has filled; `next` is the argument after it.
  static func output(_ word: [UInt8], _ value: Int, next: Int, _ result: Int) -> String {
    if result < 0 { return value == 0 ? "NULL" : hexadecimal(value) }
    if word.isEqual(to: "buf:out") { return bytes(value, result) }
    if word.isEqual(to: "iovec:out") { return vector(value, count: next, limit: min(result, 33)) }
    if word.isEqual(to: "wstatus") { return result == 0 ? hexadecimal(value) : waitStatus(value) }
    if word.isEqual(to: "fds:out") { return descriptors(value) }
    guard result == 0, let status = try? UserPointer<linux_stat>(UInt(bitPattern: value)).copyIn() else {
      return hexadecimal(value)
    }
    return "{st_mode=0" + String(status.st_mode, radix: 8) + ", st_size=\(status.st_size), ...}"
  }

  static func hexadecimal(_ value: Int) -> String { "0x" + String(UInt(bitPattern: value), radix: 16) }

  static func string(_ address: Int) -> String {
    if address == 0 { return "NULL" }
    guard let text = try? UserPointer<UInt8>(UInt(bitPattern: address)).copyInString(limit: 4096) else {
      return hexadecimal(address)
    }
    return quoted(text, limit: 256)
  }
  static func bytes(_ address: Int, _ count: Int) -> String {
    if address == 0 { return "NULL" }
    let shown = min(max(count, 0), 33)
    guard let data = try? UserPointer<UInt8>(UInt(bitPattern: address)).copyIn(count: shown) else {
      return hexadecimal(address)
    }
    return quoted(data, limit: 32)
  }
  static func quoted(_ data: [UInt8], limit: Int) -> String {
    var out: [UInt8] = [34]
    for byte in data.prefix(limit) {
      switch byte {
      case 10: out.append(contentsOf: [92, 110])
      case 9: out.append(contentsOf: [92, 116])
      case 13: out.append(contentsOf: [92, 114])
      case 34, 92: out.append(contentsOf: [92, byte])
      case 32..<127: out.append(byte)
      default:
        out.append(92)
        out.append(contentsOf: String(byte, radix: 8).utf8)
      }
    }
    out.append(34)
    if data.count > limit { out.append(contentsOf: [46, 46, 46]) }
    return String(decoding: out, as: UTF8.self)
  }
  private static func time(_ address: Int) -> String {
    if address == 0 { return "NULL" }
    guard let time = try? UserPointer<linux_timespec>(UInt(bitPattern: address)).copyIn() else {
      return hexadecimal(address)
    }
    return "{tv_sec=\(time.tv_sec), tv_nsec=\(time.tv_nsec)}"
  }
  private static func flags(_ value: Int, _ names: [TraceFlag], zero: String) -> String {
    TraceFlags.text(value, names, zero: zero)
  }
}
