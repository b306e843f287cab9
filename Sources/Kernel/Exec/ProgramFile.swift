import CLinux
import Machine

/// A file that is to be run, or its interpreter: open, allowed, and with its ELF headers read.
struct ProgramFile {
  let running: RunningFile
  let image: ElfImage
  var file: File { running.file }
  private let head: [UInt8]

  /// The file's first bytes: as a rule they have its headers and its interpreter's path.
  static var headSize: Int { 1024 }

  /// Errors: ENOEXEC, EINVAL, EIO and what reading gives.
  init(_ running: RunningFile, head: [UInt8]) throws(Errno) {
    self.running = running
    self.head = head
    var image = try ElfImage(header: head)
    let count = image.headerCount * ElfImage.programHeaderSize
    try image.addProgramHeaders(try Self.bytes(of: running.file, head, image.headerOffset, count))
    self.image = image
  }

  private static func bytes(of file: File, _ head: [UInt8], _ offset: UInt, _ count: Int) throws(Errno) -> [UInt8] {
    if offset <= UInt(head.count), count <= head.count - Int(offset) {
      return Array(head[Int(offset)..<Int(offset) + count])
    }
    return try file.bytes(at: Int(offset), count: count)
  }

  /// The path of the dynamic loader, without its NUL; nil for a static program. Errors: ENOEXEC.
  func interpreterPath() throws(Errno) -> [UInt8]? {
    guard let (offset, count) = image.interpreter else { return nil }
    var path = try Self.bytes(of: file, head, offset, count)
    guard path.count == count, path.last == 0 else { throw .notExecutable }
    if let end = path.firstIndex(of: 0) { path.removeSubrange(end...) }
    return path
  }
}

extension File {
  /// Up to `count` bytes from `offset`; fewer only at the file's end. For the kernel's own use: `count` is bounded by it.
  func bytes(at offset: Int, count: Int) throws(Errno) -> [UInt8] {
    guard count > 0 else { return [] }
    let buffer = try KernelBuffer(count: count)
    return buffer.bytes.slice(0, try fill(buffer.bytes, at: offset)).array
  }
  /// Reads from `offset` until `bytes` are full or the file ends. Returns how many it were.
  func fill(_ bytes: KernelBytes, at offset: Int) throws(Errno) -> Int {
    var done = 0
    while done < bytes.count {
      var buffers = IOBuffers(kernel: bytes.slice(done, bytes.count - done))
      let moved = try read(&buffers, at: offset + done)
      if moved == 0 { break }
      done += moved
    }
    return done
  }
}
