import CLinux
import Machine

// A walk that the dentry cache alone can do, under one hold of its lock and without a count: of a short path through
// cached names of a plain file system, with no link to follow, no mount and no ".." on it. All other walks, and those that fail,
// are `PathWalk`'s: it says the errors.

extension Task {
  /// Runs `body` on where `path` leads, under the lock of the dentry cache: it neither sleeps nor drops anything. The dentry
  /// may be negative, for a name that is known not to be there. Nil where the path takes a `PathWalk`. Errors: EBADF…, and
  /// those of `body`.
  @inline(__always) final func withCached<R>(
    _ directory: Int32, _ path: Span<UInt8>, follow: Bool,
    _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    if path.isEmpty { return nil }
    let isAbsolute = path[0] == 47
    if !isAbsolute && directory != AT_FDCWD {
      return try table.with { (table) throws(Errno) -> R? in
        try table.withFile(Int(directory)) { (file) throws(Errno) -> R? in
          guard let start = file.path else { return nil }
          let borrowed = BorrowedPath(mount: Borrowed(start.mount), dentry: Borrowed(start.dentry))
          return try withNames(path, follow, { _ in borrowed }, body)
        }
      }
    }
    return try withNames(path, follow, { $0.start(isAbsolute: isAbsolute) }, body)
  }

  @inline(__always) private final func withNames<R>(
    _ path: Span<UInt8>, _ follow: Bool,
    _ start: (FileSystemContext) -> BorrowedPath,
    _ body: (BorrowedPath) throws(Errno) -> R?
  ) throws(Errno) -> R? {
    try dentries.borrowed.with { (cache) throws(Errno) -> R? in
      try context.with { (context) throws(Errno) -> R? in
        try credentials.borrowed.with { (credentials) throws(Errno) -> R? in
          try cache.withLock { (names) throws(Errno) -> R? in
            let start = start(context)
            guard let found = names.walk(path, from: start.dentry, credentials, follow: follow) else { return nil }
            return try body(BorrowedPath(mount: start.mount, dentry: found))
          }
        }
      }
    }
  }

  /// What `path` leads to, as `resolve` says it. Nil: it takes a `PathWalk`.
  final func resolveCached(_ directory: Int32, _ path: UserPointer<UInt8>, follow: Bool) throws(Errno) -> Path? {
    try path.withShortString { (path) throws(Errno) -> Path? in
      try withCached(directory, path, follow: follow) { (found) throws(Errno) -> Path? in
        found.dentry.with { $0.isNegative } ? nil : found.path
      }
    }
  }
}

extension DentryTable {
  /// Where `path` leads from `start`, all by names that are here; it stays while the lock is held. Nil: it takes more.
  func walk(_ path: Span<UInt8>, from start: Borrowed<Dentry>, _ c: Credentials, follow: Bool) -> Borrowed<Dentry>? {
    var here = start
    guard here.with({ $0.inode.fileSystem.isPlain }) else { return nil }
    var at = 0
    while true {
      let slash = at
      while at < path.count && path[at] == 47 { at &+= 1 }
      if at == path.count { return at == slash || here.with({ $0.inode.isDirectory }) ? here : nil }
      let name = at
      var hash = DentryCache.hashStart
      while at < path.count, path[at] != 47 {
        hash = DentryCache.hash(hash, path[at])
        at &+= 1
      }
      guard here.with({ $0.inode.isDirectory && $0.inode.allows(1, c) }) else { return nil }
      if path[name] == 46 {
        if at == name &+ 1 { continue }
        if at == name &+ 2 && path[name &+ 1] == 46 { return nil }
      }
      guard let found = find(path.extracting(name..<at), hash, in: here) else { return nil }
      if found.with({ $0.isNegative }) { return found }
      if found.with({ $0.mountCount != 0 || $0.inode.isSymbolicLink && (follow || at < path.count) }) { return nil }
      here = found
    }
  }
}
