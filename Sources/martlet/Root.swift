import CTool
import Glibc

/// The root that the kernel gets: an uncompressed archive, or a host directory.
struct Root {
  enum Kind { case archive, directory }

  let kind: Kind
  let descriptor: Descriptor
  let source: String
  /// The directories that want a tmpfs under `--ro`.
  let temporaries: [String]

  static let usualTemporaries = ["/tmp", "/run"]

  /// The default root was checked when it was built; it is passed on as it is.
  static func standard(_ path: String) throws(Failure) -> Root {
    guard path.hasSuffix(".tar") else { return try open(path) }
    guard let descriptor = Descriptor.open(path, O_RDONLY) else {
      throw Failure("cannot open the default root \(path): \(Failure.reason)")
    }
    return Root(kind: .archive, descriptor: descriptor, source: path, temporaries: usualTemporaries)
  }

  static func open(_ path: String) throws(Failure) -> Root {
    var status = stat()
    guard HostText.withCString(path, { stat($0, &status) }) == 0 else {
      throw Failure("there is no root at \(path) (\(Failure.reason)): give --root a directory or a tar archive")
    }
    return status.isKind(S_IFDIR) ? try directory(path) : try archive(path)
  }

  private static func directory(_ path: String) throws(Failure) -> Root {
    guard let descriptor = Descriptor.open(path, tool_o_path | O_DIRECTORY) else {
      throw Failure("cannot open the root \(path): \(Failure.reason)")
    }
    func kind(_ name: String) -> mode_t? {
      var status = stat()
      return fstatat(descriptor.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode & S_IFMT : nil
    }
    guard ["bin", "usr", "etc"].contains(where: { kind($0) != nil }) else {
      throw Failure("\(path) is not a root: it has none of bin, usr and etc; give --root the directory above them")
    }
    return Root(
      kind: .directory, descriptor: descriptor, source: HostPath.absolute(path),
      temporaries: usualTemporaries.filter { [nil, S_IFDIR].contains(kind(String($0.dropFirst()))) })
  }

  private static func archive(_ path: String) throws(Failure) -> Root {
    guard let file = Descriptor.open(path, O_RDONLY), var status = file.status() else {
      throw Failure("cannot open the root archive \(path): \(Failure.reason)")
    }
    let progress = Progress("unpacking \(path)")
    defer { progress.finish() }
    // What cannot be read twice (a pipe) is kept in memory.
    var source = file
    if !status.isKind(S_IFREG) {
      source = try copy(file, progress: progress)
      status = source.status() ?? status
    }
    guard let start = source.read(at: 0, count: 8) else {
      throw Failure("cannot read the root archive \(path): \(Failure.reason)")
    }
    var complaint: String?
    var plain = source
    if let compression = Compression.detect(start) {
      plain = try Descriptor.memory("root-archive")
      complaint = try compression.unpack(source, into: plain, progress: progress)
      status = plain.status() ?? status
    }
    do throws(TarChecker.Fault) {
      var checker = TarChecker(size: UInt64(status.st_size)) { plain.read(at: $0, count: $1) }
      try checker.check { progress.update() }
    } catch {
      let cause = complaint.map { " (\($0))" } ?? ""
      throw Failure("the root archive \(path) is broken\(error.member == nil ? ":" : "") \(error.text)\(cause)")
    }
    if let complaint { throw Failure("the root archive \(path) is broken after its last member: \(complaint)") }
    if plain !== file { _ = tool_seal(plain.number) }
    lseek(plain.number, 0, SEEK_SET)
    return Root(
      kind: .archive, descriptor: plain, source: HostPath.absolute(path), temporaries: usualTemporaries)
  }

  private static func copy(_ source: Descriptor, progress: Progress) throws(Failure) -> Descriptor {
    let target = try Descriptor.memory("root-archive")
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(source.number, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw Failure("cannot read the root archive: \(Failure.reason)") }
      if count == 0 {
        lseek(target.number, 0, SEEK_SET)
        return target
      }
      try target.write(Array(buffer[..<count]))
      progress.update()
    }
  }
}
