import CLinux
import Machine

/// The character devices of major 1: null(4), zero(4), full(4), random(4), kmsg.
enum MemoryDevices {
  static func register() {
    Devices.register("null", major: 1, minor: 3) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      NullFile(inode: inode, path: path, flags: flags)
    }
    Devices.register("zero", major: 1, minor: 5) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      ZeroFile(inode: inode, path: path, flags: flags)
    }
    Devices.register("full", major: 1, minor: 7) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      FullFile(inode: inode, path: path, flags: flags)
    }
    Devices.register("random", major: 1, minor: 8, count: 2) {
      (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      RandomFile(inode: inode, path: path, flags: flags)
    }
    Devices.register("kmsg", major: 1, minor: 11) { (inode: Inode, path: Path?, flags: Int32) throws(Errno) -> File in
      LogFile(inode: inode, path: path, flags: flags)
    }
  }
}

/// A device with a position that means nothing: lseek(2) returns 0.
class PositionlessFile: File {
  override var isSeekable: Bool { true }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    position = 0
    return 0
  }
}

/// /dev/null.
final class NullFile: PositionlessFile {
  override var canPoll: Bool { false }
  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { 0 }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    buffers.skip(buffers.count)
  }
}

/// /dev/zero.
class ZeroFile: PositionlessFile {
  override var canPoll: Bool { false }
  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    var done = 0
    while buffers.count > 0 {
      do throws(Errno) {
        let moved = try buffers.clear(min(buffers.count, 1 << 20))
        if moved == 0 { break }
        done += moved
      } catch {
        if done == 0 { throw error }
        break
      }
      if Thread.withCurrent({ $0.mustStopWaiting(.interruptible) }) { break }
    }
    return done
  }
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    buffers.skip(buffers.count)
  }
  override func mappedObject() throws(Errno) -> MappedObject { .zero }
}

/// /dev/full.
final class FullFile: ZeroFile {
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int { throw .noSpace }
  override func mappedObject() throws(Errno) -> MappedObject { throw .noDevice }
}

/// /dev/random and /dev/urandom: the host's random numbers.
final class RandomFile: PositionlessFile {
  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int { try Self.fill(&buffers) }

  /// Fills the buffers; a signal ends it once something was moved.
  static func fill(_ buffers: inout IOBuffers) throws(Errno) -> Int {
    if buffers.count == 0 { return 0 }
    let random = try KernelBuffer(count: min(buffers.count, 4096))
    var done = 0
    while buffers.count > 0 {
      let part = random.bytes.slice(0, min(buffers.count, random.count))
      HostRandom.fill(part)
      do throws(Errno) {
        done += try buffers.copyOut(part)
      } catch {
        if done == 0 { throw error }
        break
      }
      if Thread.withCurrent({ $0.mustStopWaiting(.interruptible) }) { break }
    }
    return done
  }
  /// What is written would stir the pool: the host's needs none of it.
  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    buffers.skip(buffers.count)
  }

  override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    guard request == 0x8004_5200 else { throw .invalid }  // RNDGETENTCNT
    try UserPointer<Int32>(argument).copyOut(256)
    return 0
  }
}

/// /dev/kmsg: a record of the kernel's log for each read(2); what is written becomes one.
final class LogFile: File {
  private let queue = WaitQueue()

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    positionLock.lock()
    defer { positionLock.unlock() }
    if Log.end <= position {
      if isNonBlocking { throw .wouldBlock }
      // Nobody wakes readers of the log: they look twice a second.
      while Log.end <= position {
        do throws(Errno) {
          try queue.wait(until: .after(nanoseconds: 500_000_000)) { () throws(Errno) -> Bool in Log.end > position }
        } catch {
          if error != .timedOut { throw error }
        }
      }
    }
    if position < Log.start {
      position = Log.start
      skipLine()
      throw .brokenPipe
    }
    let line = nextLine()
    let record = Self.record(line, sequence: position)
    guard record.count <= buffers.count else { throw .invalid }
    let count = try buffers.copyOut(record)
    position += line.count
    return count
  }
  private func nextLine() -> [UInt8] {
    let bytes = Log.bytes(from: position, limit: 2048)
    let end = bytes.firstIndex(of: 10) ?? bytes.count - 1
    return Array(bytes[...end])
  }
  private func skipLine() { position += nextLine().count }

  /// `<6>[    1.000000] text` as `6,sequence,microseconds,-;text`.
  private static func record(_ line: [UInt8], sequence: Int) -> [UInt8] {
    var level = 6, micros = 0, i = 0
    if line.count > 3 && line[0] == 60 {
      level = Int(line[1]) - 48
      i = 3
      while i < line.count && line[i] != 93 {
        if line[i] >= 48 && line[i] <= 57 { micros = (micros * 10 + Int(line[i] - 48)) % 1_000_000_000_000_000 }
        i += 1
      }
      i = min(i + 2, line.count)
    }
    return Array("\(level),\(sequence),\(micros),-;".utf8) + line[i...]
  }

  override func write(_ buffers: inout IOBuffers, at offset: inout Int) throws(Errno) -> Int {
    let count = buffers.count
    guard count <= 1024 else { throw .invalid }
    if count == 0 { return 0 }
    let buffer = try KernelBuffer(count: count)
    _ = try buffers.copyIn(buffer.bytes)
    var text = buffer.bytes.array
    if text.last == 10 { text.removeLast() }
    var level = LogLevel.notice
    if text.count >= 3 && text[0] == 60, let end = text.firstIndex(of: 62),
      let number = parseNumber(text[1..<end], radix: 10)
    {
      level = LogLevel(rawValue: UInt8(number & 7)) ?? .notice
      text.removeFirst(end + 1)
    }
    Log.write(level, String(decoding: text, as: UTF8.self))
    return count
  }
  override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int {
    guard offset == 0 else { throw .illegalSeek }
    switch whence {
    case SEEK_SET, SEEK_DATA: position = Log.start
    case SEEK_END: position = Log.end
    default: throw .invalid
    }
    return 0
  }
  override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(queue)
    return Log.end > position ? [.in, .readNormal] : []
  }
}
