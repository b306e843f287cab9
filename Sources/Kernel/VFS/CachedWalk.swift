import CLinux
import Machine

// A walk that the dentry cache alone can do, without a lock and without a count: of a short path through cached names of a
// plain file system, or of one that confirms each, with no ".." on it, and no link but those whose text is known. What it
// found is the truth where meanwhile no name left its place and no mount came or went (`DentryCache.changes`). All other
// walks, and those that fail, are `PathWalk`'s: it says the errors.

extension Task {
  /// Runs `body` on where `path` leads. It reads under RCU: it neither sleeps nor drops anything, and what it returns counts
  /// only where nothing changed meanwhile. The dentry may be negative, for a name that is known not to be there. Nil where
  /// the path takes a `PathWalk`. Errors: EBADF…, and those of `body`.
  @inline(__always) final func withCached<R>(
    _ directory: Int32, _ path: ShortPath, follow: Bool, confirmsLast: Bool = true,
    _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    if path.isEmpty { return nil }
    let isAbsolute = path[0] == 47
    if !isAbsolute && directory != AT_FDCWD {
      return try table.with { (table) throws(Errno) -> R? in
        try table.withFile(Int(directory)) { (file) throws(Errno) -> R? in
          guard let start = file.path else { return nil }
          let borrowed = BorrowedPath(mount: Borrowed(start.mount), dentry: Borrowed(start.dentry))
          return try withNames(path, borrowed, follow, confirmsLast, body)
        }
      }
    }
    let start = context.with { $0.start(isAbsolute: isAbsolute) }
    return try withNames(path, start, follow, confirmsLast, body)
  }

  @inline(__always) private final func withNames<R>(
    _ path: ShortPath, _ start: BorrowedPath, _ follow: Bool, _ confirmsLast: Bool,
    _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    try dentries.borrowed.with { (cache) throws(Errno) -> R? in
      guard let before = cache.changes.read() else { return nil }
      var at = start
      let isFound = credentials.borrowed.with {
        cache.walk(path, &at, context, $0, follow: follow, confirmsLast: confirmsLast)
      }
      if !isFound { return nil }
      do throws(Errno) {
        let result = try body(at)
        return cache.changes.isStill(before) ? result : nil
      } catch {
        if cache.changes.isStill(before) { throw error }
        return nil
      }
    }
  }
}

extension DentryCache {
  /// Walks `path` from `place`, all by names that are here, to where it leads. A link's text takes the place of what led to
  /// it in `path`'s bytes. False: it takes more.
  func walk(
    _ path: ShortPath, _ place: inout BorrowedPath, _ context: Borrowed<FileSystemContext>, _ c: Credentials,
    follow: Bool, confirmsLast: Bool
  ) -> Bool {
    var path = path
    var here = place.dentry
    guard var isPlain = isPlain(here) else { return false }
    var at = 0, links = 0
    while true {
      let slash = at
      while path[at] == 47 { at &+= 1 }
      if at == path.count {
        place.dentry = here
        return at == slash || here.with { $0.inode.isDirectory }
      }
      let name = at
      let (end, hash) = path.name(at: name)
      at = end
      guard here.with({ $0.inode.isDirectory && $0.inode.allows(1, c) }) else { return false }
      if path[name] == 46 {
        if end == name &+ 1 { continue }
        if end == name &+ 2 && path[name &+ 1] == 46 { return false }
      }
      guard let found = look(hash, in: here, { $0.name.isEqual(to: path, name, end) }) else { return false }
      if found.with({ $0.isNegative }) {
        place.dentry = found
        return isPlain
      }
      if found.with({ $0.mountCount != 0 }) && cross(found, &place) {
        here = place.dentry
        guard let isPlainMount = self.isPlain(here) else { return false }
        isPlain = isPlainMount
        continue
      }
      let isLink = found.with { $0.inode.isSymbolicLink }
      if !isPlain && (confirmsLast || end < path.count || isLink) {
        let isStill = found.with { f in here.with { f.inode.confirm(in: $0.inode, path, name, end) } }
        if !isStill { return false }
      }
      if isLink && (follow || end < path.count) {
        links &+= 1
        guard links <= 40, let text = found.with({ $0.inode.knownLink }),
          text.with({ path.replaceHead(before: end, with: $0.bytes) })
        else { return false }
        at = 0
        place.last = nil
        if path[0] == 47 {
          place = context.with { $0.start(isAbsolute: true) }
          here = place.dentry
          guard let isPlainRoot = self.isPlain(here) else { return false }
          isPlain = isPlainRoot
        }
        continue
      }
      place.last = PathName(parent: here, text: path, start: name, end: end)
      here = found
    }
  }
  /// Moves `place` to the root of what is mounted on `dentry` in its mount. False: nothing is.
  private func cross(_ dentry: Borrowed<Dentry>, _ place: inout BorrowedPath) -> Bool {
    mounts.borrowed.with { table in
      guard var mount = table.look(place.mount, dentry) else { return false }
      while let upper = table.look(mount, mount.with({ Borrowed($0.root) })) { mount = upper }
      place = BorrowedPath(mount: mount, dentry: mount.with { Borrowed($0.root) })
      return true
    }
  }
  /// Nil where its file system's names are not known to be what the cache has.
  @inline(__always) private func isPlain(_ dentry: Borrowed<Dentry>) -> Bool? {
    dentry.with {
      let fileSystem = $0.inode.fileSystem
      return fileSystem.isPlain ? true : fileSystem.isConfirmed ? false : nil
    }
  }
}
