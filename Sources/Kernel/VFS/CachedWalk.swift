import CLinux
import Machine

// A walk that the dentry cache alone can do, without a lock and without a count: of a short path through cached names of a
// plain file system, with no link to follow, no mount and no ".." on it. What it found is the truth where no name left its
// place meanwhile (`DentryCache.changes`). All other walks, and those that fail, are `PathWalk`'s: it says the errors.

extension Task {
  /// Runs `body` on where `path` leads. It reads under RCU: it neither sleeps nor drops anything, and what it returns counts
  /// only where nothing changed meanwhile. The dentry may be negative, for a name that is known not to be there. Nil where
  /// the path takes a `PathWalk`. Errors: EBADF…, and those of `body`.
  @inline(__always) final func withCached<R>(
    _ directory: Int32, _ path: ShortPath, follow: Bool,
    _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    if path.isEmpty { return nil }
    let isAbsolute = path[0] == 47
    if !isAbsolute && directory != AT_FDCWD {
      return try table.with { (table) throws(Errno) -> R? in
        try table.withFile(Int(directory)) { (file) throws(Errno) -> R? in
          guard let start = file.path else { return nil }
          let borrowed = BorrowedPath(mount: Borrowed(start.mount), dentry: Borrowed(start.dentry))
          return try withNames(path, borrowed, follow, body)
        }
      }
    }
    let start = context.with { $0.start(isAbsolute: isAbsolute) }
    return try withNames(path, start, follow, body)
  }

  @inline(__always) private final func withNames<R>(
    _ path: ShortPath, _ start: BorrowedPath, _ follow: Bool, _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    try dentries.borrowed.with { (cache) throws(Errno) -> R? in
      guard let before = cache.changes.read(),
        let found = credentials.borrowed.with({ cache.walk(path, from: start.dentry, $0, follow: follow) })
      else { return nil }
      do throws(Errno) {
        let result = try body(BorrowedPath(mount: start.mount, dentry: found))
        return cache.changes.isStill(before) ? result : nil
      } catch {
        if cache.changes.isStill(before) { throw error }
        return nil
      }
    }
  }
}

extension DentryCache {
  /// Where `path` leads from `start`, all by names that are here. Nil: it takes more.
  func walk(_ path: ShortPath, from start: Borrowed<Dentry>, _ c: Credentials, follow: Bool) -> Borrowed<Dentry>? {
    var here = start
    guard here.with({ $0.inode.fileSystem.isPlain }) else { return nil }
    var at = 0
    while true {
      let slash = at
      while path[at] == 47 { at &+= 1 }
      if at == path.count { return at == slash || here.with({ $0.inode.isDirectory }) ? here : nil }
      let name = at
      let (end, hash) = path.name(at: name)
      at = end
      guard here.with({ $0.inode.isDirectory && $0.inode.allows(1, c) }) else { return nil }
      if path[name] == 46 {
        if end == name &+ 1 { continue }
        if end == name &+ 2 && path[name &+ 1] == 46 { return nil }
      }
      guard let found = look(hash, in: here, { $0.name.isEqual(to: path, name, end) }) else { return nil }
      let isEnd = found.with { dentry in
        dentry.isNegative || dentry.mountCount != 0
          || dentry.inode.isSymbolicLink && (follow || at < path.count)
      }
      if isEnd { return found.with { $0.isNegative } ? found : nil }
      here = found
    }
  }
}
