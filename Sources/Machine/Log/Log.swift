import CLinux
import CMachine

/// Levels of the kernel's log: syslog(3)'s.
public enum LogLevel: UInt8, Sendable, Comparable {
  case emergency = 0, alert, critical, error, warning, notice, info, debug
  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// The kernel's log: a ring of 256 KiB that `dmesg` reads (syslog(2)) and `--log` copies. A line is
/// `<level>[seconds.microseconds] text`.
public enum Log {
  public static var capacity: Int { 256 << 10 }

  @inline(never) public static func error(_ text: String) { write(.error, text) }
  @inline(never) public static func warning(_ text: String) { write(.warning, text) }
  @inline(never) public static func notice(_ text: String) { write(.notice, text) }
  @inline(never) public static func info(_ text: String) { write(.info, text) }
  @inline(never) public static func debug(_ text: String) { write(.debug, text) }

  @inline(never) public static func write(_ level: LogLevel, _ text: String) {
    let time = Clock.monotonic() &- (unsafe bootTime)
    var line: [UInt8] = []
    line.append(60)
    line.append(48 + level.rawValue)
    line.append(62)
    line.append(contentsOf: "[".utf8)
    appendPadded(&line, time / 1_000_000_000, 5, 32)
    line.append(46)
    appendPadded(&line, time / 1000 % 1_000_000, 6, 48)
    line.append(contentsOf: "] ".utf8)
    line.append(contentsOf: text.utf8)
    line.append(10)
    append(line, level)
  }

  private static func appendPadded(_ line: inout [UInt8], _ value: UInt64, _ width: Int, _ pad: UInt8) {
    var digits: [UInt8] = []
    var n = value
    repeat {
      digits.append(48 + UInt8(n % 10))
      n /= 10
    } while n > 0
    while digits.count < width { digits.append(pad) }
    for digit in digits.reversed() { line.append(digit) }
  }

  private static func append(_ line: [UInt8], _ level: LogLevel) {
    guard let ring = unsafe logRing else { return }
    lockLog()
    for byte in line {
      unsafe ring.storeBytes(of: byte, toByteOffset: logEnd % capacity, as: UInt8.self)
      unsafe logEnd &+= 1
    }
    unlockLog()
    unsafe line.withUnsafeBytes { b in
      guard let base = b.baseAddress else { return }
      if unsafe logDescriptor >= 0 {
        unsafe _ = hostCall(__NR_write, Int(logDescriptor), Int(bitPattern: base), b.count)
      }
      if unsafe level.rawValue <= logLevel {
        unsafe _ = hostCall(__NR_write, 2, Int(bitPattern: base) + 3, b.count - 3)
      }
    }
  }

  private static func lockLog() {
    lockTaken(.log)
    while unsafe !arch_compare_exchange32(machine_log_lock(), 0, 1) { arch_pause() }
  }
  private static func unlockLog() {
    unsafe arch_release32(machine_log_lock(), 0)
    lockReleased(.log)
  }

  /// The bytes from `from` (counted since boot) to `end`: what of them is still in the ring.
  public static var start: Int { unsafe max(0, logEnd - capacity) }
  public static var end: Int { unsafe logEnd }
  public static func bytes(from: Int, limit: Int) -> [UInt8] {
    guard let ring = unsafe logRing else { return [] }
    var result: [UInt8] = []
    var at = max(from, start)
    let end = min(end, at + limit)
    while at < end {
      unsafe result.append(ring.load(fromByteOffset: at % capacity, as: UInt8.self))
      at += 1
    }
    return result
  }
  /// Which messages go to stderr too: those at or below this level.
  public static var level: UInt32 {
    get { unsafe logLevel }
    set { unsafe logLevel = newValue }
  }

  /// The log's tail, to stderr: what a failed boot leaves its reader with.
  public static func flushToStandardError() { writeTail() }

  /// The last 2 KiB, to stderr; locks and allocates nothing.
  static func writeTail() {
    guard let ring = unsafe logRing, unsafe logEnd > 0 else { return }
    var at = unsafe max(0, logEnd - 2048)
    unsafe Report.write("martlet: the log's tail:\n")
    while unsafe at < logEnd {
      let offset = at % capacity
      let count = unsafe min(logEnd - at, capacity - offset)
      unsafe Report.bytes(ring + offset, count)
      at += count
    }
  }
}
// SAFETY: written at boot, but the end, which the log's lock guards.
nonisolated(unsafe) var logRing: UnsafeMutableRawPointer? = nil
nonisolated(unsafe) var logEnd = 0
nonisolated(unsafe) var logDescriptor: Int32 = -1
nonisolated(unsafe) var logLevel: UInt32 = 3
nonisolated(unsafe) public internal(set) var bootTime: UInt64 = 0
