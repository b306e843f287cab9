import CLinux
import CMachine

/// The process's own mappings, from the host's /proc/self/maps. Only at boot, before the lock-in.
enum HostMaps {
  static var stack: StaticTag { .stack }
  static var heap: StaticTag { .heap }
  enum StaticTag { case stack, heap, vdso, other }

  static func forEach(_ body: (UInt, UInt, StaticTag) -> Void) {
    let path: StaticString = "/proc/self/maps"
    let descriptor = unsafe hostCall(
      __NR_openat, Int(AT_FDCWD), Int(bitPattern: path.utf8Start), Int(O_RDONLY | O_CLOEXEC))
    check(descriptor, "/proc/self/maps")
    var text: [UInt8] = []
    var count = 0
    repeat {
      let part = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { b, filled in
        count = unsafe hostCall(__NR_read, descriptor, Int(bitPattern: b.baseAddress), 4096)
        filled = max(count, 0)
      }
      text.append(contentsOf: part)
    } while count > 0
    _ = hostCall(__NR_close, descriptor)
    var at = 0
    while at < text.count {
      var end = at
      while end < text.count && text[end] != 10 { end += 1 }
      parse(text, at, end, body)
      at = end + 1
    }
  }

  private static func parse(_ text: [UInt8], _ from: Int, _ to: Int, _ body: (UInt, UInt, StaticTag) -> Void) {
    var at = from
    func hexadecimal() -> UInt {
      var value: UInt = 0
      while at < to {
        let c = text[at]
        if c >= 48 && c <= 57 {
          value = value << 4 | UInt(c - 48)
        } else if c >= 97 && c <= 102 {
          value = value << 4 | UInt(c - 87)
        } else {
          break
        }
        at += 1
      }
      return value
    }
    let start = hexadecimal()
    at += 1
    let end = hexadecimal()
    var bracket = at
    while bracket < to && text[bracket] != 91 { bracket += 1 }
    var tag = StaticTag.other
    if bracket + 2 < to {
      switch (text[bracket + 1], text[bracket + 2]) {
      case (115, 116): tag = .stack  // [stack]
      case (104, 101): tag = .heap  // [heap]
      case (118, 118), (118, 100): tag = .vdso  // [vvar], [vdso]
      default: break
      }
    }
    body(start, end, tag)
  }
}
