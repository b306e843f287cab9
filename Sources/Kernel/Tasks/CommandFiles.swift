import CLinux
import Machine

// The few things that process 2 does with files before its program runs.
extension Task {
  /// chdir(2). Errors: those of path_resolution(7), ENOTDIR, EACCES.
  func changeDirectory(_ path: [UInt8]) throws(Errno) {
    let found = try resolve(path)
    guard found.dentry.inode.isDirectory else { throw .notDirectory }
    try credentials.borrowed.with { (c) throws(Errno) in try found.dentry.inode.checkPermission(1, c) }
    context.with { $0.directory = found }
  }

  /// All of a small file: nil where it cannot be read, or is larger than 64 KiB.
  func readSmallFile(_ path: [UInt8]) -> [UInt8]? {
    do throws(Errno) {
      let file = try Opening.open(self, AT_FDCWD, path, OpenHow(flags: O_RDONLY, mode: 0))
      guard file.inode.isRegular else { return nil }
      let buffer = try KernelBuffer(count: 4096)
      var result: [UInt8] = []
      while result.count <= 65536 {
        var buffers = IOBuffers(kernel: buffer.bytes)
        let count = try file.read(&buffers, at: result.count)
        if count == 0 { return result }
        for i in 0..<count { result.append(buffer.bytes[i]) }
      }
    } catch {}
    return nil
  }
}

extension File {
  /// Writes all of a short message, as far as it goes.
  func writeAll(_ bytes: [UInt8]) {
    do throws(Errno) {
      let buffer = try KernelBuffer(count: max(bytes.count, 1))
      for i in 0..<bytes.count { buffer.bytes[i] = bytes[i] }
      var done = 0
      while done < bytes.count {
        var buffers = IOBuffers(kernel: buffer.bytes.slice(done, bytes.count - done))
        var offset = position
        let count = try write(&buffers, at: &offset)
        if count <= 0 { return }
        if isSeekable { position = offset + count }
        done += count
      }
    } catch {}
  }
}
