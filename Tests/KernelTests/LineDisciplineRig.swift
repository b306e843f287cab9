import CLinux
import Machine

@testable import Kernel

/// A discipline with a keyboard, a screen and a reader.
final class LineDisciplineRig {
  var d: LineDiscipline
  private var keys = ByteRing(capacity: 8192)

  init(
    input: Int32 = 0, noInput: Int32 = 0, output: Int32 = 0, noOutput: Int32 = 0, local: Int32 = 0, noLocal: Int32 = 0
  ) {
    d = LineDiscipline(LineDisciplineRig.modes(input, noInput, output, noOutput, local, noLocal))
  }
  static func modes(
    _ input: Int32 = 0, _ noInput: Int32 = 0, _ output: Int32 = 0, _ noOutput: Int32 = 0, _ local: Int32 = 0,
    _ noLocal: Int32 = 0
  ) -> TerminalModes {
    var m = TerminalModes.standard
    m.input = (m.input | UInt32(bitPattern: input)) & ~UInt32(bitPattern: noInput)
    m.output = (m.output | UInt32(bitPattern: output)) & ~UInt32(bitPattern: noOutput)
    m.local = (m.local | UInt32(bitPattern: local)) & ~UInt32(bitPattern: noLocal)
    return m
  }
  func type(_ text: String) { type([UInt8](text.utf8)) }
  func type(_ bytes: [UInt8]) {
    for byte in bytes { keys.append(byte) }
    d.receive(&keys)
  }
  var isStopped: Bool { d.isStopped }
  var isRaw: Bool { d.isRaw }
  var writable: Int { d.writable }
  var writerLimit: Int { d.writerLimit }
  var column: Int { d.column }
  var readableCount: Int { d.readableCount }
  var inputCount: Int { d.inputCount }
  var outputCount: Int { d.out.count }
  var outputCapacity: Int { d.out.capacity }
  func hasInput(forPoll: Bool = false) -> Bool { d.hasInput(forPoll: forPoll) }
  /// Keys that found no room.
  var waiting: Int { keys.count }
  /// What a read of `count` bytes gets; nil where it would wait.
  func read(_ count: Int = 4096) -> String? { readBytes(count).map { String(decoding: $0, as: UTF8.self) } }
  func readBytes(_ count: Int = 4096) -> [UInt8]? {
    guard d.hasInput() else { return nil }
    var result = [UInt8](repeating: 0, count: count)
    let moved = unsafe result.withUnsafeMutableBytes { b -> Int in
      var buffers = IOBuffers(UserPointer(UInt(bitPattern: b.baseAddress)), count: count)
      return (try? d.read(&buffers)) ?? -1
    }
    return Array(result[0..<moved])
  }
  func screen() -> String { String(decoding: screenBytes(), as: UTF8.self) }
  func screenBytes() -> [UInt8] {
    let bytes = d.out.contents
    d.out.removeAll()
    d.processEchoes()
    return bytes + (d.out.isEmpty ? [] : screenBytes())
  }
  func write(_ text: String) {
    let bytes = [UInt8](text.utf8)
    d.write(bytes, 0..<bytes.count)
  }
  func events() -> LineDiscipline.Events {
    defer { d.events = [] }
    return d.events
  }
}
