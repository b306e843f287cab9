import CLinux
import Machine

/// An instance of inotify(7).
final class InotifyFile: File {
  let notifications = InotifyQueue()

  init(flags: Int32) { super.init(inode: AnonymousInode.shared, flags: flags) }
  deinit { inotify.with { table in _ = try? table.remove(notifications, nil) } }

  override var label: [UInt8] { Array("anon_inode:inotify".utf8) }

  override func read(_ buffers: inout IOBuffers, at offset: Int) throws(Errno) -> Int {
    var done = 0
    while true {
      let room = buffers.count
      let event = try inotify.with { (table) throws(Errno) -> InotifyEvent? in
        try table.lock.withLock { (_) throws(Errno) -> InotifyEvent? in
          guard !notifications.isEmpty else { return nil }
          let event = notifications.events[notifications.first]
          if event.size > room {
            if done == 0 { throw .invalid }
            return nil
          }
          notifications.takeFirst()
          return event
        }
      }
      if let event {
        done += try buffers.copyOut(Self.bytes(of: event))
        continue
      }
      if done > 0 { return done }
      if isNonBlocking { throw .wouldBlock }
      try notifications.queue.wait { () throws(Errno) -> Bool in
        inotify.with { table in table.lock.withLock { _ in !notifications.isEmpty } }
      }
    }
  }
  private static func bytes(of event: InotifyEvent) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(event.size)
    for word in [UInt32(bitPattern: event.descriptor), event.mask, event.cookie, UInt32(event.size - 16)] {
      for shift in stride(from: UInt32(0), to: 32, by: 8) { result.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    result.append(contentsOf: event.name)
    while result.count < event.size { result.append(0) }
    return result
  }

  override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(notifications.queue)
    let isEmpty = inotify.with { table in table.lock.withLock { _ in notifications.isEmpty } }
    return isEmpty ? [] : [.in, .readNormal]
  }
  override func ioctl(_ task: Task, _ request: UInt32, _ argument: UInt) throws(Errno) -> Int {
    guard request == UInt32(FIONREAD) else { throw .notTerminal }
    let bytes = inotify.with { table in table.lock.withLock { _ in notifications.bytes } }
    try UserPointer<Int32>(argument).copyOut(Int32(truncatingIfNeeded: bytes))
    return 0
  }
}
