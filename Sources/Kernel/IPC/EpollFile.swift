import CLinux
import Machine

/// The open file of an epoll.
public final class EpollFile: File {
  let epoll: EventPoll

  init(inode: Inode, flags: Int32) {
    let watches = FileWatches()
    epoll = EventPoll(watches: watches)
    super.init(inode: inode, flags: flags)
    _ = self.watches.set(watches)
  }
  deinit { epoll.shutDown() }

  public override var label: [UInt8] { Array("anon_inode:[eventpoll]".utf8) }
  /// As Linux: it does nothing.
  public override func seek(_ offset: Int, _ whence: Int32) throws(Errno) -> Int { position }
  public override func poll(_ table: PollTable?) -> PollEvents {
    table?.register(epoll.pollers)
    guard epoll.hasReady else { return [] }
    return Task.withCurrentTask { task in
      do throws(Errno) {
        return try task.withPoller { (poller) throws(Errno) -> PollEvents in
          epoll.hasEvents(poller) ? [.in, .readNormal] : []
        }
      } catch {
        return []  // no memory for a poller: nothing to say
      }
    }
  }
}

/// How epolls watch each other: never in a circle, and at most four deep.
final class EpollNesting {
  static var maximum: Int { 4 }
  /// Held while an epoll comes to watch another.
  let lock = Mutex<Void>((), rank: .fileSystem)

  /// Watches `target`, an epoll, in `epoll`. Errors: ELOOP, and those of `EventPoll.add`.
  func add(
    _ target: EpollFile, to epoll: EventPoll, _ descriptor: Int32, _ events: UInt32, _ data: UInt64
  ) throws(Errno) {
    try lock.withLock { (_) throws(Errno) in
      let below = try depthBelow(target.epoll, avoiding: epoll, 0)
      let above = try depthAbove(epoll, 0)
      if above + 1 + below > Self.maximum { throw Errno.loop }
      try epoll.add(target, descriptor, events, data)
    }
  }
  private func depthBelow(_ from: EventPoll, avoiding top: EventPoll, _ depth: Int) throws(Errno) -> Int {
    if from === top || depth > Self.maximum { throw .loop }
    var inner: [EventPoll] = []
    from.items.withLock { items in
      items.forEach { item in
        // An item of an attached epoll: its file's memory is there, its class does not change.
        if let epoll = item.nested { inner.append(epoll) }
      }
    }
    var result = 0
    for epoll in inner { result = max(result, try depthBelow(epoll, avoiding: top, depth + 1) + 1) }
    return result
  }
  private func depthAbove(_ from: EventPoll, _ depth: Int) throws(Errno) -> Int {
    if depth > Self.maximum { throw .loop }
    var result = 0
    for epoll in from.watches.epolls { result = max(result, try depthAbove(epoll, depth + 1) + 1) }
    return result
  }
}
let epollNesting = KernelGlobal<EpollNesting>()
