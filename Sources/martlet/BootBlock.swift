import CBoot

/// The boot block under construction: the fixed part, then strings and mounts. CBoot/include/boot.h has the layout.
struct BootBlock {
  var header = martlet_boot()
  private var tail: [UInt8] = []

  init() {
    header.magic = UInt64(MARTLET_BOOT_MAGIC)
    header.rootDescriptor = -1
    header.controlDescriptor = -1
    header.logDescriptor = -1
    header.straceDescriptor = -1
    header.symbolsDescriptor = -1
  }

  private var end: UInt32 { UInt32(MemoryLayout<martlet_boot>.size + tail.count) }

  /// Adds a string and returns its offset.
  mutating func string(_ text: String) -> UInt32 {
    let offset = end
    tail += HostText.bytes(text) + [0]
    return offset
  }

  /// Adds strings one after the other: their number and the offset of the first, 0 if there is none.
  mutating func strings(_ texts: [String]) -> (count: UInt32, offset: UInt32) {
    let offset = end
    for text in texts { _ = string(text) }
    return (UInt32(texts.count), texts.isEmpty ? 0 : offset)
  }

  mutating func mounts(_ mounts: [Mount], descriptor: (Mount) -> Int32) {
    let entries = mounts.map { mount in
      martlet_mount(
        descriptor: descriptor(mount), flags: mount.flags, path: string(mount.path), source: string(mount.source))
    }
    while tail.count % 8 != 0 { tail.append(0) }
    header.mountCount = UInt32(entries.count)
    header.mounts = entries.isEmpty ? 0 : end
    for entry in entries { withUnsafeBytes(of: entry) { tail += Array($0) } }
  }

  mutating func set(_ flag: Int) {
    header.flags |= UInt32(flag)
  }

  func bytes() -> [UInt8] {
    var complete = header
    complete.size = end
    return withUnsafeBytes(of: complete) { Array($0) } + tail
  }
}
