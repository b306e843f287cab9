import CLinux
import Machine

/// What /proc/PID/statm and status say, in pages.
public struct MemoryCounts: Sendable {
  public var totals = AreaTotals()
  public var peak = 0
  /// VmData's stack, code and libraries as Linux divides them.
  public var code = 0
  public var libraries = 0
}

extension AddressSpace {
  /// /proc/PID/maps: an area a line, paths as seen from `root`.
  public func mapsText(below root: Path) -> [UInt8] {
    var text: [UInt8] = []
    let vdso = HostVDSO.range
    var hasVDSO = vdso.isEmpty
    for (area, heap) in snapshot() {
      if !hasVDSO && area.start >= vdso.upperBound {
        Self.appendVDSO(&text)
        hasVDSO = true
      }
      appendLine(&text, area, isHeap: heap, root)
    }
    if !hasVDSO { Self.appendVDSO(&text) }
    return text
  }

  /// /proc/PID/smaps: what is known without asking the host is told.
  public func detailedMapsText(below root: Path) -> [UInt8] {
    var text: [UInt8] = []
    for (area, heap) in snapshot() {
      appendLine(&text, area, isHeap: heap, root)
      let size = area.pages * 4
      var resident = 0
      area.filled.forEach { (first, end) in resident += (end - first) * 4 }
      for (name, value) in [
        ("Size:", size), ("KernelPageSize:", 4), ("MMUPageSize:", 4), ("Rss:", resident), ("Pss:", resident),
        ("Locked:", area.flags.contains(.locked) ? size : 0),
      ] as [(StaticString, Int)] {
        text.append(contentsOf: name.bytes)
        let number = Array("\(value)".utf8)
        text.append(contentsOf: [UInt8](repeating: 32, count: max(24 - name.utf8CodeUnitCount - number.count, 1)))
        text.append(contentsOf: number)
        text.append(contentsOf: Array(" kB\n".utf8))
      }
    }
    return text
  }

  /// The areas at one moment, and whether each is the heap; without the lock paths can be looked up.
  private func snapshot() -> [(Area, Bool)] {
    withoutChange { state in
      var result: [(Area, Bool)] = []
      result.reserveCapacity(state.areas.count)
      let (low, high) = (state.breakStart, AddressLayout.roundedUp(state.breakEnd))
      state.areas.tree.forEach { area in
        result.append((copy area, area.mapping == nil && low < high && area.start < high && area.end > low))
      }
      return result
    }
  }

  private func appendLine(_ text: inout [UInt8], _ area: Area, isHeap: Bool, _ root: Path) {
    let start = text.count
    Self.appendHexadecimal(&text, area.start, 8)
    text.append(45)
    Self.appendHexadecimal(&text, area.end, 8)
    text.append(32)
    text.append(area.flags.contains(.read) ? 114 : 45)
    text.append(area.flags.contains(.write) ? 119 : 45)
    text.append(area.flags.contains(.execute) ? 120 : 45)
    text.append(area.flags.contains(.shared) ? 115 : 112)
    text.append(32)
    Self.appendHexadecimal(&text, area.mapping == nil ? 0 : area.offset, 8)
    text.append(32)
    var name: [UInt8] = []
    if let mapping = area.mapping {
      if let file = mapping.file, let status = try? file.inode.status() {
        Self.appendDevice(&text, status.device, status.inode)
        name = file.path.map { $0.description(below: root) } ?? file.label
      } else if let segment = mapping.attachment?.segment {
        Self.appendDevice(&text, 1, UInt64(UInt32(bitPattern: segment.id)))
        let key = String(UInt32(bitPattern: segment.key), radix: 16)
        name = Array(("/SYSV" + String(repeating: "0", count: 8 - key.utf8.count) + key + " (deleted)").utf8)
      } else {
        Self.appendDevice(&text, 1, 0)
        name = Array("/dev/zero (deleted)".utf8)
      }
    } else {
      Self.appendDevice(&text, 0, 0)
      if isHeap { name = Array("[heap]".utf8) }
      if area.flags.contains(.growsDown) || (area.start <= stackStart && stackStart < area.end) {
        name = Array("[stack]".utf8)
      }
    }
    Self.appendName(&text, start, name)
  }

  private static func appendDevice(_ text: inout [UInt8], _ device: UInt32, _ inode: UInt64) {
    // major:minor, of the kernel's own encoding: 12 bits and 20.
    appendHexadecimal(&text, UInt(device >> 8 & 0xfff), 2)
    text.append(58)
    appendHexadecimal(&text, UInt(device & 0xff | device >> 12 & 0xfff00), 2)
    text.append(32)
    text.append(contentsOf: Array("\(inode) ".utf8))
  }
  private static func appendName(_ text: inout [UInt8], _ lineStart: Int, _ name: [UInt8]) {
    if !name.isEmpty {
      while text.count - lineStart < 73 { text.append(32) }
      for byte in name {
        if byte == 10 { text.append(contentsOf: Array("\\012".utf8)) } else { text.append(byte) }
      }
    }
    text.append(10)
  }
  private static func appendVDSO(_ text: inout [UInt8]) {
    let range = HostVDSO.range
    let code = HostAuxiliary.current.vdso
    let parts: [(UInt, UInt, StaticString, StaticString)] = [
      (range.lowerBound, min(max(code, range.lowerBound), range.upperBound), "r--p", "[vvar]"),
      (min(max(code, range.lowerBound), range.upperBound), range.upperBound, "r-xp", "[vdso]"),
    ]
    for (low, high, flags, name) in parts where low < high {
      let start = text.count
      appendHexadecimal(&text, low, 8)
      text.append(45)
      appendHexadecimal(&text, high, 8)
      text.append(32)
      text.append(contentsOf: flags.bytes)
      text.append(contentsOf: Array(" 00000000 00:00 0 ".utf8))
      appendName(&text, start, name.bytes)
    }
  }
  private static func appendHexadecimal(_ text: inout [UInt8], _ value: UInt, _ width: Int) {
    let digits = Array(String(value, radix: 16).utf8)
    for _ in 0..<max(width - digits.count, 0) { text.append(48) }
    text.append(contentsOf: digits)
  }

  /// For /proc/PID/statm, stat and status.
  public func counts() -> MemoryCounts {
    var result = MemoryCounts()
    withoutChange { state in
      result.totals = state.areas.totals
      result.peak = max(state.peak, state.areas.totals.total)
    }
    result.code = Int((AddressLayout.roundedUp(codeRange.upperBound) - codeRange.lowerBound & ~4095) >> 12)
    result.libraries = max(result.totals.text - result.code, 0)
    return result
  }

  /// /proc/PID/cmdline or environ: the strings between the two addresses, as they are now. Errors: ESRCH, EFAULT.
  public func strings(_ task: Task, _ range: Range<UInt>) throws(Errno) -> [UInt8] {
    let count = Int(min(range.upperBound - range.lowerBound, 1 << 20))
    guard count > 0 else { return [] }
    let buffer = try KernelBuffer(count: count)
    let moved = try read(task, at: range.lowerBound, to: buffer.bytes)
    return buffer.bytes.slice(0, moved).array
  }
}
