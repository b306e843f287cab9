import CLinux
import Machine
import Synchronization

/// Bits of inotify(7).
enum NotifyMask {
  static var access: UInt32 { 0x1 }
  static var modify: UInt32 { 0x2 }
  static var attributes: UInt32 { 0x4 }
  static var closeWrite: UInt32 { 0x8 }
  static var closeNoWrite: UInt32 { 0x10 }
  static var open: UInt32 { 0x20 }
  static var movedFrom: UInt32 { 0x40 }
  static var movedTo: UInt32 { 0x80 }
  static var create: UInt32 { 0x100 }
  static var delete: UInt32 { 0x200 }
  static var deleteSelf: UInt32 { 0x400 }
  static var moveSelf: UInt32 { 0x800 }
  static var all: UInt32 { 0xfff }
  static var unmount: UInt32 { 0x2000 }
  static var overflow: UInt32 { 0x4000 }
  static var ignored: UInt32 { 0x8000 }
  static var onlyDirectory: UInt32 { 0x0100_0000 }
  static var dontFollow: UInt32 { 0x0200_0000 }
  static var excludeUnlinked: UInt32 { 0x0400_0000 }
  static var maskCreate: UInt32 { 0x1000_0000 }
  static var maskAdd: UInt32 { 0x2000_0000 }
  static var isDirectory: UInt32 { 0x4000_0000 }
  static var oneShot: UInt32 { 0x8000_0000 }
}

/// A watch: what one inotify(7) instance wants to know of one inode. The instance and the inode both hold it; it holds
/// neither. Under the lock of `InotifyTable`.
final class InotifyWatch {
  let descriptor: Int32
  let instance: Borrowed<InotifyQueue>  // takes its watches off their inodes before it dies
  var inode: Borrowed<Inode>?  // nil once the inode is gone: its deinit says so
  var mask: UInt32
  init(_ descriptor: Int32, _ instance: InotifyQueue, _ inode: Inode, _ mask: UInt32) {
    self.descriptor = descriptor
    self.instance = Borrowed(instance)
    self.inode = Borrowed(inode)
    self.mask = mask
  }
}

struct InotifyEvent {
  var descriptor: Int32
  var mask: UInt32
  var cookie: UInt32
  var name: [UInt8]
  /// Bytes of it as read(2) returns it.
  var size: Int { 16 + (name.isEmpty ? 0 : (name.count + 16) & ~15) }
  func isSame(_ other: InotifyEvent) -> Bool {
    descriptor == other.descriptor && mask == other.mask && cookie == other.cookie && name == other.name
  }
}

/// What an instance has: its watches and the events that nobody has read. Under the lock of `InotifyTable`.
final class InotifyQueue {
  var watches: [InotifyWatch] = []
  var events: [InotifyEvent] = []
  var first = 0  // events before it are read
  var bytes = 0
  var lastDescriptor: Int32 = 0
  let queue = WaitQueue()

  var isEmpty: Bool { first == events.count }

  func add(_ event: InotifyEvent) {
    if let last = events.last, !isEmpty, last.isSame(event) { return }
    if events.count - first >= 16384 {
      let overflow = InotifyEvent(descriptor: -1, mask: NotifyMask.overflow, cookie: 0, name: [])
      if let last = events.last, last.isSame(overflow) { return }
      events.append(overflow)
      bytes += overflow.size
    } else {
      events.append(event)
      bytes += event.size
    }
    queue.wakeAll(events: PollEvents([.in, .readNormal]).rawValue)
  }
  func takeFirst() {
    bytes -= events[first].size
    first += 1
    if first == events.count {
      events = []
      first = 0
    }
  }
}

/// One lock for all watches and queues; `isActive` lets everything else pass it by while nobody watches.
final class InotifyTable {
  let lock = SpinLock<Void>((), rank: .leaf)
  let count = Atomic<Int>(0)  // watches
  private let cookies = Atomic<UInt32>(1)
  func newCookie() -> UInt32 { cookies.add(1, ordering: .relaxed).oldValue }

  /// Tells the watches of `inode`; `name` is of a file in it.
  func tell(_ inode: Inode, _ mask: UInt32, _ name: [UInt8] = [], cookie: UInt32 = 0, unlinked: Bool = false) {
    lock.withLock { _ in
      for watch in inode.watches where watch.mask & mask & (NotifyMask.all | NotifyMask.unmount) != 0 {
        if unlinked && watch.mask & NotifyMask.excludeUnlinked != 0 && !name.isEmpty { continue }
        watch.instance.with { queue in
          queue.add(InotifyEvent(descriptor: watch.descriptor, mask: mask, cookie: cookie, name: name))
        }
        if watch.mask & NotifyMask.oneShot != 0 {
          // It stays listed until the inode or the instance goes, but says nothing more.
          watch.mask = 0
          watch.instance.with { queue in
            queue.add(InotifyEvent(descriptor: watch.descriptor, mask: NotifyMask.ignored, cookie: 0, name: []))
          }
        }
      }
    }
  }
  /// `inode` is about to die.
  func inodeFreed(_ inode: Inode) {
    var gone: [InotifyWatch] = []
    lock.withLock { _ in
      gone = inode.watches
      inode.watches = []
      for watch in gone {
        watch.inode = nil
        watch.instance.with { queue in
          if watch.mask & NotifyMask.deleteSelf != 0 {
            queue.add(InotifyEvent(descriptor: watch.descriptor, mask: NotifyMask.deleteSelf, cookie: 0, name: []))
          }
          if watch.mask != 0 {
            queue.add(InotifyEvent(descriptor: watch.descriptor, mask: NotifyMask.ignored, cookie: 0, name: []))
          }
          queue.watches.removeAll { $0 === watch }
        }
      }
    }
    count.subtract(gone.count, ordering: .relaxed)
    withExtendedLifetime(gone) {}
  }

  /// inotify_add_watch(2).
  func add(_ queue: InotifyQueue, _ inode: Inode, _ mask: UInt32) throws(Errno) -> Int32 {
    try MemoryBound.check(256, or: .noSpace)
    let kept = mask & ~(NotifyMask.maskAdd | NotifyMask.maskCreate | NotifyMask.dontFollow | NotifyMask.onlyDirectory)
    let (descriptor, isNew) = try lock.withLock { (_) throws(Errno) -> (Int32, Bool) in
      for watch in inode.watches where watch.instance == queue && watch.mask != 0 {
        if mask & NotifyMask.maskCreate != 0 { throw .exists }
        watch.mask = mask & NotifyMask.maskAdd != 0 ? watch.mask | kept : kept
        return (watch.descriptor, false)
      }
      if queue.watches.count >= 65536 { throw .noSpace }
      queue.lastDescriptor += 1
      let watch = InotifyWatch(queue.lastDescriptor, queue, inode, kept)
      queue.watches.append(watch)
      inode.watches.append(watch)
      return (watch.descriptor, true)
    }
    if isNew { count.add(1, ordering: .relaxed) }
    return descriptor
  }
  /// inotify_rm_watch(2), or with nil the end of the instance.
  func remove(_ queue: InotifyQueue, _ descriptor: Int32?) throws(Errno) {
    var gone: [InotifyWatch] = []
    lock.withLock { _ in
      for watch in queue.watches where descriptor == nil || watch.descriptor == descriptor {
        gone.append(watch)
        watch.inode?.with { inode in inode.watches.removeAll { $0 === watch } }
        if descriptor != nil && watch.mask != 0 {
          queue.add(InotifyEvent(descriptor: watch.descriptor, mask: NotifyMask.ignored, cookie: 0, name: []))
        }
      }
      queue.watches.removeAll { descriptor == nil || $0.descriptor == descriptor }
    }
    count.subtract(gone.count, ordering: .relaxed)
    if descriptor != nil && gone.isEmpty { throw .invalid }
  }
}
let inotify = KernelGlobal<InotifyTable>()

/// The places where something happens to files tell it here.
enum Notify {
  /// Whether anybody watches anything: one load.
  @inline(__always) static var isActive: Bool { inotify.with { $0.count.load(ordering: .relaxed) != 0 } }

  /// A name in `directory`: made, removed.
  @inline(__always) static func name(_ directory: Inode, _ mask: UInt32, _ name: [UInt8], _ inode: Inode) {
    if isActive { nameNow(directory, mask, name, inode) }
  }
  @inline(never) private static func nameNow(_ directory: Inode, _ mask: UInt32, _ name: [UInt8], _ inode: Inode) {
    inotify.with { $0.tell(directory, mask | (inode.isDirectory ? NotifyMask.isDirectory : 0), name) }
  }
  /// Something happened to the file at `dentry`: it and its directory are told.
  @inline(__always) static func file(_ dentry: Dentry, _ mask: UInt32) {
    if isActive { fileNow(dentry, mask) }
  }
  @inline(__always) static func file(_ file: File, _ mask: UInt32) {
    if isActive, let path = file.path { fileNow(path.dentry, mask) }
  }
  @inline(never) private static func fileNow(_ dentry: Dentry, _ mask: UInt32) {
    let inode = dentry.inode
    let mask = mask | (inode.isDirectory ? NotifyMask.isDirectory : 0)
    let place = dentries.with { $0.place(of: dentry) }
    inotify.with { table in
      if let parent = place.parent, !parent.inode.watches.isEmpty {
        table.tell(parent.inode, mask, place.name, unlinked: dentry.isDeleted)
      }
      if !inode.watches.isEmpty { table.tell(inode, mask, unlinked: dentry.isDeleted) }
    }
  }
  /// A file has a name more or less: only it is told.
  @inline(__always) static func linkCount(_ inode: Inode) {
    if isActive { inotify.with { $0.tell(inode, NotifyMask.attributes) } }
  }
  /// A rename, done.
  @inline(__always) static func renamed(
    _ inode: Inode, _ from: Inode, _ oldName: [UInt8], _ to: Inode, _ newName: [UInt8]
  ) {
    if isActive { renamedNow(inode, from, oldName, to, newName) }
  }
  @inline(never) private static func renamedNow(
    _ inode: Inode, _ from: Inode, _ oldName: [UInt8], _ to: Inode, _ newName: [UInt8]
  ) {
    let directory = inode.isDirectory ? NotifyMask.isDirectory : 0
    inotify.with { table in
      let cookie = table.newCookie()
      table.tell(from, NotifyMask.movedFrom | directory, oldName, cookie: cookie)
      table.tell(to, NotifyMask.movedTo | directory, newName, cookie: cookie)
      table.tell(inode, NotifyMask.moveSelf)
    }
  }
}
