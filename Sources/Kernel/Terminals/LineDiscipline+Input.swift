import CLinux
import Machine

/// What becomes of the bytes that arrive.
extension LineDiscipline {
  /// How many more bytes it takes now. In canonical mode without a whole line it always takes one more, which replaces
  /// the last, so that a line can still be ended.
  var room: Int {
    var room = LineDiscipline.size &- inputCount
    if modes.hasInput(PARMRK) { room = (room &+ 2) / 3 }
    room &-= 1
    if room > 0 { return room }
    return overflows ? 1 : 0
  }
  private var overflows: Bool { modes.isCanonical && canonicalHead == readTail }

  /// Takes bytes off `source` as long as there is room, and sets `events`.
  mutating func receive(_ source: inout ByteRing) {
    while !source.isEmpty {
      let before = inputCount
      if before >= LineDiscipline.size &- 1 {
        guard overflows else { break }
        readHead &-= max(before &- (LineDiscipline.size &- 1), 0)
      } else if room == 0 {
        break
      }
      receive(source.removeFirst())
    }
    processEchoes()
    if !readsLines && inputCount > 0 { events.insert(.readable) }
  }

  /// A byte for which there is room.
  mutating func receive(_ arrived: UInt8) {
    if isRaw {
      put(arrived)
      return
    }
    var byte = arrived
    if modes.hasInput(ISTRIP) { byte &= 0x7f }
    if modes.hasInput(IUCLC) && modes.hasLocal(IEXTEN) { byte = Character8.lowercase(byte) }
    if nextIsLiteral {
      nextIsLiteral = false
      receiveOrdinary(byte)
    } else if modes.hasLocal(EXTPROC) {
      put(byte)
    } else if isSpecial(byte) {
      receiveSpecial(byte)
    } else {
      receiveOrdinary(byte)
    }
  }

  private mutating func receiveOrdinary(_ byte: UInt8) {
    restartIfAny()
    if modes.hasLocal(ECHO) {
      finishErasing()
      if canonicalHead == readHead { echoCanonicalColumn() }
      echo(byte)
    }
    putMarked(byte)
  }

  /// IXANY: any byte starts stopped output.
  private mutating func restartIfAny() {
    if isStopped && !isStoppedByFlow && modes.hasInput(IXON) && modes.hasInput(IXANY) { start() }
  }
  /// PARMRK doubles the byte 255.
  private mutating func putMarked(_ byte: UInt8) {
    if byte == 255 && modes.hasInput(PARMRK) { put(byte) }
    put(byte)
  }

  private mutating func receiveSpecial(_ arrived: UInt8) {
    var byte = arrived
    if modes.hasInput(IXON) {
      if isCharacter(byte, VSTART) { return start() }
      if isCharacter(byte, VSTOP) { return stop() }
    }
    if modes.hasLocal(ISIG) {
      if isCharacter(byte, VINTR) { return receiveSignal(.interrupt, byte) }
      if isCharacter(byte, VQUIT) { return receiveSignal(.quit, byte) }
      if isCharacter(byte, VSUSP) { return receiveSignal(.suspend, byte) }
    }
    restartIfAny()
    if byte == 13 {
      if modes.hasInput(IGNCR) { return }
      if modes.hasInput(ICRNL) { byte = 10 }
    } else if byte == 10 && modes.hasInput(INLCR) {
      byte = 13
    }
    if modes.isCanonical && receiveCanonical(byte) { return }
    if modes.hasLocal(ECHO) {
      finishErasing()
      if byte == 10 {
        echoRaw(10)
      } else {
        if canonicalHead == readHead { echoCanonicalColumn() }
        echo(byte)
      }
    }
    putMarked(byte)
  }

  private mutating func receiveSignal(_ signal: Events, _ byte: UInt8) {
    events.insert(signal)
    if !modes.hasLocal(NOFLSH) {
      echoes.removeAll()
      flushOutput()
      flushInput()
      events.insert([.flushedInput, .flushedOutput])
    }
    if modes.hasInput(IXON) { start() }
    if modes.hasLocal(ECHO) { echo(byte) }
    processEchoes()
  }

  /// The editing characters. Returns false where `byte` is none.
  private mutating func receiveCanonical(_ byte: UInt8) -> Bool {
    let isExtended = modes.hasLocal(IEXTEN)
    if isCharacter(byte, VERASE) || isCharacter(byte, VKILL) || (isExtended && isCharacter(byte, VWERASE)) {
      erase(byte)
      return true
    }
    if isExtended && isCharacter(byte, VLNEXT) {
      nextIsLiteral = true
      if modes.hasLocal(ECHO) {
        finishErasing()
        if modes.hasLocal(ECHOCTL) {
          echoRaw(94)  // ^, and back over it
          echoRaw(8)
        }
      }
      return true
    }
    if isExtended && modes.hasLocal(ECHO) && isCharacter(byte, VREPRINT) {
      finishErasing()
      echo(byte)
      echoRaw(10)
      var position = canonicalHead
      while position != readHead {
        echo(self.byte(at: position))
        position &+= 1
      }
      return true
    }
    if byte == 10 {
      if modes.hasLocal(ECHO) || modes.hasLocal(ECHONL) { echoRaw(10) }
      endLine(10)
      return true
    }
    if isCharacter(byte, VEOF) {
      endLine(0)
      return true
    }
    if isCharacter(byte, VEOL) || (isExtended && isCharacter(byte, VEOL2)) {
      if modes.hasLocal(ECHO) {
        if canonicalHead == readHead { echoCanonicalColumn() }
        echo(byte)
      }
      if byte == 255 && modes.hasInput(PARMRK) { put(byte) }
      endLine(byte)
      return true
    }
    return false
  }

  private mutating func endLine(_ byte: UInt8) {
    setLineEnd(readHead)
    put(byte)
    canonicalHead = readHead
    events.insert(.readable)
  }

  // MARK: erasing

  private func isContinuation(_ byte: UInt8) -> Bool { modes.hasInput(IUTF8) && byte & 0xc0 == 0x80 }

  private mutating func erase(_ byte: UInt8) {
    if readHead == canonicalHead { return }
    let isOne = isCharacter(byte, VERASE)
    let isWord = !isOne && isCharacter(byte, VWERASE)
    if !isOne && !isWord {
      if !modes.hasLocal(ECHO) {
        readHead = canonicalHead
        return
      }
      if !modes.hasLocal(ECHOK) || !modes.hasLocal(ECHOKE) || !modes.hasLocal(ECHOE) {
        readHead = canonicalHead
        finishErasing()
        echo(modes.characters[Int(VKILL)])
        if modes.hasLocal(ECHOK) { echoRaw(10) }
        return
      }
    }
    var hasSeenWord = false
    while readHead != canonicalHead {
      // One character, which may be several bytes.
      var head = readHead
      var first: UInt8
      repeat {
        head &-= 1
        first = self.byte(at: head)
      } while isContinuation(first) && head != canonicalHead
      if isContinuation(first) { break }  // never a part of one
      if isWord {
        if Character8.isAlphanumeric(first) || first == 95 { hasSeenWord = true } else if hasSeenWord { break }
      }
      let length = readHead &- head
      readHead = head
      if modes.hasLocal(ECHO) { echoErased(first, length, isOne) }
      if isOne { break }
    }
    if readHead == canonicalHead && modes.hasLocal(ECHO) { finishErasing() }
  }

  private mutating func echoErased(_ first: UInt8, _ length: Int, _ isOne: Bool) {
    if modes.hasLocal(ECHOPRT) {
      if !isErasing {
        echoRaw(92)
        isErasing = true
      }
      echo(first)
      for i in 1..<max(length, 1) {
        echoRaw(byte(at: readHead &+ i))
        echoMoveBackColumn()
      }
    } else if isOne && !modes.hasLocal(ECHOE) {
      echo(modes.characters[Int(VERASE)])
    } else if first == 9 {
      echoErasedTab()
    } else {
      let isControl = Character8.isControl(first)
      if isControl && modes.hasLocal(ECHOCTL) { echoRubout() }
      if !isControl || modes.hasLocal(ECHOCTL) { echoRubout() }
    }
  }
  private mutating func echoRubout() {
    echoRaw(8)
    echoRaw(32)
    echoRaw(8)
  }
  /// How far a tab went depends on what stands before it, back to the line's start or the tab before.
  private mutating func echoErasedTab() {
    var columns = 0
    var isAfterTab = false
    var position = readHead
    while position != canonicalHead {
      position &-= 1
      let byte = byte(at: position)
      if byte == 9 {
        isAfterTab = true
        break
      }
      if Character8.isControl(byte) {
        if modes.hasLocal(ECHOCTL) { columns &+= 2 }
      } else if !isContinuation(byte) {
        columns &+= 1
      }
    }
    echoEraseTab(columns, isAfterTab)
  }
}

/// Linux's classes of bytes, which take the upper half for Latin-1.
enum Character8 {
  static func isControl(_ byte: UInt8) -> Bool { byte < 32 || byte == 127 }
  static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    case 192...255: byte != 215 && byte != 247
    default: false
    }
  }
  static func lowercase(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 65...90: byte &+ 32
    case 192...222: byte == 215 ? byte : byte &+ 32
    default: byte
    }
  }
  static func uppercase(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 97...122: byte &- 32
    case 223...254: byte == 247 || byte == 223 ? byte : byte &- 32
    default: byte
    }
  }
}
