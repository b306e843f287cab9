import CLinux
import Machine

/// A name in a directory, as a walk has found it: either of a file, or known not to be there (`isNegative`). Which of the
/// two never changes, nor does the file; what a name means changes by another dentry taking its place in the cache.
///
/// Walks read it without a lock (`DentryCache`): what the cache drops is released after a grace period.
public final class Dentry: Deferred {
  /// The file. Of a negative dentry it is the directory's own inode, which nobody should use.
  public let inode: Inode
  public let isNegative: Bool
  /// Never in the cache: `Inode.isTransient`.
  let isTransient: Bool
  // Changed under the lock of `DentryCache`.
  private(set) var name: OwnedBytes
  var hash: UInt  // of parent and name; good while hashed
  private(set) var parent: Dentry?  // nil: a root, or one whose directories are gone
  private(set) var parentIdentity: UInt  // for who compares without a count
  let next = RCULink<Dentry>()  // the bucket's chain; the cache holds a count of each dentry in it
  var isHashed = false
  var wasUsed = false  // since the sweep passed; set without the lock
  /// Mounts on it: under the mount table's lock, read without.
  var mountCount = 0
  /// The name is gone: rmdir(2), unlink(2), or replaced by a rename.
  public internal(set) var isDeleted = false

  /// The root of a file system.
  public init(root inode: Inode) {
    self.inode = inode
    isNegative = false
    isTransient = false
    name = OwnedBytes([47].span)
    hash = 0
    parentIdentity = 0
  }
  /// `name` in `parent`; not in the cache yet. `inode` nil: known not to be there.
  init(name: Span<UInt8>, in parent: Dentry, inode: Inode?) {
    self.inode = inode ?? parent.inode
    isNegative = inode == nil
    isTransient = parent.isTransient || inode?.isTransient == true
    self.name = OwnedBytes(name)
    hash = 0
    self.parent = parent
    parentIdentity = Borrowed(parent).identity
  }

  func move(to parent: Dentry, name: [UInt8]) -> Dentry? {
    let old = self.parent
    self.parent = parent
    parentIdentity = Borrowed(parent).identity
    self.name = OwnedBytes(name.span)
    return old
  }

  deinit {
    // A long chain of deleted directories must not take a stack frame each.
    var at = parent.take()
    while let directory = at {
      at = nil
      guard Borrowed(directory).isUnique else { return }
      at = directory.parent.take()
    }
  }
}
