import CLinux
import Machine

// A path is walked name by name, path_resolution(7). Where the walk is, is `mount` and `dentry`; what is left of the path
// is `text` from `position` on, and, where a symbolic link was followed in mid-path, the rests of the outer paths in
// `pending`. The walk stops before the last name: those who look at what is there go on with `finish`, those who make or
// remove a name take `last` and lock the directory. The cache is asked first, by one function, `DentryCache.find`; only
// a miss locks a directory and asks its file system. Nothing else is locked on the way.

/// How to walk: AT_*, O_* and RESOLVE_* in one set.
public struct WalkFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Follow a symbolic link at the end.
  public static var follow: WalkFlags { WalkFlags(rawValue: 1) }
  /// The end must be a directory.
  public static var directory: WalkFlags { WalkFlags(rawValue: 2) }
  /// An empty path means where it starts (AT_EMPTY_PATH).
  public static var allowEmpty: WalkFlags { WalkFlags(rawValue: 4) }
  // openat2(2)
  public static var noMounts: WalkFlags { WalkFlags(rawValue: 8) }
  public static var noMagicLinks: WalkFlags { WalkFlags(rawValue: 16) }
  public static var noSymbolicLinks: WalkFlags { WalkFlags(rawValue: 32) }
  public static var beneath: WalkFlags { WalkFlags(rawValue: 64) }
  public static var inRoot: WalkFlags { WalkFlags(rawValue: 128) }
  public static var cached: WalkFlags { WalkFlags(rawValue: 256) }
}

/// What the last part of a path is.
public enum LastName: Sendable {
  /// There is none: the path is "/", or ends in a link to it.
  case none
  case dot
  case dotDot
  /// The bytes `text[start..<end]` of the walk.
  case name(Int, Int)
}

public struct PathWalk: ~Copyable {
  public private(set) var mount: Mount
  public private(set) var dentry: Dentry
  public private(set) var text: [UInt8]
  public private(set) var last = LastName.none
  /// A slash came behind the last name: it must be a directory.
  public private(set) var hasTrailingSlash = false
  private var position = 0
  private var pending: [(text: [UInt8], position: Int)] = []
  private var links = 0
  private let flags: WalkFlags
  private let root: Path  // what "/" means, and where ".." stops
  private let credentials: Borrowed<Credentials>  // the caller keeps them

  /// A walk of `text`, from `start` where it is relative. Errors: ENOENT where it is empty and may not be, EXDEV.
  public static func begin(
    _ text: [UInt8], from start: @autoclosure () throws(Errno) -> Path, root: Path, _ credentials: Credentials,
    _ flags: WalkFlags
  ) throws(Errno) -> PathWalk {
    if text.isEmpty && !flags.contains(.allowEmpty) { throw .noEntry }
    if flags.isDisjoint(with: [.beneath, .inRoot]) {
      return PathWalk(text, at: text.first == 47 ? root : try start(), root, credentials, flags)
    }
    if flags.contains(.beneath), text.first == 47 { throw .crossDevice }
    let from = try start()
    return PathWalk(text, at: from, from, credentials, flags)
  }
  private init(_ text: [UInt8], at start: Path, _ root: Path, _ credentials: Credentials, _ flags: WalkFlags) {
    self.root = root
    mount = start.mount
    dentry = start.dentry
    self.text = text
    self.flags = flags
    self.credentials = Borrowed(credentials)
  }

  public var path: Path { Path(mount: mount, dentry: dentry) }

  /// Walks to the directory of the last name; done twice, it stays there.
  public mutating func toParent() throws(Errno) {
    if position == text.count && pending.isEmpty && !isFollowing, case .name = last { return }
    last = .none
    while true {
      while position < text.count && text[position] == 47 { position += 1 }
      if position == text.count {
        guard let (outer, next) = pending.popLast() else { return }
        text = outer
        position = next
        continue
      }
      let start = position
      var end = start
      while end < text.count && text[end] != 47 { end += 1 }
      var next = end
      while next < text.count && text[next] == 47 { next += 1 }
      let isDot = text[start] == 46
      let kind: LastName =
        isDot && end == start + 1
        ? .dot : isDot && end == start + 2 && text[start + 1] == 46 ? .dotDot : .name(start, end)
      position = next
      if next == text.count && pending.isEmpty {
        if next != end { hasTrailingSlash = true }
        last = kind
        return
      }
      try step(kind, isLast: false)
      guard dentry.inode.isDirectory || isFollowing else { throw .notDirectory }
      isFollowing = false
    }
  }
  private var isFollowing = false  // the last step went into a link's text

  /// Walks the last name too: what the whole path leads to. Errors: ENOENT, ENOTDIR, ELOOP, EACCES…
  public mutating func finish() throws(Errno) -> Path {
    while true {
      try toParent()
      if case .none = last { break }
      try step(last, isLast: true)
      if !isFollowing { break }
      isFollowing = false
    }
    if !dentry.inode.isDirectory && (hasTrailingSlash || flags.contains(.directory)) { throw .notDirectory }
    return path
  }

  /// One name on: into what it is, or, for a link that is to be followed, into its text.
  private mutating func step(_ kind: LastName, isLast: Bool) throws(Errno) {
    try checkSearch()
    switch kind {
    case .none, .dot: return
    case .dotDot: try goUp()
    case .name(let start, let end):
      let found = try find(start, end)
      if found.isNegative { throw .noEntry }
      try enter(found, isLast: isLast)
    }
  }
  /// Goes on with `found`, a name in the current directory that is there. Returns whether a link was followed, so that
  /// `toParent` has more to do.
  public mutating func enter(_ found: Dentry, isLast: Bool, follow: Bool? = nil) throws(Errno) {
    isFollowing = false
    if found.inode.isSymbolicLink {
      let follows = !isLast || hasTrailingSlash || (follow ?? flags.contains(.follow))
      if follows {
        try followLink(found)
        return
      }
    }
    dentry = found
    try crossMounts()
  }
  /// Whether `enter` followed a link.
  public var followedLink: Bool { isFollowing }

  @inline(__always) private func checkSearch() throws(Errno) {
    try credentials.with { (c) throws(Errno) in
      let inode = dentry.inode
      guard inode.isDirectory else { throw .notDirectory }
      try inode.checkPermission(1, c)
    }
  }

  /// The dentry of a name in the current directory, negative where it is not there. Errors: ENAMETOOLONG, and what the file
  /// system throws.
  public func find(_ start: Int, _ end: Int) throws(Errno) -> Dentry {
    try dentries.borrowed.with { (cache) throws(Errno) -> Dentry in
      if let found = cache.find(text.span.extracting(start..<end), in: dentry) {
        if !dentry.inode.fileSystem.revalidates || isCovered(found) { return found }
        if try dentry.inode.revalidate(text.span.extracting(start..<end), found.isNegative ? nil : found.inode) {
          return found
        }
        cache.remove(found, isDeleted: false)
      }
      if end - start > 255 { throw .nameTooLong }
      if flags.contains(.cached) { throw .wouldBlock }
      return try dentry.inode.lock.withLock { (_) throws(Errno) -> Dentry in
        try lookUp(text.span.extracting(start..<end), in: dentry)
      }
    }
  }

  /// Something is mounted on `found`, so whatever the file system has there now is not seen.
  @inline(__always) private func isCovered(_ found: Dentry) -> Bool {
    if found.mountCount == 0 { return false }
    return mounts.borrowed.with { $0.mounted(on: Path(mount: mount, dentry: found)) != nil }
  }
  private mutating func crossMounts() throws(Errno) {
    if dentry.mountCount == 0 { return }
    try mounts.borrowed.with { (table) throws(Errno) in
      while let mounted = table.mounted(on: path) {
        if flags.contains(.noMounts) { throw .crossDevice }
        mount = mounted
        dentry = mounted.root
      }
    }
  }

  private mutating func goUp() throws(Errno) {
    while true {
      if path == root {
        if flags.contains(.beneath) { throw .crossDevice }
        break
      }
      if dentry !== mount.root {
        if let parent = dentries.borrowed.with({ $0.parent(of: dentry) }) { dentry = parent }
        break
      }
      guard let place = mounts.borrowed.with({ $0.place(of: mount) }) else { break }
      if flags.contains(.noMounts) { throw .crossDevice }
      mount = place.mount
      dentry = place.dentry
    }
    try crossMounts()
  }

  private mutating func followLink(_ link: Dentry) throws(Errno) {
    if flags.contains(.noSymbolicLinks) { throw .loop }
    links += 1
    if links > 40 { throw .loop }
    if !mount.has(MS_NOATIME) && !mount.isReadOnly { link.inode.noteAccess() }
    switch try link.inode.follow() {
    case .path(let target):
      if flags.contains(.noMagicLinks) { throw .loop }
      if !flags.isDisjoint(with: [.beneath, .inRoot]) { throw .crossDevice }
      if flags.contains(.noMounts), target.mount !== mount { throw .crossDevice }
      mount = target.mount
      dentry = target.dentry
    case .text(let target):
      if target.isEmpty { throw .noEntry }
      if target[0] == 47 {
        if flags.contains(.beneath) { throw .crossDevice }
        if flags.contains(.noMounts), root.mount !== mount { throw .crossDevice }
        mount = root.mount
        dentry = root.dentry
      }
      if position < text.count { pending.append((text, position)) }
      text = target
      position = 0
      isFollowing = true
    }
  }
}

/// `name` in the directory `parent`, whose lock is held: from the cache, else from the file system. Negative where it is
/// not there.
func lookUp(_ name: Span<UInt8>, in parent: Dentry) throws(Errno) -> Dentry {
  try dentries.borrowed.with { (cache) throws(Errno) -> Dentry in
    if let found = cache.find(name, in: parent) {
      if !parent.inode.fileSystem.revalidates { return found }
      if try parent.inode.revalidate(name, found.isNegative ? nil : found.inode) { return found }
      cache.remove(found, isDeleted: false)
    }
    let inode = try parent.inode.lookup(name)
    if inode == nil && parent.inode.fileSystem.refusesNewNames { throw .noEntry }
    let new = Dentry(name: name, in: parent, inode: inode)
    if new.isTransient { return new }
    if inode == nil && (parent.isDeleted || !parent.inode.fileSystem.cachesAbsence) { return new }
    return cache.insert(new)
  }
}
/// The bytes of a span.
public func array(of span: Span<UInt8>) -> [UInt8] {
  var result: [UInt8] = []
  result.reserveCapacity(span.count)
  for i in span.indices { result.append(span[i]) }
  return result
}
