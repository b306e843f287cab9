import CLinux
import Machine
import Testing

@testable import Kernel

/// A tree in a tmpfs of its own, as root sees it.
private final class Tree {
  let root: Path
  let credentials = Credentials()

  init() {
    Self.prepare
    let fileSystem = Tmpfs()
    root = mounts.with { $0.setRoot(Dentry(root: TmpfsDirectory(fileSystem, mode: 0o755, uid: 0, gid: 0))) }
  }
  private static let prepare: Void = {
    dentries.set(DentryCache(limit: 64))
    mounts.set(MountTable())
    fileSystemTypes.set(FileSystemTypeList())
    anonymousFileSystems.set(AnonymousFileSystems())
    fileLocks.set(LockTable())
    inotify.set(InotifyTable())
  }()

  func walk(_ path: String, _ flags: WalkFlags = .follow, from: Path? = nil) throws(Errno) -> PathWalk {
    try PathWalk.begin(Array(path.utf8), from: from ?? root, root: root, credentials, flags)
  }
  func find(_ path: String, _ flags: WalkFlags = .follow, from: Path? = nil) throws(Errno) -> Path {
    var walk = try walk(path, flags, from: from)
    return try walk.finish()
  }
  func error(_ path: String, _ flags: WalkFlags = .follow, from: Path? = nil) -> Errno? {
    do throws(Errno) {
      _ = try find(path, flags, from: from)
      return nil
    } catch {
      return error
    }
  }
  @discardableResult func mkdir(_ path: String) throws(Errno) -> Path {
    var walk = try walk(path, [])
    return try Names.make(&walk, credentials, isDirectory: true) { (parent, name) throws(Errno) -> Inode in
      try parent.mkdir(name, NewFile(mode: FileType.directory | 0o755, uid: 0, gid: 0))
    }
  }
  @discardableResult func make(_ path: String) throws(Errno) -> Path {
    var walk = try walk(path, [])
    return try Names.make(&walk, credentials, isDirectory: false) { (parent, name) throws(Errno) -> Inode in
      try parent.mknod(name, NewFile(mode: FileType.fifo | 0o644, uid: 0, gid: 0))
    }
  }
  func link(_ target: String, _ path: String) throws(Errno) {
    var walk = try walk(path, [])
    try Names.make(&walk, credentials, isDirectory: false) { (parent, name) throws(Errno) -> Inode in
      try parent.symlink(name, target: Array(target.utf8), NewFile(mode: FileType.symbolicLink | 0o777, uid: 0, gid: 0))
    }
  }
  func remove(_ path: String, isDirectory: Bool = false) throws(Errno) {
    var walk = try walk(path, [])
    try Names.remove(&walk, credentials, isDirectory: isDirectory)
  }
  func rename(_ old: String, _ new: String, _ flags: UInt32 = 0) throws(Errno) {
    var from = try walk(old, []), to = try walk(new, [])
    try Rename.perform(&from, &to, flags, credentials)
  }
  func text(_ path: Path) -> String { String(decoding: path.text(below: root).text, as: UTF8.self) }
}

// One after the other: hosted, all tests share the one carrier's block.
@Suite(.serialized) struct VFSTests {
  @Test func walksNamesDotsAndSlashes() throws {
    let tree = Tree()
    try tree.mkdir("a")
    try tree.mkdir("/a//b/")
    try tree.make("a/b/f")
    #expect(tree.text(try tree.find("/a/./b/../b//f")) == "/a/b/f")
    #expect(try tree.find("/../..") == tree.root)
    #expect(try tree.find("///") == tree.root)
    #expect(tree.error("") == .noEntry)
    #expect(try tree.find("", [.allowEmpty]) == tree.root)
    #expect(tree.error("a/b/f/") == .notDirectory)
    #expect(tree.error("a/b/f/x") == .notDirectory)
    #expect(tree.error("a/x/f") == .noEntry)
    #expect(tree.error("a/" + String(repeating: "n", count: 256)) == .nameTooLong)
    #expect(tree.error("a/" + String(repeating: "n", count: 255)) == .noEntry)
  }

  @Test func followsLinks() throws {
    let tree = Tree()
    try tree.mkdir("d")
    try tree.make("d/f")
    try tree.link("d", "l")
    try tree.link("/d/f", "d/abs")
    try tree.link("loop", "loop")
    try tree.link("l/../l/f", "far")
    #expect(tree.text(try tree.find("l/f")) == "/d/f")
    #expect(tree.text(try tree.find("l/abs")) == "/d/f")
    #expect(tree.text(try tree.find("far")) == "/d/f")
    #expect(try tree.find("l", []).dentry.inode.isSymbolicLink)
    #expect(try tree.find("l/", []).dentry.inode.isDirectory)
    #expect(tree.error("loop") == .loop)
    #expect(tree.error("far/") == .notDirectory)
    try tree.link("f0", "chain0")
    try tree.make("f0")
    for i in 1...40 { try tree.link("chain\(i - 1)", "chain\(i)") }
    #expect(tree.error("chain39") == nil)
    #expect(tree.error("chain40") == .loop)
  }

  @Test func resolvesWithinBounds() throws {
    let tree = Tree()
    let d = try tree.mkdir("d")
    try tree.mkdir("d/e")
    try tree.make("out")
    try tree.link("../out", "d/up")
    try tree.link("/e", "d/abs")
    #expect(tree.error("e/..", [.follow, .beneath], from: d) == nil)
    #expect(tree.error("../out", [.follow, .beneath], from: d) == .crossDevice)
    #expect(tree.error("up", [.follow, .beneath], from: d) == .crossDevice)
    #expect(tree.error("abs", [.follow, .beneath], from: d) == .crossDevice)
    #expect(tree.text(try tree.find("abs", [.follow, .inRoot], from: d)) == "/d/e")
    #expect(try tree.find("../../..", [.follow, .inRoot], from: d) == d)
    #expect(tree.error("up", [.follow, .noSymbolicLinks], from: d) == .loop)
  }

  @Test func renames() throws {
    let tree = Tree()
    try tree.mkdir("a")
    try tree.mkdir("a/b")
    try tree.make("f")
    let b = try tree.find("a/b")
    try tree.rename("a/b", "c")
    #expect(tree.text(b) == "/c")
    #expect(tree.error("a/b") == .noEntry)
    #expect(throws: Errno.notDirectory) { try tree.rename("a", "f") }
    #expect(throws: Errno.isDirectory) { try tree.rename("f", "a") }
    try tree.rename("c", "a/c")
    #expect(throws: Errno.invalid) { try tree.rename("a", "a/c/x") }
    #expect(throws: Errno.notEmpty) { try tree.rename("a/c", "a") }
    #expect(throws: Errno.exists) { try tree.rename("f", "a", UInt32(RENAME_NOREPLACE)) }
    try tree.rename("f", "a/c", UInt32(RENAME_EXCHANGE))
    #expect(try tree.find("f").dentry.inode.isDirectory)
    #expect(tree.text(b) == "/f")
    #expect(try tree.find("a").dentry.inode.linkCount == 2)
    #expect(tree.root.dentry.inode.linkCount == 4)
  }

  @Test func removes() throws {
    let tree = Tree()
    let d = try tree.mkdir("d")
    try tree.make("d/f")
    #expect(throws: Errno.notEmpty) { try tree.remove("d", isDirectory: true) }
    #expect(throws: Errno.isDirectory) { try tree.remove("d") }
    #expect(throws: Errno.notDirectory) { try tree.remove("d/f", isDirectory: true) }
    #expect(throws: Errno.invalid) { try tree.remove("d/.", isDirectory: true) }
    #expect(throws: Errno.notEmpty) { try tree.remove("d/..", isDirectory: true) }
    #expect(throws: Errno.busy) { try tree.remove("/", isDirectory: true) }
    try tree.remove("d/f")
    try tree.remove("d", isDirectory: true)
    #expect(d.dentry.isDeleted)
    #expect(tree.error("x", from: d) == .noEntry)
    #expect(throws: Errno.noEntry) {
      var walk = try tree.walk("x", [], from: d)
      try Names.make(&walk, tree.credentials, isDirectory: true) { (parent, name) throws(Errno) -> Inode in
        try parent.mkdir(name, NewFile(mode: FileType.directory, uid: 0, gid: 0))
      }
    }
  }

  @Test func crossesMounts() throws {
    let tree = Tree()
    let m = try tree.mkdir("m")
    try tree.make("m/under")
    let mount = try Mounting.attach(Tmpfs.make(source: []), at: m, flags: 0)
    #expect(tree.error("m/under") == .noEntry)
    try tree.make("m/over")
    #expect(try tree.find("m").mount === mount)
    #expect(try tree.find("m/..") == tree.root)
    #expect(tree.text(try tree.find("m/over")) == "/m/over")
    #expect(throws: Errno.busy) { try tree.remove("m", isDirectory: true) }
    #expect(throws: Errno.crossDevice) { try tree.rename("m/over", "x") }
    #expect(tree.error("m/over", [.follow, .noMounts]) == .crossDevice)
  }

  @Test func checksPermissions() throws {
    let tree = Tree()
    try tree.mkdir("closed")
    try tree.make("closed/f")
    try tree.find("closed").dentry.inode.mode = FileType.directory | 0o700
    let user = Credentials()
    user.fsuid = 1000
    user.fsgid = 1000
    user.effective = 0
    func error(_ path: String) -> Errno? {
      do throws(Errno) {
        var walk = try PathWalk.begin(Array(path.utf8), from: tree.root, root: tree.root, user, .follow)
        _ = try walk.finish()
        return nil
      } catch {
        return error
      }
    }
    #expect(error("closed") == nil)
    #expect(error("closed/f") == .access)
    #expect(error("closed/.") == .access)
    user.effective = 1 << UInt64(CAP_DAC_READ_SEARCH)
    #expect(error("closed/f") == nil)
  }

  @Test func keepsManyNames() throws {
    let tree = Tree()
    try tree.mkdir("many")
    for i in 0..<500 { try tree.make("many/n\(i)") }
    for i in stride(from: 0, to: 500, by: 2) { try tree.remove("many/n\(i)") }
    for i in 0..<500 { #expect(tree.error("many/n\(i)") == (i % 2 == 0 ? .noEntry : nil)) }
    for i in 0..<500 where i % 2 == 0 { try tree.make("many/n\(i)") }
    var seen = 0, last = 0
    let directory = try #require(try tree.find("many").dentry.inode as? TmpfsDirectory)
    directory.table.forEach(from: 0) { _, _, cookie in
      #expect(cookie > last)
      last = cookie
      seen += 1
      return true
    }
    #expect(seen == 500)
  }

  @Test func opensTheLowestDescriptor() throws {
    let tree = Tree()
    let file = File(inode: tree.root.dentry.inode, flags: O_RDONLY)
    let table = FileTable()
    for i in 0..<100 { #expect(try table.install(file, closeOnExec: i % 3 == 0, limit: 1000) == i) }
    _ = try table.remove(7)
    _ = try table.remove(70)
    #expect(try table.install(file, from: 8, closeOnExec: false, limit: 1000) == 70)
    #expect(try table.install(file, closeOnExec: true, limit: 1000) == 7)
    #expect(throws: Errno.tooManyFiles) { try table.install(file, closeOnExec: false, limit: 100) }
    #expect(throws: Errno.badDescriptor) { try table.withFile(500) { _ in } }
    #expect(throws: Errno.badDescriptor) { try table.withFile(-1) { _ in } }
    #expect(try table.closesOnExec(7))
    #expect(try !table.closesOnExec(70))
    #expect(try table.exchange(200, file, closeOnExec: false) == nil)
    #expect(table.next(from: 100) == 200)
    let reserved = try table.reserve(closeOnExec: false, limit: 1000)
    #expect(reserved == 100)
    #expect(throws: Errno.busy) { try table.exchange(100, file, closeOnExec: false) }
    let copy = table.copy()
    #expect(copy.next(from: 100) == 200)
    #expect(try copy.install(file, closeOnExec: false, limit: 1000) == 100)
  }

  @Test func splitsAndJoinsLocks() {
    let locks = FileLocks()
    let a = LockOwner(identity: 1, pid: 1), b = LockOwner(identity: 2, pid: 2)
    func lock(_ owner: LockOwner, _ start: Int, _ end: Int, _ isWrite: Bool) -> RangeLock {
      RangeLock(owner: owner, start: start, end: end, isWrite: isWrite)
    }
    locks.replace(a, 0, 99, lock(a, 0, 99, true))
    locks.replace(a, 40, 59, nil)
    #expect(locks.ranges.count == 2)
    #expect(locks.conflict(lock(b, 40, 59, true), isWhole: false) == nil)
    #expect(locks.conflict(lock(b, 39, 39, false), isWhole: false)?.start == 0)
    locks.replace(a, 40, 59, lock(a, 40, 59, true))
    #expect(locks.ranges.count == 1)
    locks.replace(a, 10, 19, lock(a, 10, 19, false))
    #expect(locks.ranges.count == 3)
    #expect(locks.conflict(lock(b, 10, 19, false), isWhole: false) == nil)
    #expect(locks.conflict(lock(b, 10, 20, false), isWhole: false) != nil)
    locks.replace(a, 0, .max, lock(a, 0, .max, false))
    #expect(locks.ranges.count == 1)
  }

  @Test func readsMountOptions() throws {
    #expect(parseSize(Array("64k".utf8)) == 65536)
    #expect(parseSize(Array("3G".utf8)) == 3 << 30)
    #expect(parseSize(Array("9999999999999999999".utf8)) == nil)
    #expect(parseSize(Array("x".utf8)) == nil)
    let options = try TmpfsOptions(Array("size=1m,mode=0700,,uid=5".utf8))
    #expect(options.pages == 256)
    #expect(options.mode == 0o700)
    #expect(options.uid == 5)
    #expect(throws: Errno.invalid) { try TmpfsOptions(Array("bogus".utf8)) }
    #expect(throws: Errno.invalid) { try TmpfsOptions(Array("mode=9".utf8)) }
  }
}
