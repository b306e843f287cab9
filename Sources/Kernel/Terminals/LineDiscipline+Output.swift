import CLinux
import Machine

/// What goes to the screen: echo, and the processing of output.
extension LineDiscipline {
  // MARK: echo, as operations in a ring. A byte other than `mark` stands for itself.

  private static var mark: UInt8 { 0xff }
  private static var moveBackColumn: UInt8 { 0x80 }
  private static var setCanonicalColumn: UInt8 { 0x81 }
  private static var eraseTab: UInt8 { 0x82 }

  /// Makes room by dropping the oldest operations.
  private mutating func reserveEcho(_ count: Int) {
    while echoes.room < count { echoes.drop(min(operationLength, echoes.count)) }
  }
  private var operationLength: Int {
    if echoes[0] != LineDiscipline.mark || echoes.count < 2 { return 1 }
    return echoes[1] == LineDiscipline.eraseTab ? 3 : 2
  }

  mutating func echoRaw(_ byte: UInt8) {
    reserveEcho(2)
    if byte == LineDiscipline.mark { echoes.append(byte) }
    echoes.append(byte)
  }
  /// A typed byte: with ECHOCTL a control byte shows as ^X.
  mutating func echo(_ byte: UInt8) {
    if modes.hasLocal(ECHOCTL) && Character8.isControl(byte) && byte != 9 {
      reserveEcho(2)
      echoes.append(LineDiscipline.mark)
      echoes.append(byte)
    } else {
      echoRaw(byte)
    }
  }
  mutating func echoMoveBackColumn() { echoOperation(LineDiscipline.moveBackColumn) }
  mutating func echoCanonicalColumn() { echoOperation(LineDiscipline.setCanonicalColumn) }
  private mutating func echoOperation(_ operation: UInt8) {
    reserveEcho(2)
    echoes.append(LineDiscipline.mark)
    echoes.append(operation)
  }
  mutating func echoEraseTab(_ columns: Int, _ isAfterTab: Bool) {
    reserveEcho(3)
    echoes.append(LineDiscipline.mark)
    echoes.append(LineDiscipline.eraseTab)
    echoes.append(UInt8(columns & 7) | (isAfterTab ? 0x80 : 0))
  }
  mutating func finishErasing() {
    if !isErasing { return }
    echoRaw(47)  // the / that ends what ECHOPRT began with \
    isErasing = false
  }

  /// Shows what waits, as far as there is room and output is not stopped.
  mutating func processEchoes() {
    if isStopped || echoes.isEmpty { return }
    let before = out.count
    while !echoes.isEmpty && out.room >= 8 {
      let byte = echoes.removeFirst()
      if byte != LineDiscipline.mark {
        if modes.hasOutput(OPOST) { _ = process(byte) } else { out.append(byte) }
        continue
      }
      guard !echoes.isEmpty else { break }
      let operation = echoes.removeFirst()
      switch operation {
      case LineDiscipline.mark:
        out.append(operation)
        column &+= 1
      case LineDiscipline.moveBackColumn:
        if column > 0 { column &-= 1 }
      case LineDiscipline.setCanonicalColumn:
        canonicalColumn = column
      case LineDiscipline.eraseTab:
        var columns = Int(echoes.removeFirst())
        if columns & 0x80 == 0 { columns &+= canonicalColumn }
        for _ in 0..<8 &- (columns & 7) {
          out.append(8)
          if column > 0 { column &-= 1 }
        }
      default:
        out.append(94)
        out.append(operation ^ 0o100)
        column &+= 2
      }
    }
    if out.count != before { events.insert(.output) }
  }

  // MARK: output

  /// How many bytes a writer may hand to `write` now. What they become fits in any case.
  var writable: Int {
    if isStopped || out.count >= writerLimit { return 0 }
    return modes.hasOutput(OPOST) ? min(out.room / 8, LineDiscipline.chunk) : writerLimit &- out.count
  }
  static var chunk: Int { 2048 }

  /// Puts out `range` of `source`, at most `writable` bytes.
  mutating func write(_ source: borrowing [UInt8], _ range: Range<Int>) {
    processEchoes()
    if modes.hasOutput(OPOST) {
      for i in range { _ = process(source[i]) }
    } else {
      out.append(source, range)
    }
    events.insert(.output)
  }
  /// The same straight from a writer's buffers, through `scratch` of `chunk` bytes. Returns the bytes taken. Errors: EFAULT.
  mutating func write(_ buffers: inout IOBuffers, _ scratch: inout [UInt8]) throws(Errno) -> Int {
    let limit = min(writable, buffers.count)
    if limit == 0 { return 0 }
    if !modes.hasOutput(OPOST) {
      processEchoes()
      events.insert(.output)
      return try out.write(&buffers, limit: limit)
    }
    let count = try buffers.copyIn(&scratch, 0..<limit)
    write(scratch, 0..<count)
    return count
  }

  /// OPOST. Returns false where there is no room.
  mutating func process(_ arrived: UInt8) -> Bool {
    var byte = arrived
    switch byte {
    case 10:
      if modes.hasOutput(ONLRET) { column = 0 }
      if modes.hasOutput(ONLCR) {
        if out.room < 2 { return false }
        column = 0
        canonicalColumn = 0
        out.append(13)
        out.append(10)
        return true
      }
      canonicalColumn = column
    case 13:
      if modes.hasOutput(ONOCR) && column == 0 { return true }
      if modes.hasOutput(OCRNL) {
        byte = 10
        if modes.hasOutput(ONLRET) {
          column = 0
          canonicalColumn = 0
        }
      } else {
        column = 0
        canonicalColumn = 0
      }
    case 9:
      let spaces = 8 &- (column & 7)
      if modes.expandsTabs {
        if out.room < spaces { return false }
        column &+= spaces
        for _ in 0..<spaces { out.append(32) }
        return true
      }
      if out.room < 1 { return false }
      column &+= spaces
    case 8:
      if column > 0 { column &-= 1 }
    default:
      if !Character8.isControl(byte) {
        if modes.hasOutput(OLCUC) { byte = Character8.uppercase(byte) }
        if !(modes.hasInput(IUTF8) && byte & 0xc0 == 0x80) { column &+= 1 }
      }
    }
    if out.room < 1 { return false }
    out.append(byte)
    return true
  }
}
