import CLinux
import Machine

/// The inode of what has no name: pipes, sockets, eventfds. Each kind has a file system that is mounted nowhere.
public final class AnonymousInode: Inode {
  private let kind: AnonymousKind

  /// One of its own for a pipe or a socket.
  public init(_ kind: AnonymousKind, mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0) {
    self.kind = kind
    let fileSystem = anonymousFileSystems.borrowed.with { $0.of(kind) }
    super.init(fileSystem: fileSystem, number: fileSystem.newInodeNumber(), mode: mode, uid: uid, gid: gid)
  }
  /// The one that eventfd, epoll, timerfd, signalfd… share, as on Linux.
  public static var shared: AnonymousInode { anonymousFileSystems.borrowed.with { $0.sharedInode.borrowed!.object } }

  /// `pipe:[7]`. Files of the shared inode say more themselves: `File.label`.
  public override var label: [UInt8] {
    switch kind {
    case .pipe: Array("pipe:[\(number)]".utf8)
    case .socket: Array("socket:[\(number)]".utf8)
    case .other: Array("anon_inode:inode".utf8)
    }
  }
}

public enum AnonymousKind: Sendable {
  case pipe
  case socket
  case other
}

final class AnonymousFileSystems {
  let pipes = FileSystem(type: "pipefs", magic: Int(PIPEFS_MAGIC))
  let sockets = FileSystem(type: "sockfs", magic: Int(SOCKFS_MAGIC))
  let others = FileSystem(type: "anon_inodefs", magic: Int(ANON_INODE_FS_MAGIC))
  var sharedInode = OwnedOptional<AnonymousInode>()

  func of(_ kind: AnonymousKind) -> FileSystem {
    switch kind {
    case .pipe: pipes
    case .socket: sockets
    case .other: others
    }
  }
}
let anonymousFileSystems = KernelGlobal<AnonymousFileSystems>()
