import CLinux
import Machine

/// What readers get.
extension LineDiscipline {
  /// Whether a read finds something; for poll(2) VMIN counts.
  func hasInput(forPoll: Bool = false) -> Bool {
    if readsLines { return canonicalHead != readTail }
    let wanted = forPoll && modes.time == 0 && modes.minimum > 0 ? modes.minimum : 1
    return inputCount >= wanted
  }

  /// FIONREAD: without the marks of EOF.
  var readableCount: Int {
    if !readsLines { return inputCount }
    var count = canonicalHead &- readTail
    var position = readTail
    while position != canonicalHead {
      if isLineEnd(position) && byte(at: position) == 0 { count &-= 1 }
      position &+= 1
    }
    return count
  }

  /// Moves what there is to the reader: in canonical mode at most one line, without its EOF. Returns the bytes moved.
  /// There must be input. Errors: EFAULT.
  mutating func read(_ buffers: inout IOBuffers) throws(Errno) -> Int {
    if !readsLines { return try take(&buffers, min(buffers.count, inputCount)) }
    let limit = min(buffers.count, canonicalHead &- readTail)
    var length = 0
    while length < limit && !isLineEnd(readTail &+ length) { length &+= 1 }
    if length == limit {
      // The reader's buffer ends inside the line. An EOF right behind it is not for the next read.
      let moved = try take(&buffers, length)
      if moved == length && length > 0 && readTail != canonicalHead && isLineEnd(readTail) && byte(at: readTail) == 0 {
        clearLineEnd(readTail)
        readTail &+= 1
      }
      return moved
    }
    let isEnd = byte(at: readTail &+ length) == 0
    let end = readTail &+ length
    let moved = try take(&buffers, isEnd ? length : length &+ 1)
    if isEnd && moved == length { readTail &+= 1 }
    if readTail > end { clearLineEnd(end) }
    return moved
  }

  private mutating func take(_ buffers: inout IOBuffers, _ length: Int) throws(Errno) -> Int {
    var done = 0
    while done < length {
      let start = readTail & (LineDiscipline.size &- 1)
      let part = min(length &- done, LineDiscipline.size &- start)
      do throws(Errno) {
        let moved = try buffers.copyOut(buffer, start..<start &+ part)
        readTail &+= moved
        done &+= moved
        if moved < part { break }
      } catch {
        if done == 0 { throw error }
        break
      }
    }
    return done
  }
}
